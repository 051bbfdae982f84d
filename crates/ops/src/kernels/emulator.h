// Runs kernels on the host, for tests: every thread of a block is a coroutine that gives way at barriers and shuffles; blocks
// run one after the other. What a block shares is filled with NaNs before it begins. Threads that wait for each other in vain
// are reported. `reversed` has blocks and threads run from the last to the first: results may not depend on it.
//
// A coroutine is begun once and serves all blocks: from then on a jump takes it up, which asks nothing of the system. Jumps to
// other stacks are what the checks of some compilers are against.
#undef _FORTIFY_SOURCE
#include <ucontext.h>

#include <cmath>
#include <csetjmp>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <tuple>
#include <utility>
#include <vector>

#define __global__
#define __device__
#define __launch_bounds__(...)
#define SHARED(TYPE, NAME, LENGTH) TYPE* NAME = (TYPE*)emulator::shared(sizeof(TYPE) * (LENGTH))

struct Dimensions {
  unsigned x, y, z;
};
static Dimensions threadIdx, blockIdx, blockDim, gridDim;

struct alignas(16) float4 {
  float x, y, z, w;
};
struct alignas(16) uint4 {
  unsigned x, y, z, w;
};
static float4 make_float4(float x, float y, float z, float w) { return {x, y, z, w}; }
static uint4 make_uint4(unsigned x, unsigned y, unsigned z, unsigned w) { return {x, y, z, w}; }

template <typename To, typename From>
static To same_bits(From from) {
  To to;
  static_assert(sizeof(to) == sizeof(from), "");
  memcpy(&to, &from, sizeof(to));
  return to;
}
static float __uint_as_float(unsigned bits) { return same_bits<float>(bits); }
static float __int_as_float(int bits) { return same_bits<float>(bits); }
static unsigned __float_as_uint(float x) { return same_bits<unsigned>(x); }

namespace emulator {

enum State { READY, AT_BARRIER, AT_SHUFFLE, DONE };

struct Thread {
  ucontext_t context;
  jmp_buf here;
  std::unique_ptr<char[]> stack;  // none: it has not begun
  Dimensions index;
  State state;
  size_t shared;  // of what the block shares, how much this thread has been given
  unsigned given, got, partner;  // of a shuffle: what is handed over, what is received, the lane's difference to the giver's
};

const size_t STACK = 64 * 1024, SHARED_MEMORY = 48 * 1024;
static std::vector<Thread> threads;
static jmp_buf scheduler;
static size_t current;
alignas(16) static char memory[SHARED_MEMORY];
static bool overflow;
static bool reversed;

static void give_way(State state) {
  threads[current].state = state;
  if (!_setjmp(threads[current].here)) _longjmp(scheduler, 1);
}

static void* shared(size_t bytes) {
  Thread& thread = threads[current];
  size_t start = (thread.shared + 15) / 16 * 16;
  if (start + bytes > SHARED_MEMORY) {
    overflow = true;
    return memory;
  }
  thread.shared = start + bytes;
  return memory + start;
}

static unsigned exchange(unsigned bits, unsigned partner) {
  Thread& thread = threads[current];
  thread.given = bits;
  thread.partner = partner;
  give_way(AT_SHUFFLE);
  return thread.got;
}

// One pass over a block that waits: lets go on who may. False if nobody may.
static bool release(size_t count) {
  bool any = false, all_wait = true;
  for (size_t i = 0; i < count; i++) all_wait &= threads[i].state == AT_BARRIER || threads[i].state == DONE;
  if (all_wait) {
    for (size_t i = 0; i < count; i++)
      if (threads[i].state == AT_BARRIER) threads[i].state = READY, any = true;
    return any;
  }
  for (size_t warp = 0; warp < count; warp += 32) {
    size_t end = warp + 32 < count ? warp + 32 : count;
    bool whole = end - warp == 32;
    for (size_t i = warp; i < end; i++) whole &= threads[i].state == AT_SHUFFLE;
    if (!whole) continue;
    for (size_t i = warp; i < end; i++) threads[i].got = threads[warp + ((i - warp) ^ threads[i].partner)].given;
    for (size_t i = warp; i < end; i++) threads[i].state = READY;
    any = true;
  }
  return any;
}

static void (*body)();

static void enter() {
  for (;;) {
    body();
    give_way(DONE);
  }
}

// Runs the current thread until it gives way.
__attribute__((noinline)) static void resume() {
  Thread& thread = threads[current];
  if (_setjmp(scheduler)) return;
  if (thread.stack) _longjmp(thread.here, 1);
  thread.stack.reset(new char[STACK]);
  getcontext(&thread.context);
  thread.context.uc_stack.ss_sp = thread.stack.get();
  thread.context.uc_stack.ss_size = STACK;
  thread.context.uc_link = nullptr;
  makecontext(&thread.context, enter, 0);
  setcontext(&thread.context);
}

// 0 if the block ended, 1 if its threads wait for each other in vain, 2 if it shares more memory than there is.
static int run_block(size_t count) {
  memset(memory, 0xff, sizeof(memory));
  overflow = false;
  if (threads.size() < count) threads.resize(count);
  for (size_t i = 0; i < count; i++) {
    Thread& thread = threads[i];
    unsigned linear = (unsigned)i;
    thread.index = {linear % blockDim.x, linear / blockDim.x % blockDim.y, linear / blockDim.x / blockDim.y};
    thread.state = READY;
    thread.shared = 0;
  }
  for (;;) {
    bool ran = false, done = true;
    for (size_t i = 0; i < count; i++) {
      current = reversed ? count - 1 - i : i;
      if (threads[current].state == READY) {
        threadIdx = threads[current].index;
        resume();
        ran = true;
      }
      done &= threads[current].state == DONE;
    }
    if (done && !overflow) return 0;
    if (overflow || (!ran && !release(count))) {
      // Threads that are not at their end cannot serve another block.
      threads.clear();
      return overflow ? 2 : 1;
    }
  }
}

template <typename... Parameters, size_t... I>
void call(void (*kernel)(Parameters...), void** arguments, std::index_sequence<I...>) {
  kernel(*(typename std::decay<Parameters>::type*)arguments[I]...);
}

template <typename... Parameters>
int launch(void (*kernel)(Parameters...), const unsigned* grid, const unsigned* block, void** arguments) {
  struct Call {
    void (*kernel)(Parameters...);
    void** arguments;
  };
  static Call what;
  what = {kernel, arguments};
  body = [] { call(what.kernel, what.arguments, std::index_sequence_for<Parameters...>{}); };
  gridDim = {grid[0], grid[1], grid[2]};
  blockDim = {block[0], block[1], block[2]};
  size_t blocks = (size_t)grid[0] * grid[1] * grid[2];
  for (size_t i = 0; i < blocks; i++) {
    size_t at = reversed ? blocks - 1 - i : i;
    blockIdx = {(unsigned)(at % grid[0]), (unsigned)(at / grid[0] % grid[1]), (unsigned)(at / grid[0] / grid[1])};
    int status = run_block((size_t)block[0] * block[1] * block[2]);
    if (status) return status;
  }
  return 0;
}

}  // namespace emulator

static void __syncthreads() { emulator::give_way(emulator::AT_BARRIER); }

static float __shfl_xor_sync(unsigned, float x, int lane) {
  return same_bits<float>(emulator::exchange(same_bits<unsigned>(x), (unsigned)lane));
}

static int __shfl_xor_sync(unsigned, int x, int lane) {
  return same_bits<int>(emulator::exchange(same_bits<unsigned>(x), (unsigned)lane));
}

static double __shfl_xor_sync(unsigned, double x, int lane) {
  unsigned halves[2];
  memcpy(halves, &x, sizeof(x));
  for (unsigned& half : halves) half = emulator::exchange(half, (unsigned)lane);
  memcpy(&x, halves, sizeof(x));
  return x;
}

#define EMULATE(KERNEL)                                                                                        \
  extern "C" int emulate_##KERNEL(const unsigned* grid, const unsigned* block, void** arguments) {             \
    return emulator::launch(KERNEL, grid, block, arguments);                                                   \
  }
