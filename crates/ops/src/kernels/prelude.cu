// What the kernels share. They are one translation unit, this file first, and include nothing: no headers are at hand where
// they are compiled. Element types of activations are `float` and `bf16`; all arithmetic is in float.

typedef unsigned int u32;
typedef unsigned long long u64;

// An array that the threads of a block share.
#ifndef SHARED
#define SHARED(TYPE, NAME, LENGTH) __shared__ TYPE NAME[LENGTH]
#endif

struct bf16 {
  unsigned short bits;
};

__device__ inline float to_float(float x) { return x; }

__device__ inline float to_float(bf16 x) { return __uint_as_float((u32)x.bits << 16); }

// To the nearest, ties to even; a NaN stays one.
__device__ inline u32 rounded_bits(float x) {
  u32 bits = __float_as_uint(x);
  if ((bits & 0x7fffffffu) > 0x7f800000u) return (bits >> 16) | 0x40u;
  return (bits + 0x7fffu + ((bits >> 16) & 1u)) >> 16;
}

template <typename T>
__device__ inline T from_float(float x);

template <>
__device__ inline float from_float<float>(float x) {
  return x;
}

template <>
__device__ inline bf16 from_float<bf16>(float x) {
  bf16 y;
  y.bits = (unsigned short)rounded_bits(x);
  return y;
}

__device__ inline u32 pair_of(float low, float high) {
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 800
  u32 pair;
  asm("cvt.rn.bf16x2.f32 %0, %1, %2;" : "=r"(pair) : "f"(high), "f"(low));
  return pair;
#else
  return rounded_bits(low) | rounded_bits(high) << 16;
#endif
}

// V numbers that lie side by side: with V = 8 the address is a multiple of 16 bytes.
template <int V, typename T>
struct Numbers {
  __device__ static void load(const T* from, float* to) {
    for (int i = 0; i < V; i++) to[i] = to_float(from[i]);
  }

  __device__ static void store(const float* from, T* to) {
    for (int i = 0; i < V; i++) to[i] = from_float<T>(from[i]);
  }
};

template <>
struct Numbers<8, float> {
  __device__ static void load(const float* from, float* to) {
    float4 a = ((const float4*)from)[0], b = ((const float4*)from)[1];
    to[0] = a.x, to[1] = a.y, to[2] = a.z, to[3] = a.w;
    to[4] = b.x, to[5] = b.y, to[6] = b.z, to[7] = b.w;
  }

  __device__ static void store(const float* from, float* to) {
    ((float4*)to)[0] = make_float4(from[0], from[1], from[2], from[3]);
    ((float4*)to)[1] = make_float4(from[4], from[5], from[6], from[7]);
  }
};

template <>
struct Numbers<8, bf16> {
  __device__ static void load(const bf16* from, float* to) {
    uint4 bits = *(const uint4*)from;
    u32 pairs[4] = {bits.x, bits.y, bits.z, bits.w};
#pragma unroll
    for (int i = 0; i < 4; i++) {
      to[2 * i] = __uint_as_float(pairs[i] << 16);
      to[2 * i + 1] = __uint_as_float(pairs[i] & 0xffff0000u);
    }
  }

  __device__ static void store(const float* from, bf16* to) {
    *(uint4*)to = make_uint4(pair_of(from[0], from[1]), pair_of(from[2], from[3]), pair_of(from[4], from[5]),
                             pair_of(from[6], from[7]));
  }
};

#define WARP 32u

// The sum over a warp, known to all of it; the order is fixed.
template <typename T>
__device__ inline T warp_sum(T x) {
#pragma unroll
  for (int offset = 16; offset > 0; offset /= 2) x += __shfl_xor_sync(0xffffffffu, x, offset);
  return x;
}

// The sum over a block of whole warps, known to its first thread; the order is fixed. `sums` has room for a number of each warp.
__device__ inline float block_sum(float x, float* sums) {
  u32 lane = threadIdx.x % WARP, warp = threadIdx.x / WARP, warps = blockDim.x / WARP;
  x = warp_sum(x);
  if (lane == 0) sums[warp] = x;
  __syncthreads();
  x = 0.0f;
  if (threadIdx.x == 0)
    for (u32 i = 0; i < warps; i++) x += sums[i];
  __syncthreads();
  return x;
}

// As in PyTorch a NaN stays one.
__device__ inline float relu_of(float x) { return x <= 0.0f ? 0.0f : x; }

// Compiles KERNEL for both types of activations.
#define BOTH(KERNEL) KERNEL(float, f32) KERNEL(bf16, bf16)
