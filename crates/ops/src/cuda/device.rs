//! Devices, and the counter that tells a captured step which one it is.

use super::context::{self, launch};
use super::operand::{context, u32s};
use crate::{Conv2d, kernels};
use candle_core::cuda_backend::WrapErr;
use candle_core::cuda_backend::cudarc::driver::{CudaContext, result, sys};
use candle_core::{CudaDevice, DType, Device, Result, Tensor, bail};

/// The oldest compute capability that has matrix units for bf16 and TF32.
const OLDEST: (i32, i32) = (8, 0);

/// The oldest CUDA that a driver may be for, as the driver tells it: 13.0.
const OLDEST_DRIVER: i32 = 13_000;

/// The GPU `ordinal`, the first being 0, with a stream of its own. It has compiled the kernels and computed convolutions: what
/// it cannot do for want of a library, say, shows here and not in everything that it is asked later.
///
/// # Errors
/// As [`check`], or if the device cannot be started or cannot compute.
pub fn device(ordinal: usize) -> Result<Device> {
    check(ordinal)?;
    let device = CudaDevice::new_with_stream(ordinal)?;
    let driver = device.cuda_stream();
    // SAFETY: all work of this device is on its one stream, so nothing has to wait for an event of another.
    unsafe { device.disable_event_tracking() };
    if driver.context().has_async_alloc() {
        keep_freed_memory(&device)?;
    }
    let device = Device::Cuda(device);
    try_out(&device)?;
    Ok(device)
}

/// A convolution in f32 and one in bf16, with a kernel before each that puts the filter in cuDNN's order.
fn try_out(device: &Device) -> Result<()> {
    for element in [DType::F32, DType::BF16] {
        let x = Tensor::zeros((1, 8, 8, 8), element, device)?;
        let w = Tensor::zeros((3, 3, 8, 8), element, device)?;
        let conv = Conv2d { stride: 1, padding: 1 };
        conv.forward(&x, &w, &x.zeros_like()?)?;
    }
    synchronize(device)
}

/// Freed memory goes back to the pool and not to the driver, at which every wait for the device would take it away.
fn keep_freed_memory(device: &CudaDevice) -> Result<()> {
    let ordinal = device.cuda_stream().context().ordinal();
    let mut threshold = u64::MAX;
    // SAFETY: the pool is that of a device which exists, and the attribute is a u64.
    unsafe {
        let cu_device = result::device::get(ordinal as i32).w()?;
        let pool = result::device::get_default_mem_pool(cu_device).w()?;
        let attribute = sys::CUmemPool_attribute::CU_MEMPOOL_ATTR_RELEASE_THRESHOLD;
        sys::cuMemPoolSetAttribute(pool, attribute, std::ptr::from_mut(&mut threshold).cast())
            .result()
            .w()
    }
}

/// How many GPUs there are.
///
/// # Errors
/// If there is no driver that works, or it is for a CUDA before 13.0.
pub fn count() -> Result<usize> {
    if let Some(found) = driver_version().filter(|version| *version < OLDEST_DRIVER) {
        bail!(
            "found an NVIDIA driver for CUDA {}, expected one for {} or newer (580 or newer)",
            dotted(found),
            dotted(OLDEST_DRIVER)
        )
    }
    match CudaContext::device_count() {
        Ok(count) => Ok(usize::try_from(count).unwrap_or(0)),
        Err(error) => bail!("the NVIDIA driver does not answer: {error}"),
    }
}

/// Looks whether the GPU `ordinal` can compute, without starting it.
///
/// # Errors
/// If there is no such GPU, it is older than compute capability 8.0, or its driver cannot be used.
pub fn check(ordinal: usize) -> Result<()> {
    let count = count()?;
    if ordinal >= count {
        bail!("found {count} GPUs, expected one more than {ordinal}")
    }
    use sys::CUdevice_attribute::{
        CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR as MAJOR, CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR as MINOR,
    };
    let device = result::device::get(ordinal as i32).w()?;
    // SAFETY: the device exists.
    let [major, minor] = [MAJOR, MINOR].map(|which| unsafe { result::device::get_attribute(device, which) });
    let (major, minor) = (major.w()?, minor.w()?);
    if (major, minor) < OLDEST {
        bail!(
            "expected a GPU of compute capability {}.{} or newer, found {} of {major}.{minor}",
            OLDEST.0,
            OLDEST.1,
            result::device::get_name(device).w()?
        )
    }
    Ok(())
}

/// The CUDA that the driver is for, if it tells: 1000 times the major version and 10 times the minor one.
pub(super) fn driver_version() -> Option<i32> {
    let mut version = 0;
    // SAFETY: the driver writes one number.
    let told = unsafe { sys::cuDriverGetVersion(&raw mut version) };
    told.result().is_ok().then_some(version)
}

/// As people write a version of [`driver_version`].
pub(super) fn dotted(version: i32) -> String {
    format!("{}.{}", version / 1000, version % 1000 / 10)
}

/// What the GPU calls itself, as `NVIDIA H100 80GB HBM3`.
///
/// # Errors
/// If `device` is no GPU or does not tell.
pub fn name(device: &Device) -> Result<String> {
    device.as_cuda_device()?.cuda_stream().context().name().w()
}

/// Waits until the device has done all that was queued.
///
/// # Errors
/// If something that was queued failed.
pub fn synchronize(device: &Device) -> Result<()> {
    device.as_cuda_device()?.cuda_stream().synchronize().w()
}

/// Whether matrix units may compute f32 convolutions with factors rounded to 10 bits (TF32), for the calling thread. They may
/// not at first.
///
/// # Errors
/// If `device` is no GPU or cannot be used.
pub fn allow_tf32(device: &Device, allow: bool) -> Result<()> {
    context::of(device.as_cuda_device()?)?.tf32.set(allow);
    Ok(())
}

/// Which batch of an epoch is meant, told by a number on the device: what was captured for one batch then serves for all.
#[derive(Clone, Copy, Debug)]
pub struct Slot<'a> {
    /// The number of the batch (u32), from 0.
    pub step: &'a Tensor,
    /// Samples of a whole batch.
    pub batch: usize,
}

impl Slot<'_> {
    /// The address of the number (0 if there is none) and the samples of a batch.
    pub(crate) fn parts(slot: Option<Self>) -> Result<(u64, u32)> {
        match slot {
            Some(slot) => Ok((u32s(slot.step)?, slot.batch as u32)),
            None => Ok((0, 0)),
        }
    }
}

/// Adds 1 to a number (u32) on the device.
///
/// # Errors
/// If `step` is not on a GPU or of another type.
pub fn advance(step: &Tensor) -> Result<()> {
    let address = u32s(step)?;
    let context = context(step)?;
    let kernel = context.kernel("advance_step", None)?;
    launch!(context, kernel, kernels::advance(); address);
    Ok(())
}
