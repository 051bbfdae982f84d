//! Convolution through cuDNN, channels last.
//!
//! cuDNN wants filters as [co, kh, kw, ci]. A weight of shape [kh, kw, ci, co] may lie in memory like that (a permuted view);
//! then cuDNN reads it where it is. One that lies as its shape says is copied first.
//!
//! Only algorithms whose sums have a fixed order are used, so that a run has the same bits each time.

use super::context::{Context, Scratch, launch};
use super::operand::{Element, Operand, Output, base, context, context_of, cuda, f32s};
use crate::conv2d::Shape;
use crate::kernels;
use candle_core::cuda_backend::WrapErr;
use candle_core::cuda_backend::cudarc::cudnn::result::CudnnError;
use candle_core::cuda_backend::cudarc::cudnn::sys::{
    cudnnConvolutionBwdDataAlgo_t as DataAlgorithm, cudnnConvolutionBwdFilterAlgo_t as FilterAlgorithm,
    cudnnConvolutionFwdAlgo_t as ForwardAlgorithm, cudnnConvolutionMode_t, cudnnMathType_t, cudnnStatus_t,
    cudnnTensorFormat_t,
};
use candle_core::cuda_backend::cudarc::cudnn::{
    ConvBackwardData, ConvBackwardFilter, ConvDescriptor, ConvForward, Cudnn, CudnnDataType, FilterDescriptor,
    TensorDescriptor,
};
use candle_core::cuda_backend::cudarc::driver::sys::CUdeviceptr;
use candle_core::cuda_backend::cudarc::driver::{CudaStream, DevicePtr, DevicePtrMut, DeviceSlice, SyncOnDrop};
use candle_core::{CudaStorage, Layout, Result, Tensor, bail};
use half::bf16;
use std::cell::Cell;
use std::collections::HashMap;
use std::fmt::Debug;
use std::marker::PhantomData;
use std::rc::Rc;
use std::sync::Arc;

/// From the fastest on; each adds in a fixed order.
const FORWARD: [ForwardAlgorithm; 2] = [
    ForwardAlgorithm::CUDNN_CONVOLUTION_FWD_ALGO_IMPLICIT_PRECOMP_GEMM,
    ForwardAlgorithm::CUDNN_CONVOLUTION_FWD_ALGO_IMPLICIT_GEMM,
];
/// `ALGO_0` adds atomically.
const DATA: [DataAlgorithm; 1] = [DataAlgorithm::CUDNN_CONVOLUTION_BWD_DATA_ALGO_1];
/// `ALGO_0` and `ALGO_3` add atomically.
const FILTER: [FilterAlgorithm; 1] = [FilterAlgorithm::CUDNN_CONVOLUTION_BWD_FILTER_ALGO_1];

/// The shapes that were met, with what was decided for each.
#[derive(Default)]
pub(crate) struct Convolutions {
    f32: HashMap<(Shape, bool), Rc<Plan<f32>>>,
    bf16: HashMap<(Shape, bool), Rc<Plan<bf16>>>,
}

/// Descriptors of one shape, and the ways of computing each pass.
struct Plan<T> {
    x: TensorDescriptor<T>,
    w: FilterDescriptor<T>,
    y: TensorDescriptor<T>,
    /// One for each of [`Real::math`].
    convs: Vec<ConvDescriptor<f32>>,
    forward: Ways<ForwardAlgorithm>,
    data: Ways<DataAlgorithm>,
    filter: Ways<FilterAlgorithm>,
}

/// Ways of computing a pass, from the one to be preferred on.
struct Ways<A> {
    all: Vec<Way<A>>,
    /// The number of the first that cuDNN has not refused.
    taken: Cell<usize>,
    /// What cuDNN said of those that it does not have.
    lacking: Vec<String>,
}

/// An algorithm, the number of the descriptor to use it with, how that lets matrix units be used, and the bytes of workspace
/// that it needs.
#[derive(Clone, Copy)]
struct Way<A> {
    algorithm: A,
    conv: usize,
    math: cudnnMathType_t,
    bytes: usize,
}

impl<A: Debug> Way<A> {
    /// What cuDNN said of it.
    fn told(&self, error: CudnnError) -> String {
        format!("{:?} with {:?}: {error}", self.algorithm, self.math)
    }
}

impl<A> Default for Ways<A> {
    fn default() -> Self {
        Self {
            all: Vec::new(),
            taken: Cell::new(0),
            lacking: Vec::new(),
        }
    }
}

impl<A: Copy + Debug> Ways<A> {
    /// Those of `allowed` for which cuDNN names a workspace, with a descriptor for each of `maths`.
    fn of(
        allowed: &[A],
        maths: &[cudnnMathType_t],
        workspace: impl Fn(A, usize) -> std::result::Result<usize, CudnnError>,
    ) -> Self {
        let mut ways = Self::default();
        for (conv, &math) in maths.iter().enumerate() {
            for &algorithm in allowed {
                let way = Way {
                    algorithm,
                    conv,
                    math,
                    bytes: 0,
                };
                match workspace(algorithm, conv) {
                    Ok(bytes) => ways.all.push(Way { bytes, ..way }),
                    Err(error) => ways.lacking.push(way.told(error)),
                }
            }
        }
        ways
    }

    /// Launches the way that was taken before, or the next that is not refused: that cuDNN names a workspace for an algorithm
    /// does not mean that it can run it. What fails for another reason is an error: no other way would do better.
    fn run<T: Real>(
        &self,
        (what, s): (&str, &Shape),
        launch: impl Fn(Way<A>) -> Result<std::result::Result<(), CudnnError>>,
    ) -> Result<()> {
        let mut refused: Vec<String> = Vec::new();
        for (number, &way) in self.all.iter().enumerate().skip(self.taken.get()) {
            match launch(way)? {
                Ok(()) => {
                    self.taken.set(number);
                    return Ok(());
                }
                Err(error) => {
                    refused.push(way.told(error));
                    if !is_refusal(error) {
                        break;
                    }
                }
            }
        }
        let (reason, told) = match refused.as_slice() {
            [] => ("has no algorithm with a fixed order of sums for", &self.lacking),
            _ => ("failed at", &refused),
        };
        bail!(
            "cuDNN {reason} {what} of a convolution {s:?} in {:?} ({})",
            T::DATA_TYPE,
            told.join("; ")
        )
    }
}

/// Whether cuDNN cannot run an algorithm, and not whether running it went wrong: parameters that it does not take (2000 and
/// up), what it does not support (3000 and up), and what goes wrong within it (4000 and up) but for want of memory.
fn is_refusal(error: CudnnError) -> bool {
    matches!(error.0 as u32, 2000..=4999)
        && error.0 != cudnnStatus_t::CUDNN_STATUS_INTERNAL_ERROR_HOST_ALLOCATION_FAILED
        && error.0 != cudnnStatus_t::CUDNN_STATUS_INTERNAL_ERROR_DEVICE_ALLOCATION_FAILED
}

trait Real: CudnnDataType + Copy + 'static {
    fn plans(convolutions: &mut Convolutions) -> &mut HashMap<(Shape, bool), Rc<Plan<Self>>>;
    fn one() -> Self;
    fn zero() -> Self;
    /// How matrix units may be used, from the way to be preferred on.
    fn math(tf32: bool) -> &'static [cudnnMathType_t];
}

impl Real for f32 {
    fn plans(convolutions: &mut Convolutions) -> &mut HashMap<(Shape, bool), Rc<Plan<Self>>> {
        &mut convolutions.f32
    }

    fn one() -> Self {
        1.0
    }

    fn zero() -> Self {
        0.0
    }

    fn math(tf32: bool) -> &'static [cudnnMathType_t] {
        match tf32 {
            // For cuDNN the default is to round factors to TF32 where it can.
            true => &[
                cudnnMathType_t::CUDNN_DEFAULT_MATH,
                cudnnMathType_t::CUDNN_TENSOR_OP_MATH,
            ],
            false => &[cudnnMathType_t::CUDNN_FMA_MATH],
        }
    }
}

impl Real for bf16 {
    fn plans(convolutions: &mut Convolutions) -> &mut HashMap<(Shape, bool), Rc<Plan<Self>>> {
        &mut convolutions.bf16
    }

    fn one() -> Self {
        bf16::ONE
    }

    fn zero() -> Self {
        bf16::ZERO
    }

    fn math(_tf32: bool) -> &'static [cudnnMathType_t] {
        &[
            cudnnMathType_t::CUDNN_TENSOR_OP_MATH,
            cudnnMathType_t::CUDNN_DEFAULT_MATH,
        ]
    }
}

/// Where a filter lies.
#[derive(Clone, Copy)]
struct Filter {
    address: u64,
    element: Element,
    /// Whether in cuDNN's order, [co, kh, kw, ci].
    outputs_first: bool,
}

impl Filter {
    /// That of a tensor [kh, kw, ci, co].
    fn of(tensor: &Tensor) -> Result<Self> {
        let (storage, layout) = tensor.storage_and_layout();
        Self::of_storage(cuda(&storage, tensor)?, layout)
    }

    fn of_storage(storage: &CudaStorage, layout: &Layout) -> Result<Self> {
        let (address, element) = base(storage)?;
        let &[kh, kw, ci, _co] = layout.dims() else {
            bail!("conv2d: expected a weight [kh, kw, ci, co], found {:?}", layout.dims())
        };
        let outputs_first = layout.stride() == [kw * ci, ci, 1, kh * kw * ci];
        if !outputs_first && !layout.is_contiguous() {
            bail!(
                "conv2d: expected a weight that lies in memory as [kh, kw, ci, co] or [co, kh, kw, ci], found strides {:?} for \
                 shape {:?}",
                layout.stride(),
                layout.shape()
            )
        }
        Ok(Self {
            address: address + (layout.start_offset() * element.size()) as u64,
            element,
            outputs_first,
        })
    }

    /// The filter in cuDNN's order, or memory for one.
    fn in_order(self, context: &Context, s: &Shape, copy: bool) -> Result<u64> {
        if self.outputs_first {
            return Ok(self.address);
        }
        let bytes = s.kh * s.kw * s.ci * s.co * self.element.size();
        let there = context.scratch(Scratch::Filter, bytes)?;
        if copy {
            permute(context, self.element, self.address, there, s, false)?;
        }
        Ok(there)
    }

    /// Copies back what was written to [`Filter::in_order`].
    fn take_back(self, context: &Context, s: &Shape, from: u64) -> Result<()> {
        match self.outputs_first {
            true => Ok(()),
            false => permute(context, self.element, from, self.address, s, true),
        }
    }
}

fn permute(context: &Context, element: Element, from: u64, to: u64, s: &Shape, back: bool) -> Result<()> {
    let kernel = context.kernel("permute_filter", Some(element))?;
    let launch = kernels::permute_filter(s.kh * s.kw, s.ci, s.co);
    launch!(context, kernel, launch; from, to, (s.kh * s.kw) as u32, s.ci as u32, s.co as u32, u32::from(back));
    Ok(())
}

pub(crate) fn forward(x: &Tensor, w: &Tensor, s: &Shape, y: &Tensor) -> Result<()> {
    let (x_at, w_at) = (Operand::of(x)?.expect_real()?, Filter::of(w)?);
    let y_at = Operand::of(y)?.expect(x_at.element)?;
    forward_at(&*context(x)?, x_at, w_at, s, y_at.address)
}

pub(crate) fn forward_of_storage(
    (x, xl): (&CudaStorage, &Layout),
    (w, wl): (&CudaStorage, &Layout),
    s: &Shape,
) -> Result<CudaStorage> {
    let x_at = Operand::of_storage(x, xl)?.expect_real()?;
    let y = Output::new(&x.device, x_at.element, s.n * s.oh * s.ow * s.co)?;
    forward_at(&*context_of(x)?, x_at, Filter::of_storage(w, wl)?, s, y.address)?;
    Ok(y.storage)
}

fn forward_at(context: &Context, x: Operand, w: Filter, s: &Shape, y: u64) -> Result<()> {
    same(x.element, w.element)?;
    let w = w.in_order(context, s, true)?;
    match x.element {
        Element::Bf16 => run_forward::<bf16>(context, x.address, w, s, y),
        _ => run_forward::<f32>(context, x.address, w, s, y),
    }
}

pub(crate) fn grad_input(dy: &Tensor, w: &Tensor, s: &Shape, dx: &Tensor, accumulate: bool) -> Result<()> {
    let (dy_at, w_at) = (Operand::of(dy)?.expect_real()?, Filter::of(w)?);
    let dx_at = Operand::of(dx)?.expect(dy_at.element)?;
    same(dy_at.element, w_at.element)?;
    let context = context(dy)?;
    let w = w_at.in_order(&context, s, true)?;
    match dy_at.element {
        Element::Bf16 => run_grad_input::<bf16>(&context, dy_at.address, w, s, dx_at.address, accumulate),
        _ => run_grad_input::<f32>(&context, dy_at.address, w, s, dx_at.address, accumulate),
    }
}

pub(crate) fn grad_weight(x: &Tensor, dy: &Tensor, s: &Shape, dw: &Tensor) -> Result<()> {
    let (x_at, dw_at) = (Operand::of(x)?.expect_real()?, Filter::of(dw)?);
    let dy_at = Operand::of(dy)?.expect(x_at.element)?;
    same(x_at.element, dw_at.element)?;
    let context = context(x)?;
    let to = dw_at.in_order(&context, s, false)?;
    match x_at.element {
        Element::Bf16 => run_grad_weight::<bf16>(&context, x_at.address, dy_at.address, s, to)?,
        _ => run_grad_weight::<f32>(&context, x_at.address, dy_at.address, s, to)?,
    }
    dw_at.take_back(&context, s, to)
}

/// Adds each sample's squared norm of the weight's gradient to `squares`.
pub(crate) fn weight_gradient_squares(x: &Tensor, dy: &Tensor, s: &Shape, squares: &Tensor) -> Result<()> {
    let x_at = Operand::of(x)?.expect_real()?;
    let dy_at = Operand::of(dy)?.expect(x_at.element)?;
    let squares_at = f32s(squares)?;
    if s.n > kernels::MOST_SAMPLES {
        bail!(
            "conv2d: found a batch of {}, expected at most {} for gradients of samples",
            s.n,
            kernels::MOST_SAMPLES
        )
    }
    let context = context(x)?;
    let (launch, tiles) = kernels::conv_weight_squares(s.n, s.kh * s.kw * s.ci, s.co);
    let partials = context.scratch(Scratch::Partials, s.n * tiles * 4)?;
    let kernel = context.kernel("conv_weight_squares", Some(x_at.element))?;
    launch!(context, kernel, launch;
        x_at.address, dy_at.address, partials, s.n as u32, s.h as u32, s.w as u32, s.ci as u32, s.kh as u32, s.kw as u32,
        s.co as u32, s.oh as u32, s.ow as u32, s.stride as u32, s.padding as u32);
    let kernel = context.kernel("add_tiles", None)?;
    launch!(context, kernel, kernels::add_tiles(s.n); partials, tiles as u32, squares_at, s.n as u32);
    Ok(())
}

fn same(a: Element, b: Element) -> Result<()> {
    if a != b {
        bail!("conv2d: expected one element type, found {a:?} beside {b:?}")
    }
    Ok(())
}

fn run_forward<T: Real>(context: &Context, x: u64, w: u64, s: &Shape, y: u64) -> Result<()> {
    let plan = plan_of::<T>(context, s)?;
    plan.forward.run::<T>(("the forward pass", s), |way| {
        let mut workspace = workspace(context, way.bytes)?;
        let (x, w, mut y) = (at::<T>(context, x), at::<T>(context, w), at::<T>(context, y));
        let operation = plan.forward_with(way.conv);
        let scales = (T::one(), T::zero());
        // SAFETY: the descriptors are those of `s`, whose tensors these addresses are; the workspace has the size asked for.
        Ok(unsafe { operation.launch(way.algorithm, workspace.as_mut(), scales, &x, &w, &mut y) })
    })
}

fn run_grad_input<T: Real>(context: &Context, dy: u64, w: u64, s: &Shape, dx: u64, accumulate: bool) -> Result<()> {
    let plan = plan_of::<T>(context, s)?;
    plan.data.run::<T>(("the gradient of the input", s), |way| {
        let mut workspace = workspace(context, way.bytes)?;
        let (dy, w, mut dx) = (at::<T>(context, dy), at::<T>(context, w), at::<T>(context, dx));
        let operation = plan.data_with(way.conv);
        let scales = (T::one(), if accumulate { T::one() } else { T::zero() });
        // SAFETY: as in `run_forward`.
        Ok(unsafe { operation.launch(way.algorithm, workspace.as_mut(), scales, &mut dx, &w, &dy) })
    })
}

fn run_grad_weight<T: Real>(context: &Context, x: u64, dy: u64, s: &Shape, dw: u64) -> Result<()> {
    let plan = plan_of::<T>(context, s)?;
    plan.filter.run::<T>(("the gradient of the weight", s), |way| {
        let mut workspace = workspace(context, way.bytes)?;
        let (x, dy, mut dw) = (at::<T>(context, x), at::<T>(context, dy), at::<T>(context, dw));
        let operation = plan.filter_with(way.conv);
        let scales = (T::one(), T::zero());
        // SAFETY: as in `run_forward`.
        Ok(unsafe { operation.launch(way.algorithm, workspace.as_mut(), scales, &x, &mut dw, &dy) })
    })
}

fn plan_of<T: Real>(context: &Context, s: &Shape) -> Result<Rc<Plan<T>>> {
    // A launch of a kernel binds the thread to its device; a call of cuDNN does not.
    context.stream.context().bind_to_thread().w()?;
    let tf32 = context.tf32.get();
    if let Some(plan) = T::plans(&mut context.convolutions.borrow_mut()).get(&(*s, tf32)) {
        return Ok(Rc::clone(plan));
    }
    let cudnn = context.cudnn()?;
    let plan = match decide::<T>(&cudnn, s, tf32) {
        Ok(plan) => Rc::new(plan),
        Err(error) => bail!("cuDNN cannot describe a convolution {s:?}: {error}"),
    };
    T::plans(&mut context.convolutions.borrow_mut()).insert((*s, tf32), Rc::clone(&plan));
    Ok(plan)
}

fn decide<T: Real>(cudnn: &Arc<Cudnn>, s: &Shape, tf32: bool) -> std::result::Result<Plan<T>, CudnnError> {
    let dims = |n: usize, c: usize, h: usize, w: usize| [n, c, h, w].map(|size| size as i32);
    let format = cudnnTensorFormat_t::CUDNN_TENSOR_NHWC;
    let x = cudnn.create_4d_tensor::<T>(format, dims(s.n, s.ci, s.h, s.w))?;
    let y = cudnn.create_4d_tensor::<T>(format, dims(s.n, s.co, s.oh, s.ow))?;
    let w = cudnn.create_4d_filter::<T>(format, dims(s.co, s.ci, s.kh, s.kw))?;
    let (padding, stride) = (s.padding as i32, s.stride as i32);
    let mode = cudnnConvolutionMode_t::CUDNN_CROSS_CORRELATION;
    let (maths, mut convs) = (T::math(tf32), Vec::new());
    for &math in maths {
        let mut conv = cudnn.create_conv2d::<f32>([padding; 2], [stride; 2], [1; 2], mode)?;
        conv.set_math_type(math)?;
        convs.push(conv);
    }
    let mut plan = Plan {
        x,
        w,
        y,
        convs,
        forward: Ways::default(),
        data: Ways::default(),
        filter: Ways::default(),
    };
    plan.forward = Ways::of(&FORWARD, maths, |way, conv| {
        plan.forward_with(conv).get_workspace_size(way)
    });
    plan.data = Ways::of(&DATA, maths, |way, conv| plan.data_with(conv).get_workspace_size(way));
    plan.filter = Ways::of(&FILTER, maths, |way, conv| {
        plan.filter_with(conv).get_workspace_size(way)
    });
    Ok(plan)
}

impl<T: Real> Plan<T> {
    fn forward_with(&self, conv: usize) -> ConvForward<'_, T, f32, T> {
        ConvForward {
            conv: &self.convs[conv],
            x: &self.x,
            w: &self.w,
            y: &self.y,
        }
    }

    fn data_with(&self, conv: usize) -> ConvBackwardData<'_, T, f32, T> {
        ConvBackwardData {
            conv: &self.convs[conv],
            dx: &self.x,
            w: &self.w,
            dy: &self.y,
        }
    }

    fn filter_with(&self, conv: usize) -> ConvBackwardFilter<'_, T, f32, T> {
        ConvBackwardFilter {
            conv: &self.convs[conv],
            x: &self.x,
            dw: &self.w,
            dy: &self.y,
        }
    }
}

/// Memory at an address, as cudarc's wrappers of cuDNN are given it.
struct At<T> {
    address: u64,
    len: usize,
    stream: Arc<CudaStream>,
    element: PhantomData<T>,
}

fn at<T>(context: &Context, address: u64) -> At<T> {
    At {
        address,
        len: 0,
        stream: Arc::clone(&context.stream),
        element: PhantomData,
    }
}

fn workspace(context: &Context, bytes: usize) -> Result<Option<At<u8>>> {
    if bytes == 0 {
        return Ok(None);
    }
    let address = context.scratch(Scratch::Workspace, bytes)?;
    Ok(Some(At {
        len: bytes,
        ..at(context, address)
    }))
}

impl<T> DeviceSlice<T> for At<T> {
    fn len(&self) -> usize {
        self.len
    }

    fn stream(&self) -> &Arc<CudaStream> {
        &self.stream
    }
}

impl<T> DevicePtr<T> for At<T> {
    fn device_ptr<'a>(&'a self, _stream: &'a CudaStream) -> (CUdeviceptr, SyncOnDrop<'a>) {
        (self.address, SyncOnDrop::Sync(None))
    }
}

impl<T> DevicePtrMut<T> for At<T> {
    fn device_ptr_mut<'a>(&'a mut self, _stream: &'a CudaStream) -> (CUdeviceptr, SyncOnDrop<'a>) {
        (self.address, SyncOnDrop::Sync(None))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_went_wrong_is_no_refusal() {
        use cudnnStatus_t::*;
        for (status, refusal) in [
            (CUDNN_STATUS_NOT_SUPPORTED, true),
            (CUDNN_STATUS_NOT_SUPPORTED_SHAPE, true),
            (CUDNN_STATUS_BAD_PARAM, true),
            (CUDNN_STATUS_INTERNAL_ERROR, true),
            (CUDNN_STATUS_INTERNAL_ERROR_DEVICE_ALLOCATION_FAILED, false),
            (CUDNN_STATUS_EXECUTION_FAILED, false),
            (CUDNN_STATUS_EXECUTION_FAILED_CUDA_DRIVER, false),
            (CUDNN_STATUS_NOT_INITIALIZED, false),
        ] {
            assert_eq!(is_refusal(CudnnError(status)), refusal, "{status:?}");
        }
    }
}
