//! What a thread needs to launch work on a device: compiled kernels, cuDNN, and memory for passing results.

use super::conv2d::Convolutions;
use super::device::{dotted, driver_version};
use super::operand::Element;
use crate::kernels::{self, Launch};
use candle_core::cuda_backend::cudarc::cudnn::Cudnn;
use candle_core::cuda_backend::cudarc::driver::sys::CUresult;
use candle_core::cuda_backend::cudarc::driver::{
    CudaFunction, CudaModule, CudaSlice, CudaStream, DevicePtr, DriverError, LaunchConfig,
};
use candle_core::cuda_backend::cudarc::nvrtc::sys::{nvrtcGetCUBIN, nvrtcGetCUBINSize, nvrtcVersion};
use candle_core::cuda_backend::cudarc::nvrtc::{
    CompileError, CompileOptions, Ptx, compile_ptx_with_opts, result as nvrtc,
};
use candle_core::cuda_backend::{DeviceId, WrapErr};
use candle_core::{CudaDevice, Result, bail};
use std::cell::{Cell, OnceCell, RefCell};
use std::collections::HashMap;
use std::ffi::CString;
use std::mem::ManuallyDrop;
use std::rc::Rc;
use std::sync::{Arc, Mutex};

/// Memory that operations use while they run, by what for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scratch {
    /// cuDNN's workspace.
    Workspace = 0,
    /// Partial sums.
    Partials = 1,
    /// A filter in another layout.
    Filter = 2,
}

/// One thread's view of one device. cuDNN's handles are bound to a thread, so each has its own.
pub(crate) struct Context {
    pub(crate) stream: Arc<CudaStream>,
    module: Arc<CudaModule>,
    functions: RefCell<HashMap<(&'static str, Option<Element>), CudaFunction>>,
    scratch: [RefCell<Vec<CudaSlice<u8>>>; 3],
    cudnn: OnceCell<Arc<Cudnn>>,
    pub(crate) convolutions: RefCell<Convolutions>,
    /// Whether matrix units may round the factors of f32 products to 10 bits.
    pub(crate) tf32: Cell<bool>,
}

thread_local! {
    /// Never dropped: when a thread ends, what cuDNN keeps for it may be gone before this, and closing its handles fails then.
    static CONTEXTS: RefCell<Vec<(DeviceId, ManuallyDrop<Rc<Context>>)>> = const { RefCell::new(Vec::new()) };
}

/// The calling thread's context of `device`, made at the first call.
pub(crate) fn of(device: &CudaDevice) -> Result<Rc<Context>> {
    let id = device.id();
    let known = CONTEXTS.with_borrow(|contexts| {
        let mut contexts = contexts.iter();
        contexts
            .find(|(of, _)| *of == id)
            .map(|(_, context)| Rc::clone(context))
    });
    if let Some(context) = known {
        return Ok(context);
    }
    let context = Rc::new(Context::new(device)?);
    CONTEXTS.with_borrow_mut(|contexts| contexts.push((id, ManuallyDrop::new(Rc::clone(&context)))));
    Ok(context)
}

impl Context {
    fn new(device: &CudaDevice) -> Result<Self> {
        let stream = device.cuda_stream();
        let driver = stream.context();
        let capability = driver.compute_capability().w()?;
        let module = match driver.load_module(compiled(capability)?) {
            // An NVRTC that is newer than the driver writes what the driver cannot read, and a driver may lack its compiler or
            // may not use it; code for the hardware it can load.
            Err(DriverError(
                CUresult::CUDA_ERROR_UNSUPPORTED_PTX_VERSION
                | CUresult::CUDA_ERROR_JIT_COMPILER_NOT_FOUND
                | CUresult::CUDA_ERROR_JIT_COMPILATION_DISABLED,
            )) => {
                let code = Ptx::from_binary(machine_code(capability)?);
                driver.load_module(code).map_err(|error| too_new(&error))?
            }
            module => module.w()?,
        };
        Ok(Self {
            stream,
            module,
            functions: RefCell::default(),
            scratch: Default::default(),
            cudnn: OnceCell::new(),
            convolutions: RefCell::default(),
            tf32: Cell::new(false),
        })
    }

    /// A kernel by its name without the element type.
    pub(crate) fn kernel(&self, name: &'static str, element: Option<Element>) -> Result<CudaFunction> {
        let key = (name, element);
        if let Some(function) = self.functions.borrow().get(&key) {
            return Ok(function.clone());
        }
        let function = match element {
            None => self.module.load_function(name).w()?,
            Some(element) => self.module.load_function(&format!("{name}_{}", element.suffix())).w()?,
        };
        self.functions.borrow_mut().insert(key, function.clone());
        Ok(function)
    }

    /// cuDNN on this context's stream.
    pub(crate) fn cudnn(&self) -> Result<Arc<Cudnn>> {
        if let Some(cudnn) = self.cudnn.get() {
            return Ok(Arc::clone(cudnn));
        }
        let cudnn = match Cudnn::new(Arc::clone(&self.stream)) {
            Ok(cudnn) => cudnn,
            Err(error) => bail!("cuDNN cannot be started: {error}"),
        };
        Ok(Arc::clone(self.cudnn.get_or_init(|| cudnn)))
    }

    /// The address of at least `bytes` of memory. What is in it is lost when the next operation asks.
    ///
    /// Memory that became too small is kept as well: a captured graph may have its address.
    pub(crate) fn scratch(&self, of: Scratch, bytes: usize) -> Result<u64> {
        let mut buffers = self.scratch[of as usize].borrow_mut();
        if buffers.last().is_none_or(|buffer| buffer.len() < bytes) {
            buffers.push(
                self.stream
                    .alloc_zeros::<u8>(bytes.next_power_of_two().max(1 << 16))
                    .w()?,
            );
        }
        match buffers.last() {
            Some(buffer) => Ok(buffer.device_ptr(&self.stream).0),
            None => bail!("no scratch memory"),
        }
    }
}

/// How `launch` is given to the driver.
pub(crate) fn config(launch: Launch) -> LaunchConfig {
    let Launch { grid, block } = launch;
    LaunchConfig {
        grid_dim: grid.into(),
        block_dim: block.into(),
        shared_mem_bytes: 0,
    }
}

/// The kernels for a compute capability, compiled once in a process.
fn compiled(capability: (i32, i32)) -> Result<Ptx> {
    static COMPILED: Mutex<Vec<((i32, i32), Ptx)>> = Mutex::new(Vec::new());
    let mut compiled = COMPILED.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    if let Some((_, ptx)) = compiled.iter().find(|(of, _)| *of == capability) {
        return Ok(ptx.clone());
    }
    let (major, minor) = capability;
    let options = CompileOptions {
        options: options("compute", capability),
        name: Some("dynaprune.cu".to_owned()),
        ..CompileOptions::default()
    };
    let ptx = match compile_ptx_with_opts(kernels::source(), options) {
        Ok(ptx) => ptx,
        Err(CompileError::CompileError { log, .. }) => {
            bail!(
                "the kernels do not compile for compute capability {major}.{minor}:\n{}",
                log.to_string_lossy()
            )
        }
        Err(error) => bail!("NVRTC cannot compile the kernels: {error}"),
    };
    compiled.push((capability, ptx.clone()));
    Ok(ptx)
}

/// How NVRTC is to compile: products and sums are fused where it sees fit; division and square root stay exact.
fn options(kind: &str, (major, minor): (i32, i32)) -> Vec<String> {
    vec![
        format!("--gpu-architecture={kind}_{major}{minor}"),
        "--std=c++17".to_owned(),
    ]
}

/// The kernels as code for the hardware.
fn machine_code(capability: (i32, i32)) -> Result<Vec<u8>> {
    let source = CString::new(kernels::source()).map_err(candle_core::Error::wrap)?;
    let code = || {
        let program = nvrtc::create_program(&source, Some(c"dynaprune.cu"))?;
        // SAFETY: the program was just made and is destroyed once; the code has room for as many bytes as NVRTC tells.
        unsafe {
            let code = nvrtc::compile_program(program, &options("sm", capability)).and_then(|()| {
                let mut bytes = 0;
                nvrtcGetCUBINSize(program, &raw mut bytes).result()?;
                let mut code = vec![0u8; bytes];
                nvrtcGetCUBIN(program, code.as_mut_ptr().cast()).result()?;
                Ok(code)
            });
            nvrtc::destroy_program(program)?;
            code
        }
    };
    match code() {
        Ok(code) => Ok(code),
        Err(error) => bail!("NVRTC cannot compile the kernels for compute capability {capability:?}: {error:?}"),
    }
}

/// That the driver cannot load what NVRTC compiles.
fn too_new(error: &DriverError) -> candle_core::Error {
    let (mut major, mut minor) = (0, 0);
    // SAFETY: NVRTC writes two numbers.
    let _ = unsafe { nvrtcVersion(&raw mut major, &raw mut minor) };
    let driver = driver_version().map_or("an unknown CUDA".to_owned(), |version| {
        format!("CUDA {}", dotted(version))
    });
    candle_core::Error::Msg(format!(
        "the NVIDIA driver, which is for {driver}, cannot load what NVRTC {major}.{minor} compiles: expected an NVRTC that is not \
         newer, or a newer driver ({error:?})"
    ))
}

/// Launches a kernel: `launch!(context, kernel, plan; arguments)`. The arguments are addresses (`u64`), sizes (`u32`, `u64`)
/// and numbers (`f32`), in the order and of the types of the kernel's parameters.
macro_rules! launch {
    ($context:expr, $kernel:expr, $plan:expr; $($argument:expr),* $(,)?) => {{
        use candle_core::cuda_backend::WrapErr as _;
        use candle_core::cuda_backend::cudarc::driver::PushKernelArg as _;
        let kernel = $kernel;
        let config = $crate::cuda::context::config($plan);
        let mut builder = $context.stream.launch_builder(&kernel);
        $(let argument = $argument; builder.arg(&argument);)*
        // SAFETY: the caller gives what the kernel's parameters are, and addresses of live memory of the sizes that its
        // shapes say, which it has checked; all work on that memory is in the order of this stream.
        unsafe { builder.launch(config) }.w()?;
    }};
}
pub(crate) use launch;
