// A pretend GPU: stands in for NVIDIA's driver, cuDNN, cuBLAS and cuRAND, so that a program built for CUDA runs on a machine
// without a GPU. Device memory is host memory; a launch runs the kernel's own source through the emulator; convolutions are
// plain loops. Slow, and it says nothing of speed: it checks what is launched, with which arguments, in which order, what is
// captured in graphs, and that memory is used as it may be, when something is launched and each time it is replayed. `build`
// puts it behind `emulator.h` and the kernels.
//
// What it is, and what goes wrong on it, the environment says:
// PRETEND_GPUS=2                     GPUs there are; CUDA_VISIBLE_DEVICES chooses among them as among NVIDIA's
// PRETEND_GPU_LOG=FILE               where each process writes the number of the GPU that it starts
// PRETEND_GPU_FAILS=1:500            after 500 launches of a process, GPU 1 answers nothing but errors
// PRETEND_GPU_BUSY=1                 no GPU can be started
// PRETEND_GPU_CAPABILITY=75          compute capability 7.5
// PRETEND_GPU_REVERSED=1             blocks and threads run from the last to the first
// PRETEND_DRIVER=12080               the driver is for CUDA 12.8
// PRETEND_DRIVER_READS_NO_PTX=1      the driver loads code for the hardware only
// PRETEND_CUDNN_LACKS=forward1       there is no forward pass by algorithm 1; passes are forward, data, filter
// PRETEND_CUDNN_REFUSES=forward1     there is one, but it does not take what it is given
// PRETEND_CUDNN_FAILS=forward1       there is one, and it fails
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <map>
#include <string>

typedef int Status;
enum {
  SUCCESS = 0,
  INVALID_VALUE = 1,
  OUT_OF_MEMORY = 2,
  NO_DEVICE = 100,
  UNSUPPORTED_PTX_VERSION = 222,
  NOT_FOUND = 500,
  ILLEGAL_ADDRESS = 700,
  NOT_CAPTURABLE = 900,
  BLAS_INTERNAL_ERROR = 14,
  RAND_INTERNAL_ERROR = 999
};

static int number(const char* variable, int otherwise) {
  const char* text = getenv(variable);
  return text ? atoi(text) : otherwise;
}

// The GPUs that may be seen, as in CUDA_VISIBLE_DEVICES up to the first that there is not.
static const std::vector<int>& visible() {
  static std::vector<int> gpus = [] {
    std::vector<int> all;
    int there = number("PRETEND_GPUS", 1);
    const char* list = getenv("CUDA_VISIBLE_DEVICES");
    if (!list) {
      for (int i = 0; i < there; i++) all.push_back(i);
      return all;
    }
    while (*list) {
      char* end;
      long gpu = strtol(list, &end, 10);
      if (end == list || gpu < 0 || gpu >= there) break;
      all.push_back((int)gpu);
      list = *end == ',' ? end + 1 : end;
    }
    return all;
  }();
  return gpus;
}

// The GPU that was started, and whether it has failed: all that is asked of it is then answered with the same error.
static int started = -1;
static bool lost;
#define ANSWERS \
  if (lost) return ILLEGAL_ADDRESS

// Something is run on the GPU.
static void count_launch() {
  static long launches;
  const char* fails = getenv("PRETEND_GPU_FAILS");
  const char* after = fails ? strchr(fails, ':') : nullptr;
  launches++;
  // What was launched is not told: the next call is.
  if (after && atoi(fails) == started && launches > atol(after + 1)) lost = true;
}

typedef std::function<int()> Work;
typedef std::vector<Work> Graph;

// All allocations by address, with their sizes.
static std::map<uintptr_t, size_t> allocations;
// What is being captured, if something is.
static Graph* captured;

static Status complain(const char* what) {
  fprintf(stderr, "pretend GPU: %s\n", what);
  return INVALID_VALUE;
}

static bool is_allocated(uintptr_t address, size_t bytes) {
  auto next = allocations.upper_bound(address);
  if (next == allocations.begin()) return false;
  --next;
  return address + bytes <= next->first + next->second;
}

static Status enqueue(const char* what, Work work) {
  ANSWERS;
  if (captured) {
    captured->push_back(work);
    return SUCCESS;
  }
  count_launch();
  if (lost) return SUCCESS;
  int status = work();
  if (status) {
    fprintf(stderr, "pretend GPU: %s failed with %d\n", what, status);
    return INVALID_VALUE;
  }
  return SUCCESS;
}

// Kernels by name: each makes work of a launch, with copies of its arguments.
struct Dim {
  unsigned x, y, z;
};
typedef Work (*Bind)(Dim grid, Dim block, void** arguments);
static std::map<std::string, Bind>& kernels() {
  static std::map<std::string, Bind> all;
  return all;
}

// Address arguments must be those of live memory, or null.
template <typename T>
static bool is_valid(T*& address) {
  return !address || is_allocated((uintptr_t)address, 1);
}
template <typename T>
static bool is_valid(T&) {
  return true;
}

template <typename... Parameters>
struct Bound {
  template <size_t... I>
  static Work bind(void (*kernel)(Parameters...), Dim grid, Dim block, void** arguments, std::index_sequence<I...>) {
    auto values = std::make_shared<std::tuple<typename std::decay<Parameters>::type...>>(
        *(typename std::decay<Parameters>::type*)arguments[I]...);
    return [=]() -> int {
      bool valid = true;
      (void)std::initializer_list<int>{(valid &= is_valid(std::get<I>(*values)), 0)...};
      if (!valid) return complain("a kernel was given an address that is not of live memory"), 3;
      void* pointers[] = {&std::get<I>(*values)...};
      unsigned g[] = {grid.x, grid.y, grid.z}, b[] = {block.x, block.y, block.z};
      return emulator::launch(kernel, g, b, pointers);
    };
  }
};

template <typename... Parameters>
static Work bind(void (*kernel)(Parameters...), Dim grid, Dim block, void** arguments) {
  return Bound<Parameters...>::bind(kernel, grid, block, arguments, std::index_sequence_for<Parameters...>{});
}

struct Registered {
  Registered(const char* name, Bind bind) { kernels()[name] = bind; }
};
#define KERNEL(NAME)                                                                                       \
  static Work bind_##NAME(Dim grid, Dim block, void** arguments) { return bind(NAME, grid, block, arguments); } \
  static Registered registered_##NAME(#NAME, bind_##NAME);

// The driver.
extern "C" {
typedef unsigned long long Address;

Status cuInit(unsigned) {
  emulator::reversed = number("PRETEND_GPU_REVERSED", 0);
  return visible().empty() ? NO_DEVICE : SUCCESS;
}
Status cuDriverGetVersion(int* version) { return *version = number("PRETEND_DRIVER", 13000), SUCCESS; }
Status cuDeviceGetCount(int* count) { return *count = (int)visible().size(), SUCCESS; }
Status cuDeviceGet(int* device, int ordinal) {
  if (ordinal < 0 || ordinal >= (int)visible().size()) return INVALID_VALUE;
  return *device = visible()[ordinal], SUCCESS;
}
Status cuDeviceGetName(char* name, int len, int device) { return snprintf(name, len, "pretend GPU %d", device), SUCCESS; }
Status cuDeviceGetAttribute(int* value, int attribute, int) {
  // The compute capability; all else is there.
  int capability = number("PRETEND_GPU_CAPABILITY", 90);
  return *value = attribute == 75 ? capability / 10 : attribute == 76 ? capability % 10 : 1, SUCCESS;
}
Status cuDeviceGetDefaultMemPool(void** pool, int) { return *pool = (void*)1, SUCCESS; }
Status cuMemPoolSetAttribute(void*, int, void*) { return SUCCESS; }
Status cuDevicePrimaryCtxRetain(void** context, int device) {
  if (number("PRETEND_GPU_BUSY", 0)) return OUT_OF_MEMORY;
  started = device;
  if (const char* log = getenv("PRETEND_GPU_LOG")) {
    FILE* file = fopen(log, "a");
    if (file) fprintf(file, "%d\n", device), fclose(file);
  }
  return *context = (void*)1, SUCCESS;
}
Status cuDevicePrimaryCtxRelease_v2(int) { return SUCCESS; }
Status cuCtxDestroy_v2(void*) { return SUCCESS; }
Status cuCtxGetCurrent(void** context) { return *context = (void*)1, SUCCESS; }
Status cuCtxSetCurrent(void*) { return SUCCESS; }
Status cuCtxSynchronize() {
  ANSWERS;
  return captured ? NOT_CAPTURABLE : SUCCESS;
}
Status cuGetErrorName(int, const char** text) { return *text = "PRETEND", SUCCESS; }
Status cuGetErrorString(int, const char** text) { return *text = "of the pretend GPU", SUCCESS; }
Status cuStreamCreate(void** stream, unsigned) { return *stream = (void*)1, SUCCESS; }
Status cuStreamDestroy_v2(void*) { return SUCCESS; }
Status cuStreamSynchronize(void*) { return cuCtxSynchronize(); }
Status cuStreamWaitEvent(void*, void*, unsigned) { return SUCCESS; }
Status cuEventCreate(void** event, unsigned) { return *event = (void*)1, SUCCESS; }
Status cuEventDestroy_v2(void*) { return SUCCESS; }
Status cuEventRecord(void*, void*) { return SUCCESS; }

Status cuMemAllocAsync(Address* address, size_t bytes, void*) {
  ANSWERS;
  if (captured) return NOT_CAPTURABLE;
  if (!bytes) return complain("memory of no size was asked for");
  void* memory = aligned_alloc(256, (bytes + 255) / 256 * 256);
  // New memory holds what it holds.
  memset(memory, 0xff, (bytes + 255) / 256 * 256);
  allocations[(uintptr_t)memory] = bytes;
  return *address = (Address)memory, SUCCESS;
}
Status cuMemAlloc_v2(Address* address, size_t bytes) { return cuMemAllocAsync(address, bytes, nullptr); }
Status cuMemFreeAsync(Address address, void*) {
  ANSWERS;
  auto found = allocations.find((uintptr_t)address);
  if (found == allocations.end()) return complain("memory was freed that is not allocated");
  allocations.erase(found);
  free((void*)address);
  return SUCCESS;
}
Status cuMemFree_v2(Address address) { return cuMemFreeAsync(address, nullptr); }
Status cuMemcpyHtoDAsync_v2(Address to, const void* from, size_t bytes, void*) {
  ANSWERS;
  if (captured) return NOT_CAPTURABLE;
  if (bytes && !is_allocated(to, bytes)) return complain("a copy goes beyond its memory");
  return memcpy((void*)to, from, bytes), SUCCESS;
}
Status cuMemcpyDtoHAsync_v2(void* to, Address from, size_t bytes, void*) {
  ANSWERS;
  if (captured) return NOT_CAPTURABLE;
  if (bytes && !is_allocated(from, bytes)) return complain("a copy comes from beyond its memory");
  return memcpy(to, (void*)from, bytes), SUCCESS;
}
Status cuMemcpyDtoDAsync_v2(Address to, Address from, size_t bytes, void*) {
  return enqueue("a copy", [=] {
    if (bytes && (!is_allocated(from, bytes) || !is_allocated(to, bytes))) return 3;
    return memmove((void*)to, (void*)from, bytes), 0;
  });
}
Status cuMemcpyPeerAsync(Address, void*, Address, void*, size_t, void*) { return INVALID_VALUE; }
Status cuMemsetD8Async(Address to, unsigned char value, size_t bytes, void*) {
  return enqueue("filling", [=] {
    if (bytes && !is_allocated(to, bytes)) return 3;
    return memset((void*)to, value, bytes), 0;
  });
}

Status cuModuleLoadData(void** module, const void* image) {
  ANSWERS;
  // Code for the hardware is in the format of Linux' programs.
  bool is_code = !memcmp(image, "\x7f" "ELF", 4);
  if (!is_code && number("PRETEND_DRIVER_READS_NO_PTX", 0)) return UNSUPPORTED_PTX_VERSION;
  return *module = (void*)1, SUCCESS;
}
Status cuModuleLoad(void** module, const char*) { return *module = (void*)1, SUCCESS; }
Status cuModuleUnload(void*) { return SUCCESS; }
Status cuModuleGetFunction(void** function, void*, const char* name) {
  auto found = kernels().find(name);
  if (found == kernels().end()) {
    fprintf(stderr, "pretend GPU: there is no kernel `%s`\n", name);
    return NOT_FOUND;
  }
  return *function = (void*)found->second, SUCCESS;
}
Status cuLaunchKernel(void* function, unsigned gx, unsigned gy, unsigned gz, unsigned bx, unsigned by, unsigned bz, unsigned,
                      void*, void** arguments, void**) {
  if (!gx || !gy || !gz || bx * by * bz == 0 || bx * by * bz > 1024 || gy > 65535 || gz > 65535)
    return complain("a launch does not fit the hardware");
  return enqueue("a kernel", ((Bind)function)({gx, gy, gz}, {bx, by, bz}, arguments));
}

Status cuStreamBeginCapture_v2(void*, int) {
  ANSWERS;
  return captured = new Graph, SUCCESS;
}
Status cuStreamEndCapture(void*, void** graph) { return *graph = captured, captured = nullptr, SUCCESS; }
Status cuStreamIsCapturing(void*, int* is) { return *is = captured != nullptr, SUCCESS; }
Status cuGraphInstantiateWithFlags(void** executable, void* graph, unsigned long long) {
  return *executable = new Graph(*(Graph*)graph), SUCCESS;
}
Status cuGraphLaunch(void* executable, void*) {
  for (Work& work : *(Graph*)executable) {
    ANSWERS;
    count_launch();
    if (lost) return SUCCESS;
    if (int status = work()) {
      fprintf(stderr, "pretend GPU: captured work failed with %d\n", status);
      return INVALID_VALUE;
    }
  }
  return SUCCESS;
}
Status cuGraphExecDestroy(void* executable) { return delete (Graph*)executable, SUCCESS; }
Status cuGraphDestroy(void* graph) { return delete (Graph*)graph, SUCCESS; }

// cuBLAS and cuRAND are started by candle and not used.
Status cublasCreate_v2(void** handle) { return *handle = (void*)1, SUCCESS; }
Status cublasDestroy_v2(void*) { return lost ? BLAS_INTERNAL_ERROR : SUCCESS; }
Status cublasSetStream_v2(void*, void*) { return SUCCESS; }
Status cublasDgemmStridedBatched() { return NOT_FOUND; }
Status cublasGemmStridedBatchedEx() { return NOT_FOUND; }
Status curandCreateGenerator(void** generator, int) { return *generator = (void*)1, SUCCESS; }
Status curandDestroyGenerator(void*) { return lost ? RAND_INTERNAL_ERROR : SUCCESS; }
Status curandSetPseudoRandomGeneratorSeed(void*, unsigned long long) { return SUCCESS; }
Status curandSetStream(void*, void*) { return SUCCESS; }
}

// cuDNN: tensors [n, c, h, w] and filters [k, c, h, w] that lie channels last; float or bf16.
struct Shape {
  int type, format, n, c, h, w;
};
struct Convolution {
  int padding[2], stride[2], dilation[2], mode, type, math;
};
enum { FLOAT = 0, BFLOAT16 = 9, CHANNELS_LAST = 1, BAD_PARAMETER = 2000, NOT_SUPPORTED = 3000, EXECUTION_FAILED = 5000 };

// A tensor in float, as the loops read and write it.
struct Floats {
  std::vector<float> numbers;
  const Shape* shape;

  Floats(const Shape* shape, const void* from) : numbers((size_t)shape->n * shape->c * shape->h * shape->w), shape(shape) {
    if (!from) return;
    for (size_t i = 0; i < numbers.size(); i++)
      numbers[i] = shape->type == FLOAT ? ((const float*)from)[i] : to_float(((const bf16*)from)[i]);
  }

  float* at(int n, int h, int w) { return &numbers[(((size_t)n * shape->h + h) * shape->w + w) * shape->c]; }

  void write(void* to, float alpha, float beta) {
    for (size_t i = 0; i < numbers.size(); i++) {
      float x = alpha * numbers[i];
      if (shape->type == FLOAT) {
        float* y = (float*)to + i;
        *y = beta == 0.0f ? x : x + beta * *y;
      } else {
        bf16* y = (bf16*)to + i;
        *y = from_float<bf16>(beta == 0.0f ? x : x + beta * to_float(*y));
      }
    }
  }
};

// Calls `each` with the output pixel, the tap, and the input pixel that it reads.
template <typename Each>
static void taps(const Shape& x, const Shape& w, const Shape& y, const Convolution& conv, Each each) {
  for (int n = 0; n < y.n; n++)
    for (int oy = 0; oy < y.h; oy++)
      for (int ox = 0; ox < y.w; ox++)
        for (int ky = 0; ky < w.h; ky++)
          for (int kx = 0; kx < w.w; kx++) {
            int iy = oy * conv.stride[0] + ky - conv.padding[0], ix = ox * conv.stride[1] + kx - conv.padding[1];
            if (iy >= 0 && iy < x.h && ix >= 0 && ix < x.w) each(n, oy, ox, ky, kx, iy, ix);
          }
}

static bool fits(const Shape& x, const Shape& w, const Shape& y, const Convolution& conv) {
  auto out = [&](int size, int kernel, int i) { return (size + 2 * conv.padding[i] - kernel) / conv.stride[i] + 1; };
  return x.type == w.type && x.type == y.type && (x.type == FLOAT || x.type == BFLOAT16) && x.format == CHANNELS_LAST &&
         w.format == CHANNELS_LAST && y.format == CHANNELS_LAST && x.n == y.n && x.c == w.c && w.n == y.c &&
         y.h == out(x.h, w.h, 0) && y.w == out(x.w, w.w, 1) && conv.mode == 1 && conv.type == FLOAT &&
         conv.dilation[0] == 1 && conv.dilation[1] == 1;
}

static size_t bytes_of(const Shape& shape) {
  return (size_t)shape.n * shape.c * shape.h * shape.w * (shape.type == FLOAT ? 4 : 2);
}

static bool is_tensor(const void* address, const Shape& shape) {
  // cuDNN's fast kernels want 16 bytes.
  return (uintptr_t)address % 16 == 0 && is_allocated((uintptr_t)address, bytes_of(shape));
}

// The bytes that a pass works in: more for larger tensors, and not the same for each algorithm.
static size_t workspace_of(const Shape& x, const Shape& y, int algorithm) {
  return bytes_of(x) + bytes_of(y) + 4096 * (algorithm + 1);
}

// Whether a variable lists a pass with an algorithm, as `forward1`.
static bool lists(const char* variable, const char* pass, int algorithm) {
  const char* list = getenv(variable);
  return list && strstr(list, (pass + std::to_string(algorithm)).c_str());
}

static Status size_of_workspace(const char* pass, const Shape& x, const Shape& w, const Shape& y, const Convolution& conv,
                                int algorithm, size_t* bytes) {
  *bytes = workspace_of(x, y, algorithm);
  return fits(x, w, y, conv) && !lists("PRETEND_CUDNN_LACKS", pass, algorithm) ? SUCCESS : NOT_SUPPORTED;
}

// What a pass is given.
struct Given {
  Shape x, w, y;
  void *xp, *wp, *yp;
  Convolution conv;
  int algorithm;
  void* workspace;
  size_t bytes;

  bool is_right() const {
    return fits(x, w, y, conv) && is_tensor(xp, x) && is_tensor(wp, w) && is_tensor(yp, y) &&
           bytes >= workspace_of(x, y, algorithm) && is_allocated((uintptr_t)workspace, bytes);
  }
};

// What the three passes have in common: what they are given is checked, also when a graph replays them, and they leave numbers
// in their workspace.
template <typename Pass>
static Status convolve(const char* name, Given given, Pass pass) {
  if (lost || lists("PRETEND_CUDNN_FAILS", name, given.algorithm)) return EXECUTION_FAILED;
  if (lists("PRETEND_CUDNN_REFUSES", name, given.algorithm)) return NOT_SUPPORTED;
  if (!given.is_right()) return complain("a convolution was given what does not fit"), BAD_PARAMETER;
  Status status = enqueue(name, [=] {
    if (!given.is_right()) return complain("a convolution's memory is not there any more"), 3;
    memset(given.workspace, 0xff, given.bytes);
    return pass(given), 0;
  });
  return status ? EXECUTION_FAILED : SUCCESS;
}

extern "C" {
Status cudnnCreate(void** handle) { return *handle = (void*)1, SUCCESS; }
Status cudnnDestroy(void*) { return SUCCESS; }
Status cudnnSetStream(void*, void*) { return SUCCESS; }
const char* cudnnGetErrorString(int) { return "of the pretend GPU"; }
Status cudnnCreateTensorDescriptor(Shape** shape) { return *shape = new Shape(), SUCCESS; }
Status cudnnDestroyTensorDescriptor(Shape* shape) { return delete shape, SUCCESS; }
Status cudnnSetTensor4dDescriptor(Shape* shape, int format, int type, int n, int c, int h, int w) {
  return *shape = {type, format, n, c, h, w}, SUCCESS;
}
Status cudnnCreateFilterDescriptor(Shape** shape) { return *shape = new Shape(), SUCCESS; }
Status cudnnDestroyFilterDescriptor(Shape* shape) { return delete shape, SUCCESS; }
Status cudnnSetFilter4dDescriptor(Shape* shape, int type, int format, int k, int c, int h, int w) {
  return *shape = {type, format, k, c, h, w}, SUCCESS;
}
Status cudnnCreateConvolutionDescriptor(Convolution** conv) { return *conv = new Convolution(), SUCCESS; }
Status cudnnDestroyConvolutionDescriptor(Convolution* conv) { return delete conv, SUCCESS; }
Status cudnnSetConvolution2dDescriptor(Convolution* conv, int ph, int pw, int sh, int sw, int dh, int dw, int mode, int type) {
  return *conv = {{ph, pw}, {sh, sw}, {dh, dw}, mode, type, 0}, SUCCESS;
}
Status cudnnSetConvolutionMathType(Convolution* conv, int math) { return conv->math = math, SUCCESS; }
Status cudnnGetConvolutionForwardWorkspaceSize(void*, Shape* x, Shape* w, Convolution* conv, Shape* y, int algorithm,
                                               size_t* bytes) {
  return size_of_workspace("forward", *x, *w, *y, *conv, algorithm, bytes);
}
Status cudnnGetConvolutionBackwardDataWorkspaceSize(void*, Shape* w, Shape* y, Convolution* conv, Shape* x, int algorithm,
                                                    size_t* bytes) {
  return size_of_workspace("data", *x, *w, *y, *conv, algorithm, bytes);
}
Status cudnnGetConvolutionBackwardFilterWorkspaceSize(void*, Shape* x, Shape* y, Convolution* conv, Shape* w, int algorithm,
                                                      size_t* bytes) {
  return size_of_workspace("filter", *x, *w, *y, *conv, algorithm, bytes);
}

Status cudnnConvolutionForward(void*, const float* alpha, Shape* x, void* xp, Shape* w, void* wp, Convolution* conv,
                               int algorithm, void* workspace, size_t bytes, const float* beta, Shape* y, void* yp) {
  float a = *alpha, b = *beta;
  return convolve("forward", {*x, *w, *y, xp, wp, yp, *conv, algorithm, workspace, bytes}, [=](const Given& on) {
    Floats X(&on.x, on.xp), W(&on.w, on.wp), Y(&on.y, nullptr);
    taps(on.x, on.w, on.y, on.conv, [&](int n, int oy, int ox, int ky, int kx, int iy, int ix) {
      const float* from = X.at(n, iy, ix);
      float* to = Y.at(n, oy, ox);
      for (int k = 0; k < on.w.n; k++) {
        const float* weight = W.at(k, ky, kx);
        float sum = 0.0f;
        for (int i = 0; i < on.w.c; i++) sum += from[i] * weight[i];
        to[k] += sum;
      }
    });
    Y.write(on.yp, a, b);
  });
}
Status cudnnConvolutionBackwardData(void*, const float* alpha, Shape* w, void* wp, Shape* y, void* yp, Convolution* conv,
                                    int algorithm, void* workspace, size_t bytes, const float* beta, Shape* x, void* xp) {
  float a = *alpha, b = *beta;
  return convolve("data", {*x, *w, *y, xp, wp, yp, *conv, algorithm, workspace, bytes}, [=](const Given& on) {
    Floats X(&on.x, nullptr), W(&on.w, on.wp), Y(&on.y, on.yp);
    taps(on.x, on.w, on.y, on.conv, [&](int n, int oy, int ox, int ky, int kx, int iy, int ix) {
      const float* from = Y.at(n, oy, ox);
      float* to = X.at(n, iy, ix);
      for (int k = 0; k < on.w.n; k++) {
        const float* weight = W.at(k, ky, kx);
        for (int i = 0; i < on.w.c; i++) to[i] += from[k] * weight[i];
      }
    });
    X.write(on.xp, a, b);
  });
}
Status cudnnConvolutionBackwardFilter(void*, const float* alpha, Shape* x, void* xp, Shape* y, void* yp, Convolution* conv,
                                      int algorithm, void* workspace, size_t bytes, const float* beta, Shape* w, void* wp) {
  float a = *alpha, b = *beta;
  return convolve("filter", {*x, *w, *y, xp, wp, yp, *conv, algorithm, workspace, bytes}, [=](const Given& on) {
    Floats X(&on.x, on.xp), W(&on.w, nullptr), Y(&on.y, on.yp);
    taps(on.x, on.w, on.y, on.conv, [&](int n, int oy, int ox, int ky, int kx, int iy, int ix) {
      const float* from = X.at(n, iy, ix);
      const float* gradient = Y.at(n, oy, ox);
      for (int k = 0; k < on.w.n; k++) {
        float* to = W.at(k, ky, kx);
        for (int i = 0; i < on.w.c; i++) to[i] += gradient[k] * from[i];
      }
    });
    W.write(on.wp, a, b);
  });
}
}
