// Sums, multiples, casts, and the optimiser's step: each thread takes every so many numbers.

#define EACH(I, LEN) for (u64 I = (u64)blockIdx.x * blockDim.x + threadIdx.x; I < LEN; I += (u64)gridDim.x * blockDim.x)

template <int V, typename T>
__device__ void scale(const T* x, float factor, T* y, u32 accumulate, u64 len) {
  EACH(i, len / V) {
    float v[V], before[V];
    Numbers<V, T>::load(x + i * V, v);
    if (accumulate) Numbers<V, T>::load(y + i * V, before);
    for (int j = 0; j < V; j++) v[j] = accumulate ? before[j] + factor * v[j] : factor * v[j];
    Numbers<V, T>::store(v, y + i * V);
  }
}

#define SCALE(T, NAME)                                                                                                      \
  extern "C" __global__ void scale_##NAME(const T* x, float factor, T* y, u32 accumulate, u64 len) {                        \
    if (len % 8 == 0 && ((u64)x | (u64)y) % 16 == 0)                                                                        \
      scale<8, T>(x, factor, y, accumulate, len);                                                                           \
    else                                                                                                                    \
      scale<1, T>(x, factor, y, accumulate, len);                                                                           \
  }

BOTH(SCALE)

extern "C" __global__ void to_bf16(const float* x, bf16* y, u64 len) {
  EACH(i, len) y[i] = from_float<bf16>(x[i]);
}

extern "C" __global__ void square_roots(float* x, u64 len) {
  EACH(i, len) x[i] = sqrtf(x[i]);
}

extern "C" __global__ void advance_step(u32* step) { *step += 1; }

// The learning rate is that of the step in `rates`, if there are some.
extern "C" __global__ void sgd(float* weights, const float* gradient, const bf16* half_gradient, float* buffer, bf16* working,
                               u64 len, const float* rates, const u32* step, float learning_rate, float momentum, u32 nesterov,
                               float weight_decay) {
  float rate = rates ? rates[*step] : learning_rate;
  EACH(i, len) {
    float w = weights[i], g = gradient[i];
    if (half_gradient) g += to_float(half_gradient[i]);
    g += weight_decay * w;
    float b = momentum * buffer[i] + g;
    buffer[i] = b;
    w -= rate * (nesterov ? g + momentum * b : b);
    weights[i] = w;
    if (working) working[i] = from_float<bf16>(w);
  }
}
