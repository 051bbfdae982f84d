// Batch norm over rows [rows, c]. A thread keeps to V channels and walks over the rows of its block, so that the channels'
// parameters stay in registers; `V` is 8 where c allows it. See `mod.rs` for the shape of the grid.

// How a block is laid out: `groups` threads side by side take a row, `lanes` rows are taken at a time.
template <int V>
struct Walk {
  u32 channel, groups, lane, lanes, first, last;
  bool works;

  __device__ Walk(u32 rows, u32 c) {
    u32 all = c / V;
    groups = all < blockDim.x ? all : blockDim.x;
    lanes = blockDim.x / groups;
    lane = threadIdx.x / groups;
    u32 group = blockIdx.y * groups + threadIdx.x % groups;
    channel = group * V;
    u32 share = (rows + gridDim.x - 1) / gridDim.x;
    first = blockIdx.x * share;
    last = first + share < rows ? first + share : rows;
    works = lane < lanes && group < all;
  }
};

// Adds the lanes' sums of a block and writes them to partials [blocks][2][c]. Each sum of a group of channels is a row of shared
// memory, so that threads side by side read numbers side by side.
template <int V>
__device__ void write_partials(const Walk<V>& walk, const float* a, const float* b, float* partials, u32 c) {
  SHARED(float, shared, 2 * 256 * V);
  for (u32 i = 0; i < V; i++) {
    shared[i * blockDim.x + threadIdx.x] = a[i];
    shared[(V + i) * blockDim.x + threadIdx.x] = b[i];
  }
  __syncthreads();
  for (u32 sum = threadIdx.x; sum < walk.groups * 2 * V; sum += blockDim.x) {
    u32 row = sum / walk.groups, group = sum % walk.groups, channel = (blockIdx.y * walk.groups + group) * V + row % V;
    if (channel >= c) continue;
    const float* from = shared + row * blockDim.x + group;
    float x = 0.0f;
#pragma unroll 8
    for (u32 lane = 0; lane < walk.lanes; lane++) x += from[lane * walk.groups];
    partials[((u64)blockIdx.x * 2 + row / V) * c + channel] = x;
  }
}

template <int V, typename T>
__device__ void bn_sums(const T* x, float* partials, u32 rows, u32 c) {
  Walk<V> walk(rows, c);
  float shift[V], a[V], b[V];
  for (int i = 0; i < V; i++) a[i] = b[i] = 0.0f;
  if (walk.works) {
    Numbers<V, T>::load(x + walk.channel, shift);
#pragma unroll 4
    for (u32 row = walk.first + walk.lane; row < walk.last; row += walk.lanes) {
      float v[V];
      Numbers<V, T>::load(x + (u64)row * c + walk.channel, v);
      for (int i = 0; i < V; i++) {
        float d = v[i] - shift[i];
        a[i] += d, b[i] += d * d;
      }
    }
  }
  write_partials<V>(walk, a, b, partials, c);
}

// Sums of partials [blocks][2][c] of one channel, known to the threads of x = 0. A block is 32 channels times 32 slices: a warp
// reads channels side by side, then adds up the slices of one channel, that of its y.
__device__ inline void add_partials(const float* partials, u32 blocks, u32 c, double* a, double* b) {
  SHARED(double, shared, 2 * 32 * 33);
  u32 channel = blockIdx.x * 32 + threadIdx.x;
  double x = 0.0, y = 0.0;
  if (channel < c) {
#pragma unroll 8
    for (u32 block = threadIdx.y; block < blocks; block += 32) {
      x += partials[(u64)block * 2 * c + channel];
      y += partials[(u64)block * 2 * c + c + channel];
    }
  }
  u32 to = threadIdx.x * 33 + threadIdx.y, from = threadIdx.y * 33 + threadIdx.x;
  shared[to] = x, shared[32 * 33 + to] = y;
  __syncthreads();
  *a = warp_sum(shared[from]);
  *b = warp_sum(shared[32 * 33 + from]);
}

template <typename T>
__device__ void bn_finish(const T* x, const float* partials, u32 blocks, float* running, float* saved, u32 rows, u32 c,
                          float eps, float momentum) {
  u32 channel = blockIdx.x * 32 + threadIdx.y;
  bool mine = threadIdx.x == 0 && channel < c;
  float shift = 0.0f, mean_before = 0.0f, variance_before = 0.0f;
  if (mine) shift = to_float(x[channel]), mean_before = running[channel], variance_before = running[c + channel];
  double a, b;
  add_partials(partials, blocks, c, &a, &b);
  if (!mine) return;
  double n = rows, squares = b - a * a / n, mean = shift + a / n;
  double variance = squares < 0.0 ? 0.0 : squares / n;
  saved[channel] = (float)mean;
  saved[c + channel] = (float)(1.0 / sqrt(variance + eps));
  double unbiased = rows > 1 ? variance * n / (n - 1.0) : variance;
  running[channel] = (float)((1.0 - momentum) * mean_before + momentum * mean);
  running[c + channel] = (float)((1.0 - momentum) * variance_before + momentum * unbiased);
}

template <int V, typename T>
__device__ void bn_apply(const T* x, const T* residual, const float* affine, const float* pair, u32 evaluation, T* y, u32 rows,
                         u32 c, float eps, u32 relu) {
  Walk<V> walk(rows, c);
  if (!walk.works) return;
  float mean[V], scale[V], shift[V];
  for (int i = 0; i < V; i++) {
    u32 channel = walk.channel + i;
    mean[i] = pair[channel];
    float inverse = pair[c + channel];
    scale[i] = evaluation ? affine[channel] / sqrtf(inverse + eps) : affine[channel] * inverse;
    shift[i] = affine[c + channel];
  }
#pragma unroll 2
  for (u32 row = walk.first + walk.lane; row < walk.last; row += walk.lanes) {
    u64 at = (u64)row * c + walk.channel;
    float v[V], r[V];
    Numbers<V, T>::load(x + at, v);
    if (residual) Numbers<V, T>::load(residual + at, r);
    for (int i = 0; i < V; i++) {
      v[i] = (v[i] - mean[i]) * scale[i] + shift[i];
      if (residual) v[i] += r[i];
      if (relu) v[i] = relu_of(v[i]);
    }
    Numbers<V, T>::store(v, y + at);
  }
}

// A channel's numbers in a backward pass.
struct Channel {
  float mean, inverse, scale, shift;

  __device__ float normalized(float x) const { return (x - mean) * inverse; }

  // Whether the ReLU let the number pass; `y` is the output, which is needed where a residual was added.
  __device__ bool passes(float x, bool given, float y) const { return (given ? y : (x - mean) * scale + shift) > 0.0f; }
};

template <int V>
__device__ void channels_of(const float* affine, const float* pair, bool evaluation, float eps, u32 first, u32 c, Channel* to) {
  for (int i = 0; i < V; i++) {
    u32 channel = first + i;
    to[i].mean = pair[channel];
    float second = pair[c + channel];
    to[i].inverse = evaluation ? 1.0f / sqrtf(second + eps) : second;
    to[i].scale = evaluation ? affine[channel] / sqrtf(second + eps) : affine[channel] * second;
    to[i].shift = affine[c + channel];
  }
}

template <int V, typename T>
__device__ void bn_grad_sums(const T* dy, const T* x, const T* y, const float* affine, const float* saved, float* partials,
                             u32 rows, u32 c, u32 relu) {
  Walk<V> walk(rows, c);
  float a[V], b[V];
  for (int i = 0; i < V; i++) a[i] = b[i] = 0.0f;
  if (walk.works) {
    Channel channels[V];
    channels_of<V>(affine, saved, false, 0.0f, walk.channel, c, channels);
#pragma unroll 4
    for (u32 row = walk.first + walk.lane; row < walk.last; row += walk.lanes) {
      u64 at = (u64)row * c + walk.channel;
      float g[V], v[V], out[V];
      Numbers<V, T>::load(dy + at, g);
      Numbers<V, T>::load(x + at, v);
      if (y) Numbers<V, T>::load(y + at, out);
      for (int i = 0; i < V; i++) {
        if (relu && !channels[i].passes(v[i], y != 0, y ? out[i] : 0.0f)) g[i] = 0.0f;
        a[i] += g[i] * channels[i].normalized(v[i]);
        b[i] += g[i];
      }
    }
  }
  write_partials<V>(walk, a, b, partials, c);
}

extern "C" __global__ void __launch_bounds__(1024) bn_grad_finish(const float* partials, u32 blocks, float* daffine, u32 c) {
  u32 channel = blockIdx.x * 32 + threadIdx.y;
  double a, b;
  add_partials(partials, blocks, c, &a, &b);
  if (threadIdx.x > 0 || channel >= c) return;
  daffine[channel] = (float)a;
  daffine[c + channel] = (float)b;
}

template <int V, typename T>
__device__ void bn_grad_apply(T* dy, const T* x, const T* y, const float* affine, const float* saved, const float* daffine,
                              T* dresidual, u32 add, u32 rows, u32 c, u32 relu) {
  Walk<V> walk(rows, c);
  if (!walk.works) return;
  Channel channels[V];
  channels_of<V>(affine, saved, false, 0.0f, walk.channel, c, channels);
  float slope[V], mean[V], n = (float)rows;
  for (int i = 0; i < V; i++) {
    slope[i] = daffine[walk.channel + i] / n;
    mean[i] = daffine[c + walk.channel + i] / n;
  }
#pragma unroll 2
  for (u32 row = walk.first + walk.lane; row < walk.last; row += walk.lanes) {
    u64 at = (u64)row * c + walk.channel;
    float g[V], v[V], out[V];
    Numbers<V, T>::load(dy + at, g);
    Numbers<V, T>::load(x + at, v);
    if (y) Numbers<V, T>::load(y + at, out);
    for (int i = 0; i < V; i++)
      if (relu && !channels[i].passes(v[i], y != 0, y ? out[i] : 0.0f)) g[i] = 0.0f;
    if (dresidual) {
      float r[V];
      if (add) Numbers<V, T>::load(dresidual + at, r);
      for (int i = 0; i < V; i++) r[i] = add ? r[i] + g[i] : g[i];
      Numbers<V, T>::store(r, dresidual + at);
    }
    for (int i = 0; i < V; i++)
      v[i] = channels[i].scale * (g[i] - mean[i] - channels[i].normalized(v[i]) * slope[i]);
    Numbers<V, T>::store(v, dy + at);
  }
}

// One block a sample: nothing depends on the rest of the batch.
template <int V, typename T>
__device__ void bn_grad_eval(T* dy, const T* x, const T* y, const float* affine, const float* running, float* squares,
                             T* dresidual, u32 add, u32 pixels, u32 c, float eps, u32 relu) {
  SHARED(float, shared, 2 * 256 * V);
  SHARED(float, sums, 32);
  u32 all = c / V, groups = all < blockDim.x ? all : blockDim.x, lanes = blockDim.x / groups, lane = threadIdx.x / groups;
  float square = 0.0f;
  for (u32 from = 0; from < all; from += groups) {
    u32 group = from + threadIdx.x % groups, channel = group * V;
    bool works = lane < lanes && group < all;
    float a[V], b[V];
    for (int i = 0; i < V; i++) a[i] = b[i] = 0.0f;
    if (works) {
      Channel channels[V];
      channels_of<V>(affine, running, true, eps, channel, c, channels);
      for (u32 pixel = lane; pixel < pixels; pixel += lanes) {
        u64 at = ((u64)blockIdx.x * pixels + pixel) * c + channel;
        float g[V], v[V], out[V];
        Numbers<V, T>::load(dy + at, g);
        Numbers<V, T>::load(x + at, v);
        if (y) Numbers<V, T>::load(y + at, out);
        for (int i = 0; i < V; i++) {
          if (relu && !channels[i].passes(v[i], y != 0, y ? out[i] : 0.0f)) g[i] = 0.0f;
          a[i] += g[i] * channels[i].normalized(v[i]);
          b[i] += g[i];
        }
        if (dresidual) {
          float r[V];
          if (add) Numbers<V, T>::load(dresidual + at, r);
          for (int i = 0; i < V; i++) r[i] = add ? r[i] + g[i] : g[i];
          Numbers<V, T>::store(r, dresidual + at);
        }
        for (int i = 0; i < V; i++) v[i] = channels[i].scale * g[i];
        Numbers<V, T>::store(v, dy + at);
      }
    }
    float* mine = shared + 2 * V * threadIdx.x;
    for (int i = 0; i < V; i++) mine[i] = a[i], mine[V + i] = b[i];
    __syncthreads();
    if (lane == 0 && works) {
      for (int i = 0; i < V; i++) {
        float p = 0.0f, q = 0.0f;
        for (u32 other = 0; other < lanes; other++) {
          const float* theirs = shared + 2 * V * (threadIdx.x + other * groups);
          p += theirs[i], q += theirs[V + i];
        }
        square += p * p + q * q;
      }
    }
    __syncthreads();
  }
  square = block_sum(square, sums);
  if (threadIdx.x == 0) squares[blockIdx.x] += square;
}

#define BATCH_NORM(T, NAME)                                                                                                 \
  extern "C" __global__ void __launch_bounds__(256) bn_sums_##NAME(const T* x, float* partials, u32 rows, u32 c) {          \
    if (c % 8 == 0)                                                                                                         \
      bn_sums<8, T>(x, partials, rows, c);                                                                                  \
    else                                                                                                                    \
      bn_sums<1, T>(x, partials, rows, c);                                                                                  \
  }                                                                                                                         \
  extern "C" __global__ void __launch_bounds__(1024)                                                                        \
      bn_finish_##NAME(const T* x, const float* partials, u32 blocks, float* running, float* saved, u32 rows, u32 c,        \
                       float eps, float momentum) {                                                                         \
    bn_finish<T>(x, partials, blocks, running, saved, rows, c, eps, momentum);                                              \
  }                                                                                                                         \
  extern "C" __global__ void __launch_bounds__(256)                                                                         \
      bn_apply_##NAME(const T* x, const T* residual, const float* affine, const float* pair, u32 evaluation, T* y,          \
                      u32 rows, u32 c, float eps, u32 relu) {                                                               \
    if (c % 8 == 0)                                                                                                         \
      bn_apply<8, T>(x, residual, affine, pair, evaluation, y, rows, c, eps, relu);                                         \
    else                                                                                                                    \
      bn_apply<1, T>(x, residual, affine, pair, evaluation, y, rows, c, eps, relu);                                         \
  }                                                                                                                         \
  extern "C" __global__ void __launch_bounds__(256)                                                                         \
      bn_grad_sums_##NAME(const T* dy, const T* x, const T* y, const float* affine, const float* saved, float* partials,    \
                          u32 rows, u32 c, u32 relu) {                                                                      \
    if (c % 8 == 0)                                                                                                         \
      bn_grad_sums<8, T>(dy, x, y, affine, saved, partials, rows, c, relu);                                                 \
    else                                                                                                                    \
      bn_grad_sums<1, T>(dy, x, y, affine, saved, partials, rows, c, relu);                                                 \
  }                                                                                                                         \
  extern "C" __global__ void __launch_bounds__(256)                                                                         \
      bn_grad_apply_##NAME(T* dy, const T* x, const T* y, const float* affine, const float* saved, const float* daffine,    \
                           T* dresidual, u32 add, u32 rows, u32 c, u32 relu) {                                              \
    if (c % 8 == 0)                                                                                                         \
      bn_grad_apply<8, T>(dy, x, y, affine, saved, daffine, dresidual, add, rows, c, relu);                                 \
    else                                                                                                                    \
      bn_grad_apply<1, T>(dy, x, y, affine, saved, daffine, dresidual, add, rows, c, relu);                                 \
  }                                                                                                                         \
  extern "C" __global__ void __launch_bounds__(256)                                                                         \
      bn_grad_eval_##NAME(T* dy, const T* x, const T* y, const float* affine, const float* running, float* squares,         \
                          T* dresidual, u32 add, u32 n, u32 pixels, u32 c, float eps, u32 relu) {                           \
    (void)n;                                                                                                                \
    if (c % 8 == 0)                                                                                                         \
      bn_grad_eval<8, T>(dy, x, y, affine, running, squares, dresidual, add, pixels, c, eps, relu);                         \
    else                                                                                                                    \
      bn_grad_eval<1, T>(dy, x, y, affine, running, squares, dresidual, add, pixels, c, eps, relu);                         \
  }

BOTH(BATCH_NORM)
