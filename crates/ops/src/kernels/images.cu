// A batch from a data set of 8-bit pixels: cut out of the image that reflection extends, mirrored, normalised.

// The position in 0 .. n-1 that position i of the infinitely reflected line shows: 0 1 2 .. n-1 n-2 .. 1 0 1 and so on.
__device__ inline u32 reflected(int i, int n) {
  if (i >= 0 && i < n) return (u32)i;
  int last = n - 1;
  if (last == 0) return 0;
  i %= 2 * last;
  if (i < 0) i += 2 * last;
  return (u32)(i > last ? 2 * last - i : i);
}

// A thread a pixel. A view is packed as `mod.rs` says.
template <typename T>
__device__ void load_images(const unsigned char* pixels, const u32* all_labels, const u32* order, const u32* views,
                            const u32* step, u32 batch, const float* tables, T* out, u32* labels, u32 n, u32 h, u32 w, u32 c,
                            u32 channels) {
  u64 at = (u64)blockIdx.x * blockDim.x + threadIdx.x;
  if (at >= (u64)n * h * w) return;
  u32 column = at % w, row = at / w % h, sample = at / w / h;
  u32 position = (step ? *step : 0u) * batch + sample, index = order[position];
  if (views) {
    u32 view = views[position];
    int top = (int)(view & 0xffffu) - 32768, left = (int)(view >> 16 & 0x7fffu) - 16384;
    if (view >> 31) column = w - 1 - column;
    row = reflected((int)row + top, (int)h);
    column = reflected((int)column + left, (int)w);
  }
  const unsigned char* from = pixels + (((u64)index * h + row) * w + column) * c;
  T* to = out + at * channels;
  if (channels == 8 && c <= 8) {
    float v[8];
#pragma unroll
    for (u32 i = 0; i < 8; i++) v[i] = i < c ? tables[i * 256 + from[i]] : 0.0f;
    Numbers<8, T>::store(v, to);
  } else {
    for (u32 i = 0; i < channels; i++) to[i] = from_float<T>(i < c ? tables[i * 256 + from[i]] : 0.0f);
  }
  if (at % ((u64)h * w) == 0) labels[sample] = all_labels[index];
}

#define IMAGES(T, NAME)                                                                                                     \
  extern "C" __global__ void load_images_##NAME(const unsigned char* pixels, const u32* all_labels, const u32* order,       \
                                                const u32* views, const u32* step, u32 batch, const float* tables, T* out,  \
                                                u32* labels, u32 n, u32 h, u32 w, u32 c, u32 channels) {                    \
    load_images<T>(pixels, all_labels, order, views, step, batch, tables, out, labels, n, h, w, c, channels);               \
  }

BOTH(IMAGES)
