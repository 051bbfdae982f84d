// Softmax cross-entropy: a warp a sample. The columns of a sample are those of `column` in cross_entropy.rs.

struct Best {
  float value;
  u32 at;
};

// The largest of a warp's numbers, the first of equals; a NaN is larger than any number.
__device__ inline Best warp_best(Best mine) {
#pragma unroll
  for (int offset = 16; offset > 0; offset /= 2) {
    Best other = {__shfl_xor_sync(0xffffffffu, mine.value, offset), (u32)__shfl_xor_sync(0xffffffffu, (int)mine.at, offset)};
    bool mine_nan = mine.value != mine.value, other_nan = other.value != other.value;
    bool larger = other_nan ? !mine_nan || other.at < mine.at
                            : !mine_nan && (other.value > mine.value || (other.value == mine.value && other.at < mine.at));
    if (larger) mine = other;
  }
  return mine;
}

// The largest logit, and the logarithm of the sum of exp(logit - largest), all of a warp's lanes know both.
struct Softmax {
  float max, log_sum, rest;
  u32 at;

  // Differences first: adding the largest to the logarithm would round it to the size of the logits.
  __device__ float log_of(float logit) const { return (logit - max) - log_sum; }
};

template <typename T>
__device__ Softmax softmax_of(const T* logits, u32 classes) {
  u32 lane = threadIdx.x % WARP;
  Best best = {-__int_as_float(0x7f800000), 0xffffffffu};
  for (u32 k = lane; k < classes; k += WARP) {
    float v = to_float(logits[k]);
    if (best.at == 0xffffffffu || v > best.value || (v != v && best.value == best.value)) best.value = v, best.at = k;
  }
  best = warp_best(best);
  float rest = 0.0f;
  for (u32 k = lane; k < classes; k += WARP)
    if (k != best.at) rest += expf(to_float(logits[k]) - best.value);
  rest = warp_sum(rest);
  // Of an infinite logit no softmax is defined.
  if (!(fabsf(best.value) <= 3.402823466e38f)) rest = __int_as_float(0x7fffffff);
  Softmax softmax = {best.value, log1pf(rest), rest, best.at};
  return softmax;
}

template <typename T>
__device__ void cross_entropy(const T* logits, const u32* labels, const float* weights, float* samples, T* dlogits, u32 n,
                              u32 classes, float smoothing, const u32* step, u32 batch) {
  u32 sample = (blockIdx.x * blockDim.x + threadIdx.x) / WARP, lane = threadIdx.x % WARP;
  if (sample >= n) return;
  logits += (u64)sample * classes;
  u32 label = labels[sample];
  Softmax softmax = softmax_of(logits, classes);
  float mean = 0.0f, entropy = 0.0f, squares = 0.0f, even = smoothing / (float)classes;
  float weight = (weights ? weights[sample] : 1.0f) / (float)n;
  for (u32 k = lane; k < classes; k += WARP) {
    float logit = to_float(logits[k]), log_p = softmax.log_of(logit), p = expf(log_p);
    // Not p - 1, which is 0 or a few steps of f32 once the sample is learnt.
    float off = k == label ? expm1f(log_p) : p;
    squares += off * off;
    // The limit of p ln p at 0; a NaN passes.
    entropy -= p == 0.0f ? 0.0f : p * log_p;
    mean += log_p / (float)classes;
    if (dlogits) {
      float target = even + (k == label ? 1.0f - smoothing : 0.0f);
      float gradient = weight * (expf(logit - softmax.max) / (1.0f + softmax.rest) - target);
      dlogits[(u64)sample * classes + k] = from_float<T>(gradient);
    }
  }
  mean = warp_sum(mean), entropy = warp_sum(entropy), squares = warp_sum(squares);
  if (lane > 0) return;
  float nan = __int_as_float(0x7fffffff);
  // Beside a NaN the others are still told apart.
  u32 predicted = softmax.max == softmax.max ? softmax.at : 0;
  if (softmax.max != softmax.max)
    for (u32 k = 1; k < classes; k++)
      if (to_float(logits[k]) > to_float(logits[predicted])) predicted = k;
  float log_p = label < classes ? softmax.log_of(to_float(logits[label])) : nan;
  u64 row = (u64)(step ? *step : 0u) * batch + sample;
  float* to = samples + row * 8;
  to[0] = smoothing == 0.0f ? -log_p : -(1.0f - smoothing) * log_p - smoothing * mean;
  to[1] = -log_p;
  to[2] = expf(log_p);
  to[3] = expf(softmax.log_of(to_float(logits[predicted])));
  to[4] = entropy;
  to[5] = label < classes ? sqrtf(squares) : nan;
  to[6] = (float)predicted;
  to[7] = predicted == label ? 1.0f : 0.0f;
}

template <typename T>
__device__ void cross_entropy_gradients(const T* logits, const u32* labels, T* dlogits, u32 n, u32 classes, float smoothing) {
  u32 sample = (blockIdx.x * blockDim.x + threadIdx.x) / WARP, lane = threadIdx.x % WARP;
  if (sample >= n) return;
  logits += (u64)sample * classes;
  u32 label = labels[sample];
  Softmax softmax = softmax_of(logits, classes);
  float even = smoothing / (float)classes;
  for (u32 k = lane; k < classes; k += WARP) {
    float log_p = softmax.log_of(to_float(logits[k]));
    float off = k == label ? expm1f(log_p) + smoothing : expf(log_p);
    dlogits[(u64)sample * classes + k] = from_float<T>(label < classes ? off - even : __int_as_float(0x7fffffff));
  }
}

// Column `column` of rows of `columns` numbers.
extern "C" __global__ void take_column(const float* from, float* to, u32 columns, u32 column, u64 n) {
  for (u64 i = (u64)blockIdx.x * blockDim.x + threadIdx.x; i < n; i += (u64)gridDim.x * blockDim.x)
    to[i] = from[i * columns + column];
}

#define CROSS_ENTROPY(T, NAME)                                                                                              \
  extern "C" __global__ void cross_entropy_##NAME(const T* logits, const u32* labels, const float* weights, float* samples, \
                                                  T* dlogits, u32 n, u32 classes, float smoothing, const u32* step,         \
                                                  u32 batch) {                                                              \
    cross_entropy<T>(logits, labels, weights, samples, dlogits, n, classes, smoothing, step, batch);                        \
  }                                                                                                                         \
  extern "C" __global__ void cross_entropy_gradients_##NAME(const T* logits, const u32* labels, T* dlogits, u32 n,          \
                                                            u32 classes, float smoothing) {                                 \
    cross_entropy_gradients<T>(logits, labels, dlogits, n, classes, smoothing);                                             \
  }

BOTH(CROSS_ENTROPY)
