// What cuDNN does not do for convolutions: the norms of the weight's gradients that single samples give, and the order of a
// filter's numbers.

#define TILE 64u
#define DEPTH 16u

// The squared norm of a tile of a sample's gradient [kh * kw * ci, co], which is a product over the pixels of the output. A
// block of 256 threads keeps the tile in registers, 4 x 4 numbers a thread, and never writes it.
template <typename T>
__device__ void conv_weight_squares(const T* x, const T* dy, float* partials, u32 h, u32 w, u32 ci, u32 kh, u32 kw, u32 co,
                                    u32 oh, u32 ow, u32 stride, u32 padding) {
  SHARED(float, a, DEPTH * TILE);
  SHARED(float, b, DEPTH * TILE);
  SHARED(float, sums, 32);
  u32 sample = blockIdx.z, rows = kh * kw * ci, pixels = oh * ow;
  u32 lane = threadIdx.x % TILE, depth = threadIdx.x / TILE;
  // What this thread fetches: a row of the gradient's, that is a tap and an input channel, and an output channel.
  u32 row = blockIdx.x * TILE + lane, column = blockIdx.y * TILE + lane;
  u32 input = row % ci, kx = row / ci % kw, ky = row / ci / kw;
  const T* image = x + (u64)sample * h * w * ci + input;
  const T* gradient = dy + (u64)sample * pixels * co + column;
  u32 ty = threadIdx.x / 16 * 4, tx = threadIdx.x % 16 * 4;
  float tile[4][4];
  for (int i = 0; i < 4; i++)
    for (int j = 0; j < 4; j++) tile[i][j] = 0.0f;
  for (u32 first = 0; first < pixels; first += DEPTH) {
    for (u32 d = depth; d < DEPTH; d += 256 / TILE) {
      u32 pixel = first + d;
      float p = 0.0f, q = 0.0f;
      if (pixel < pixels) {
        // Outside the image the unsigned differences are large.
        u32 iy = pixel / ow * stride + ky - padding, ix = pixel % ow * stride + kx - padding;
        if (row < rows && iy < h && ix < w) p = to_float(image[((u64)iy * w + ix) * ci]);
        if (column < co) q = to_float(gradient[(u64)pixel * co]);
      }
      a[d * TILE + lane] = p, b[d * TILE + lane] = q;
    }
    __syncthreads();
#pragma unroll
    for (u32 d = 0; d < DEPTH; d++) {
      float p[4], q[4];
      for (int i = 0; i < 4; i++) p[i] = a[d * TILE + ty + i], q[i] = b[d * TILE + tx + i];
      for (int i = 0; i < 4; i++)
        for (int j = 0; j < 4; j++) tile[i][j] += p[i] * q[j];
    }
    __syncthreads();
  }
  float square = 0.0f;
  for (int i = 0; i < 4; i++)
    for (int j = 0; j < 4; j++) square += tile[i][j] * tile[i][j];
  square = block_sum(square, sums);
  if (threadIdx.x == 0) partials[((u64)sample * gridDim.y + blockIdx.y) * gridDim.x + blockIdx.x] = square;
}

// Adds each sample's partial sums [n][tiles] to its number.
extern "C" __global__ void add_tiles(const float* partials, u32 tiles, float* squares, u32 n) {
  u32 sample = blockIdx.x * blockDim.x + threadIdx.x;
  if (sample >= n) return;
  float sum = 0.0f;
  for (u32 i = 0; i < tiles; i++) sum += partials[(u64)sample * tiles + i];
  squares[sample] += sum;
}

// [window, ci, co] to [co, window, ci], or back.
template <typename T>
__device__ void permute_filter(const T* from, T* to, u32 window, u32 ci, u32 co, u32 back) {
  u64 i = (u64)blockIdx.x * blockDim.x + threadIdx.x, len = (u64)window * ci * co;
  if (i >= len) return;
  u64 output = i % co, rest = i / co, other = output * window * ci + rest;
  if (back)
    to[i] = from[other];
  else
    to[other] = from[i];
}

#define CONV2D(T, NAME)                                                                                                     \
  extern "C" __global__ void __launch_bounds__(256)                                                                         \
      conv_weight_squares_##NAME(const T* x, const T* dy, float* partials, u32 n, u32 h, u32 w, u32 ci, u32 kh, u32 kw,     \
                                 u32 co, u32 oh, u32 ow, u32 stride, u32 padding) {                                         \
    (void)n;                                                                                                                \
    conv_weight_squares<T>(x, dy, partials, h, w, ci, kh, kw, co, oh, ow, stride, padding);                                 \
  }                                                                                                                         \
  extern "C" __global__ void permute_filter_##NAME(const T* from, T* to, u32 window, u32 ci, u32 co, u32 back) {            \
    permute_filter<T>(from, to, window, ci, co, back);                                                                      \
  }

BOTH(CONV2D)
