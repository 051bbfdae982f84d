// Pooling: a thread makes a number of the result. Windows have no padding.

template <typename T>
__device__ void max_pool(const T* x, T* y, u32 n, u32 h, u32 w, u32 c, u32 size, u32 stride) {
  u32 oh = (h - size) / stride + 1, ow = (w - size) / stride + 1;
  u64 i = (u64)blockIdx.x * blockDim.x + threadIdx.x;
  if (i >= (u64)n * oh * ow * c) return;
  u32 channel = i % c, column = i / c % ow, row = i / c / ow % oh, sample = i / c / ow / oh;
  const T* from = x + (((u64)sample * h + row * stride) * w + column * stride) * c + channel;
  float best = -__int_as_float(0x7f800000);
  for (u32 ky = 0; ky < size; ky++)
    for (u32 kx = 0; kx < size; kx++) {
      float v = to_float(from[(ky * w + kx) * c]);
      // A NaN counts as the maximum.
      if (v > best || v != v) best = v;
    }
  y[i] = from_float<T>(best);
}

// Where a window's maximum is: its first one, row by row; a NaN counts as one.
template <typename T>
__device__ u32 place_of_maximum(const T* from, u32 w, u32 c, u32 size) {
  float best = -__int_as_float(0x7f800000);
  u32 at = 0;
  for (u32 ky = 0; ky < size; ky++)
    for (u32 kx = 0; kx < size; kx++) {
      float v = to_float(from[(ky * w + kx) * c]);
      if (v > best || v != v) best = v, at = ky * size + kx;
    }
  return at;
}

// The windows along an axis that a pixel lies in: first to last.
__device__ inline void windows_of(u32 pixel, u32 size, u32 stride, u32 windows, u32* first, u32* last) {
  *first = pixel < size ? 0 : (pixel - size) / stride + 1;
  *last = pixel / stride < windows ? pixel / stride + 1 : windows;
}

template <typename T>
__device__ void max_pool_grad(const T* x, const T* dy, T* dx, u32 n, u32 h, u32 w, u32 c, u32 size, u32 stride) {
  u32 oh = (h - size) / stride + 1, ow = (w - size) / stride + 1;
  u64 i = (u64)blockIdx.x * blockDim.x + threadIdx.x;
  if (i >= (u64)n * h * w * c) return;
  u32 channel = i % c, column = i / c % w, row = i / c / w % h, sample = i / c / w / h;
  u32 top, bottom, left, right;
  windows_of(row, size, stride, oh, &top, &bottom);
  windows_of(column, size, stride, ow, &left, &right);
  float sum = 0.0f;
  for (u32 oy = top; oy < bottom; oy++)
    for (u32 ox = left; ox < right; ox++) {
      const T* from = x + (((u64)sample * h + oy * stride) * w + ox * stride) * c + channel;
      u32 here = (row - oy * stride) * size + column - ox * stride;
      if (place_of_maximum(from, w, c, size) == here)
        sum += to_float(dy[(((u64)sample * oh + oy) * ow + ox) * c + channel]);
    }
  dx[i] = from_float<T>(sum);
}

template <typename T>
__device__ void mean_pool(const T* x, T* y, u32 n, u32 h, u32 w, u32 c, u32 size, u32 stride) {
  u32 oh = (h - size) / stride + 1, ow = (w - size) / stride + 1;
  u64 i = (u64)blockIdx.x * blockDim.x + threadIdx.x;
  if (i >= (u64)n * oh * ow * c) return;
  u32 channel = i % c, column = i / c % ow, row = i / c / ow % oh, sample = i / c / ow / oh;
  const T* from = x + (((u64)sample * h + row * stride) * w + column * stride) * c + channel;
  float sum = 0.0f;
  for (u32 ky = 0; ky < size; ky++)
    for (u32 kx = 0; kx < size; kx++) sum += to_float(from[(ky * w + kx) * c]);
  y[i] = from_float<T>(sum / (float)(size * size));
}

template <typename T>
__device__ void mean_pool_grad(const T* dy, T* dx, u32 n, u32 h, u32 w, u32 c, u32 size, u32 stride) {
  u32 oh = (h - size) / stride + 1, ow = (w - size) / stride + 1;
  u64 i = (u64)blockIdx.x * blockDim.x + threadIdx.x;
  if (i >= (u64)n * h * w * c) return;
  u32 channel = i % c, column = i / c % w, row = i / c / w % h, sample = i / c / w / h;
  u32 top, bottom, left, right;
  windows_of(row, size, stride, oh, &top, &bottom);
  windows_of(column, size, stride, ow, &left, &right);
  float sum = 0.0f;
  for (u32 oy = top; oy < bottom; oy++)
    for (u32 ox = left; ox < right; ox++) sum += to_float(dy[(((u64)sample * oh + oy) * ow + ox) * c + channel]);
  dx[i] = from_float<T>(sum / (float)(size * size));
}

template <typename T>
__device__ void global_mean(const T* x, T* y, u32 n, u32 pixels, u32 c) {
  u64 i = (u64)blockIdx.x * blockDim.x + threadIdx.x;
  if (i >= (u64)n * c) return;
  const T* from = x + i / c * pixels * c + i % c;
  float sum = 0.0f;
  for (u32 pixel = 0; pixel < pixels; pixel++) sum += to_float(from[(u64)pixel * c]);
  y[i] = from_float<T>(sum / (float)pixels);
}

template <typename T>
__device__ void global_mean_grad(const T* dy, T* dx, u32 n, u32 pixels, u32 c) {
  u64 i = (u64)blockIdx.x * blockDim.x + threadIdx.x;
  if (i >= (u64)n * pixels * c) return;
  u64 sample = i / c / pixels;
  dx[i] = from_float<T>(to_float(dy[sample * c + i % c]) / (float)pixels);
}

#define POOL(T, NAME)                                                                                                       \
  extern "C" __global__ void max_pool_##NAME(const T* x, T* y, u32 n, u32 h, u32 w, u32 c, u32 size, u32 stride) {          \
    max_pool<T>(x, y, n, h, w, c, size, stride);                                                                            \
  }                                                                                                                         \
  extern "C" __global__ void max_pool_grad_##NAME(const T* x, const T* dy, T* dx, u32 n, u32 h, u32 w, u32 c, u32 size,     \
                                                  u32 stride) {                                                             \
    max_pool_grad<T>(x, dy, dx, n, h, w, c, size, stride);                                                                  \
  }                                                                                                                         \
  extern "C" __global__ void mean_pool_##NAME(const T* x, T* y, u32 n, u32 h, u32 w, u32 c, u32 size, u32 stride) {         \
    mean_pool<T>(x, y, n, h, w, c, size, stride);                                                                           \
  }                                                                                                                         \
  extern "C" __global__ void mean_pool_grad_##NAME(const T* dy, T* dx, u32 n, u32 h, u32 w, u32 c, u32 size, u32 stride) {  \
    mean_pool_grad<T>(dy, dx, n, h, w, c, size, stride);                                                                    \
  }                                                                                                                         \
  extern "C" __global__ void global_mean_##NAME(const T* x, T* y, u32 n, u32 pixels, u32 c) {                               \
    global_mean<T>(x, y, n, pixels, c);                                                                                     \
  }                                                                                                                         \
  extern "C" __global__ void global_mean_grad_##NAME(const T* dy, T* dx, u32 n, u32 pixels, u32 c) {                        \
    global_mean_grad<T>(dy, dx, n, pixels, c);                                                                              \
  }

BOTH(POOL)
