//! Copies between the host and the device.

use super::operand::{Element, Operand, context};
use candle_core::cuda_backend::WrapErr;
use candle_core::cuda_backend::cudarc::driver::{DeviceRepr, result};
use candle_core::{Result, Tensor, bail};

/// A number that a tensor on a device holds.
pub trait Number: DeviceRepr + Copy + Default {
    #[doc(hidden)]
    fn is(element: &str) -> bool;
}

macro_rules! number {
    ($ty:ty, $name:literal) => {
        impl Number for $ty {
            fn is(element: &str) -> bool {
                element == $name
            }
        }
    };
}

number!(f32, "f32");
number!(u32, "u32");
number!(u8, "u8");
number!(half::bf16, "bf16");

fn checked<T: Number>(tensor: &Tensor) -> Result<Operand> {
    let operand = Operand::of(tensor)?;
    if !T::is(operand.element.suffix()) {
        bail!(
            "found a tensor of {:?}, expected {}",
            operand.element,
            std::any::type_name::<T>()
        )
    }
    Ok(operand)
}

/// The numbers of a contiguous tensor on a GPU; waits for the device.
///
/// # Errors
/// If the tensor is of another type or not contiguous, or something that was queued before failed.
pub fn copy_from<T: Number>(tensor: &Tensor) -> Result<Vec<T>> {
    let operand = checked::<T>(tensor)?;
    let context = context(tensor)?;
    let mut numbers = vec![T::default(); operand.len];
    context.stream.context().bind_to_thread().w()?;
    // SAFETY: the tensor's memory holds as many numbers of this type; the wait ends before `numbers` is used.
    unsafe { result::memcpy_dtoh_async(&mut numbers, operand.address, context.stream.cu_stream()) }.w()?;
    context.stream.synchronize().w()?;
    Ok(numbers)
}

/// Writes `numbers` to the beginning of a contiguous tensor on a GPU, behind what was queued before; waits until that is done.
///
/// # Errors
/// If the tensor is of another type, not contiguous or too small.
pub fn copy_to<T: Number>(tensor: &Tensor, numbers: &[T]) -> Result<()> {
    let operand = checked::<T>(tensor)?;
    if operand.len < numbers.len() {
        bail!("found {} numbers for a tensor of {}", numbers.len(), operand.len)
    }
    let context = context(tensor)?;
    context.stream.context().bind_to_thread().w()?;
    // SAFETY: the tensor's memory has room for them, and they are there until the wait ends: not every GPU copies pageable
    // memory before the call returns.
    unsafe { result::memcpy_htod_async(operand.address, numbers, context.stream.cu_stream()) }.w()?;
    context.stream.synchronize().w()
}

/// Fills a contiguous tensor on a GPU with zeros.
///
/// # Errors
/// If the tensor is not a contiguous one on a GPU.
pub fn fill_zero(tensor: &Tensor) -> Result<()> {
    let operand = Operand::of(tensor)?;
    let bytes = operand.len * Element::size(operand.element);
    let context = context(tensor)?;
    context.stream.context().bind_to_thread().w()?;
    // SAFETY: the tensor's memory has that many bytes.
    unsafe { result::memset_d8_async(operand.address, 0, bytes, context.stream.cu_stream()) }.w()
}
