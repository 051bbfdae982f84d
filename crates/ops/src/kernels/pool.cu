// Pooling: a thread makes V channels of a pixel of the result; `V` is 8 where c allows it. Windows have no padding.

// Which channels, column, row and sample the calling thread's number stands for.
template <int V>
struct Place {
  u32 channel, column, row, sample;
  u64 at;
  bool works;

  __device__ Place(u32 n, u32 h, u32 w, u32 c) {
    u64 i = (u64)blockIdx.x * blockDim.x + threadIdx.x;
    u32 groups = c / V, pixel = (u32)(i / groups);
    channel = (u32)(i % groups) * V, column = pixel % w, row = pixel / w % h, sample = pixel / w / h;
    at = (u64)pixel * c + channel;
    works = sample < n;
  }
};

template <int V, typename T>
__device__ void max_pool(const T* x, T* y, u32 n, u32 h, u32 w, u32 c, u32 size, u32 stride) {
  u32 oh = (h - size) / stride + 1, ow = (w - size) / stride + 1;
  Place<V> place(n, oh, ow, c);
  if (!place.works) return;
  const T* from = x + (((u64)place.sample * h + place.row * stride) * w + place.column * stride) * c + place.channel;
  float best[V];
  for (int i = 0; i < V; i++) best[i] = -__int_as_float(0x7f800000);
  for (u32 ky = 0; ky < size; ky++)
    for (u32 kx = 0; kx < size; kx++) {
      float v[V];
      Numbers<V, T>::load(from + (ky * w + kx) * c, v);
      // A NaN counts as the maximum.
      for (int i = 0; i < V; i++)
        if (v[i] > best[i] || v[i] != v[i]) best[i] = v[i];
    }
  Numbers<V, T>::store(best, y + place.at);
}

// The windows along an axis that a pixel lies in: first to last.
__device__ inline void windows_of(u32 pixel, u32 size, u32 stride, u32 windows, u32* first, u32* last) {
  *first = pixel < size ? 0 : (pixel - size) / stride + 1;
  *last = pixel / stride < windows ? pixel / stride + 1 : windows;
}

// The first maximum of a window of x, row by row, for V channels: a NaN counts as one.
template <int V, typename T>
__device__ void place_of_maximum(const T* from, u32 w, u32 c, u32 size, u32* at) {
  float best[V];
  for (int i = 0; i < V; i++) best[i] = -__int_as_float(0x7f800000), at[i] = 0;
  for (u32 ky = 0; ky < size; ky++)
    for (u32 kx = 0; kx < size; kx++) {
      float v[V];
      Numbers<V, T>::load(from + (ky * w + kx) * c, v);
      for (int i = 0; i < V; i++)
        if (v[i] > best[i] || v[i] != v[i]) best[i] = v[i], at[i] = ky * size + kx;
    }
}

// Where windows lie side by side and cover all: a thread writes a window. The windows' numbers are read once.
template <int V, typename T>
__device__ void max_pool_grad_tiled(const T* x, const T* dy, T* dx, u32 n, u32 h, u32 w, u32 c, u32 size) {
  u32 oh = h / size, ow = w / size;
  Place<V> place(n, oh, ow, c);
  if (!place.works) return;
  u64 first = (((u64)place.sample * h + place.row * size) * w + place.column * size) * c + place.channel;
  u32 at[V];
  place_of_maximum<V>(x + first, w, c, size, at);
  float g[V], v[V];
  Numbers<V, T>::load(dy + place.at, g);
  for (u32 ky = 0; ky < size; ky++)
    for (u32 kx = 0; kx < size; kx++) {
      for (int i = 0; i < V; i++) v[i] = at[i] == ky * size + kx ? g[i] : 0.0f;
      Numbers<V, T>::store(v, dx + first + (ky * w + kx) * c);
    }
}

// Elsewhere a thread makes V channels of a pixel of dx.
template <int V, typename T>
__device__ void max_pool_grad(const T* x, const T* dy, T* dx, u32 n, u32 h, u32 w, u32 c, u32 size, u32 stride) {
  if (size == stride && h % size == 0 && w % size == 0) return max_pool_grad_tiled<V, T>(x, dy, dx, n, h, w, c, size);
  u32 oh = (h - size) / stride + 1, ow = (w - size) / stride + 1;
  Place<V> place(n, h, w, c);
  if (!place.works) return;
  u32 top, bottom, left, right;
  windows_of(place.row, size, stride, oh, &top, &bottom);
  windows_of(place.column, size, stride, ow, &left, &right);
  float sum[V];
  for (int i = 0; i < V; i++) sum[i] = 0.0f;
  for (u32 oy = top; oy < bottom; oy++)
    for (u32 ox = left; ox < right; ox++) {
      u32 here = (place.row - oy * stride) * size + place.column - ox * stride, at[V];
      place_of_maximum<V>(x + (((u64)place.sample * h + oy * stride) * w + ox * stride) * c + place.channel, w, c, size, at);
      float v[V];
      Numbers<V, T>::load(dy + (((u64)place.sample * oh + oy) * ow + ox) * c + place.channel, v);
      for (int i = 0; i < V; i++)
        if (at[i] == here) sum[i] += v[i];
    }
  Numbers<V, T>::store(sum, dx + place.at);
}

template <int V, typename T>
__device__ void mean_pool(const T* x, T* y, u32 n, u32 h, u32 w, u32 c, u32 size, u32 stride) {
  u32 oh = (h - size) / stride + 1, ow = (w - size) / stride + 1;
  Place<V> place(n, oh, ow, c);
  if (!place.works) return;
  const T* from = x + (((u64)place.sample * h + place.row * stride) * w + place.column * stride) * c + place.channel;
  float sum[V];
  for (int i = 0; i < V; i++) sum[i] = 0.0f;
  for (u32 ky = 0; ky < size; ky++)
    for (u32 kx = 0; kx < size; kx++) {
      float v[V];
      Numbers<V, T>::load(from + (ky * w + kx) * c, v);
      for (int i = 0; i < V; i++) sum[i] += v[i];
    }
  for (int i = 0; i < V; i++) sum[i] /= (float)(size * size);
  Numbers<V, T>::store(sum, y + place.at);
}

template <int V, typename T>
__device__ void mean_pool_grad(const T* dy, T* dx, u32 n, u32 h, u32 w, u32 c, u32 size, u32 stride) {
  u32 oh = (h - size) / stride + 1, ow = (w - size) / stride + 1;
  Place<V> place(n, h, w, c);
  if (!place.works) return;
  u32 top, bottom, left, right;
  windows_of(place.row, size, stride, oh, &top, &bottom);
  windows_of(place.column, size, stride, ow, &left, &right);
  float sum[V];
  for (int i = 0; i < V; i++) sum[i] = 0.0f;
  for (u32 oy = top; oy < bottom; oy++)
    for (u32 ox = left; ox < right; ox++) {
      float v[V];
      Numbers<V, T>::load(dy + (((u64)place.sample * oh + oy) * ow + ox) * c + place.channel, v);
      for (int i = 0; i < V; i++) sum[i] += v[i];
    }
  for (int i = 0; i < V; i++) sum[i] /= (float)(size * size);
  Numbers<V, T>::store(sum, dx + place.at);
}

template <int V, typename T>
__device__ void global_mean(const T* x, T* y, u32 n, u32 pixels, u32 c) {
  Place<V> place(n, 1, 1, c);
  if (!place.works) return;
  const T* from = x + (u64)place.sample * pixels * c + place.channel;
  float sum[V];
  for (int i = 0; i < V; i++) sum[i] = 0.0f;
#pragma unroll 4
  for (u32 pixel = 0; pixel < pixels; pixel++) {
    float v[V];
    Numbers<V, T>::load(from + (u64)pixel * c, v);
    for (int i = 0; i < V; i++) sum[i] += v[i];
  }
  for (int i = 0; i < V; i++) sum[i] /= (float)pixels;
  Numbers<V, T>::store(sum, y + place.at);
}

template <int V, typename T>
__device__ void global_mean_grad(const T* dy, T* dx, u32 n, u32 pixels, u32 c) {
  Place<V> place(n, 1, pixels, c);
  if (!place.works) return;
  float v[V];
  Numbers<V, T>::load(dy + (u64)place.sample * c + place.channel, v);
  for (int i = 0; i < V; i++) v[i] /= (float)pixels;
  Numbers<V, T>::store(v, dx + place.at);
}

#define POOL(T, NAME)                                                                                                       \
  extern "C" __global__ void max_pool_##NAME(const T* x, T* y, u32 n, u32 h, u32 w, u32 c, u32 size, u32 stride) {          \
    if (c % 8 == 0)                                                                                                         \
      max_pool<8, T>(x, y, n, h, w, c, size, stride);                                                                       \
    else                                                                                                                    \
      max_pool<1, T>(x, y, n, h, w, c, size, stride);                                                                       \
  }                                                                                                                         \
  extern "C" __global__ void max_pool_grad_##NAME(const T* x, const T* dy, T* dx, u32 n, u32 h, u32 w, u32 c, u32 size,     \
                                                  u32 stride) {                                                             \
    if (c % 8 == 0)                                                                                                         \
      max_pool_grad<8, T>(x, dy, dx, n, h, w, c, size, stride);                                                             \
    else                                                                                                                    \
      max_pool_grad<1, T>(x, dy, dx, n, h, w, c, size, stride);                                                             \
  }                                                                                                                         \
  extern "C" __global__ void mean_pool_##NAME(const T* x, T* y, u32 n, u32 h, u32 w, u32 c, u32 size, u32 stride) {         \
    if (c % 8 == 0)                                                                                                         \
      mean_pool<8, T>(x, y, n, h, w, c, size, stride);                                                                      \
    else                                                                                                                    \
      mean_pool<1, T>(x, y, n, h, w, c, size, stride);                                                                      \
  }                                                                                                                         \
  extern "C" __global__ void mean_pool_grad_##NAME(const T* dy, T* dx, u32 n, u32 h, u32 w, u32 c, u32 size, u32 stride) {  \
    if (c % 8 == 0)                                                                                                         \
      mean_pool_grad<8, T>(dy, dx, n, h, w, c, size, stride);                                                               \
    else                                                                                                                    \
      mean_pool_grad<1, T>(dy, dx, n, h, w, c, size, stride);                                                               \
  }                                                                                                                         \
  extern "C" __global__ void global_mean_##NAME(const T* x, T* y, u32 n, u32 pixels, u32 c) {                               \
    if (c % 8 == 0)                                                                                                         \
      global_mean<8, T>(x, y, n, pixels, c);                                                                                \
    else                                                                                                                    \
      global_mean<1, T>(x, y, n, pixels, c);                                                                                \
  }                                                                                                                         \
  extern "C" __global__ void global_mean_grad_##NAME(const T* dy, T* dx, u32 n, u32 pixels, u32 c) {                        \
    if (c % 8 == 0)                                                                                                         \
      global_mean_grad<8, T>(dy, dx, n, pixels, c);                                                                         \
    else                                                                                                                    \
      global_mean_grad<1, T>(dy, dx, n, pixels, c);                                                                         \
  }

BOTH(POOL)
