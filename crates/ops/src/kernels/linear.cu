// The fully connected layer: x [n, i], w [i, o], y [n, o]. Small beside the convolutions.

// A warp a result.
template <typename T>
__device__ void linear(const T* x, const T* w, const float* bias, T* y, u32 n, u32 i, u32 o) {
  u64 result = ((u64)blockIdx.x * blockDim.x + threadIdx.x) / WARP;
  if (result >= (u64)n * o) return;
  u32 sample = result / o, output = result % o, lane = threadIdx.x % WARP;
  float sum = 0.0f;
  for (u32 k = lane; k < i; k += WARP) sum += to_float(x[(u64)sample * i + k]) * to_float(w[(u64)k * o + output]);
  sum = warp_sum(sum);
  if (lane == 0) y[result] = from_float<T>(bias ? sum + bias[output] : sum);
}

// A block of 32 weights times 8 slices of the samples; behind the weights come the biases, as if of an input that is always 1.
template <typename T>
__device__ void linear_grad_weight(const T* x, const T* dy, float* dw, float* dbias, u32 n, u32 i, u32 o) {
  SHARED(float, sums, 8 * 32);
  u32 weights = i * o, weight = blockIdx.x * 32 + threadIdx.x;
  bool is_bias = weight >= weights, works = weight < weights + (dbias ? o : 0);
  u32 input = weight / o, output = weight % o;
  float sum = 0.0f;
  if (works)
    for (u32 sample = threadIdx.y; sample < n; sample += 8)
      sum += (is_bias ? 1.0f : to_float(x[(u64)sample * i + input])) * to_float(dy[(u64)sample * o + output]);
  sums[threadIdx.y * 32 + threadIdx.x] = sum;
  __syncthreads();
  if (threadIdx.y > 0 || !works) return;
  for (u32 slice = 1; slice < 8; slice++) sum += sums[slice * 32 + threadIdx.x];
  if (is_bias)
    dbias[weight - weights] = sum;
  else
    dw[weight] = sum;
}

template <typename T>
__device__ void linear_grad_input(const T* dy, const T* w, T* dx, u32 n, u32 i, u32 o) {
  u64 at = (u64)blockIdx.x * blockDim.x + threadIdx.x;
  if (at >= (u64)n * i) return;
  u64 sample = at / i, input = at % i;
  float sum = 0.0f;
  for (u32 k = 0; k < o; k++) sum += to_float(dy[sample * o + k]) * to_float(w[input * o + k]);
  dx[at] = from_float<T>(sum);
}

// A warp a sample: adds (|x|^2 + 1 if there is a bias) |dy|^2.
template <typename T>
__device__ void linear_squares(const T* x, const T* dy, float* squares, u32 n, u32 i, u32 o, u32 bias) {
  u32 sample = (blockIdx.x * blockDim.x + threadIdx.x) / WARP, lane = threadIdx.x % WARP;
  if (sample >= n) return;
  float inputs = 0.0f, outputs = 0.0f;
  for (u32 k = lane; k < i; k += WARP) {
    float v = to_float(x[(u64)sample * i + k]);
    inputs += v * v;
  }
  for (u32 k = lane; k < o; k += WARP) {
    float v = to_float(dy[(u64)sample * o + k]);
    outputs += v * v;
  }
  inputs = warp_sum(inputs), outputs = warp_sum(outputs);
  if (lane == 0) squares[sample] += (inputs + (bias ? 1.0f : 0.0f)) * outputs;
}

#define LINEAR(T, NAME)                                                                                                     \
  extern "C" __global__ void linear_##NAME(const T* x, const T* w, const float* bias, T* y, u32 n, u32 i, u32 o) {          \
    linear<T>(x, w, bias, y, n, i, o);                                                                                      \
  }                                                                                                                         \
  extern "C" __global__ void linear_grad_weight_##NAME(const T* x, const T* dy, float* dw, float* dbias, u32 n, u32 i,      \
                                                       u32 o) {                                                             \
    linear_grad_weight<T>(x, dy, dw, dbias, n, i, o);                                                                       \
  }                                                                                                                         \
  extern "C" __global__ void linear_grad_input_##NAME(const T* dy, const T* w, T* dx, u32 n, u32 i, u32 o) {                \
    linear_grad_input<T>(dy, w, dx, n, i, o);                                                                               \
  }                                                                                                                         \
  extern "C" __global__ void linear_squares_##NAME(const T* x, const T* dy, float* squares, u32 n, u32 i, u32 o,            \
                                                   u32 bias) {                                                              \
    linear_squares<T>(x, dy, squares, n, i, o, bias);                                                                       \
  }

BOTH(LINEAR)
