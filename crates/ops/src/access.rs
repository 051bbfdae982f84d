//! Reading and writing candle tensors in place.
//!
//! candle lends a tensor's memory for reading, and for writing through its in-place operations.
//! Every operation of this crate writes into tensors that the caller owns, so that a training step
//! can use the same memory again and again.

use crate::scratch;
use candle_core::{CpuStorage, DType, Device, InplaceOp1, Layout, Result, Storage, Tensor, bail};
use std::cell::Cell;

/// What a tensor on any device may hold.
#[cfg(feature = "cuda")]
pub use crate::cuda::Number;
/// What a tensor on any device may hold.
#[cfg(not(feature = "cuda"))]
pub trait Number {}

/// An element type that the operations use: `f32` or `u32`.
pub trait Element: Copy + Number {
    /// The numbers of a storage of this type.
    fn slice(storage: &CpuStorage) -> Option<&[Self]>;
    /// The numbers of a storage of this type, to be changed.
    fn slice_mut(storage: &mut CpuStorage) -> Option<&mut [Self]>;
}

macro_rules! element {
    ($ty:ty, $variant:ident) => {
        #[cfg(not(feature = "cuda"))]
        impl Number for $ty {}

        impl Element for $ty {
            fn slice(storage: &CpuStorage) -> Option<&[Self]> {
                let CpuStorage::$variant(data) = storage else {
                    return None;
                };
                Some(data)
            }

            fn slice_mut(storage: &mut CpuStorage) -> Option<&mut [Self]> {
                let CpuStorage::$variant(data) = storage else {
                    return None;
                };
                Some(data)
            }
        }
    };
}

element!(f32, F32);
element!(u32, U32);

/// Calls `f` with the numbers of a contiguous tensor; those on a GPU are copied from there.
///
/// # Errors
/// If the tensor is of another type or not contiguous, and what `f` returns.
pub fn read<T: Element, R>(tensor: &Tensor, f: impl FnOnce(&[T]) -> Result<R>) -> Result<R> {
    #[cfg(feature = "cuda")]
    if tensor.device().is_cuda() {
        return f(&crate::cuda::copy_from(tensor)?);
    }
    let (storage, layout) = tensor.storage_and_layout();
    let Storage::Cpu(storage) = &*storage else {
        bail!("expected a tensor on the CPU, found {:?}", tensor.device())
    };
    f(contiguous(storage, layout)?)
}

/// Calls `f` with the numbers of a contiguous tensor, to be changed in place; those on a GPU are copied from there and back.
///
/// # Errors
/// As [`read`].
pub fn write<T: Element, R>(tensor: &Tensor, f: impl FnOnce(&mut [T]) -> Result<R>) -> Result<R> {
    #[cfg(feature = "cuda")]
    if tensor.device().is_cuda() {
        let mut numbers = crate::cuda::copy_from(tensor)?;
        let result = f(&mut numbers)?;
        crate::cuda::copy_to(tensor, &numbers)?;
        return Ok(result);
    }
    let op = Write {
        f: Cell::new(Some(f)),
        result: Cell::new(None),
        element: std::marker::PhantomData,
    };
    tensor.inplace_op1(&op)?;
    match op.result.into_inner() {
        Some(result) => Ok(result),
        None => bail!("candle did not run an in-place operation"),
    }
}

/// `len` zeros that begin on a cache line, where the operations read and write fastest.
///
/// # Errors
/// If the device cannot give the memory.
pub fn zeros(len: usize, device: &Device) -> Result<Tensor> {
    let flat = Tensor::zeros(len + scratch::LINE, DType::F32, device)?;
    let start = if device.is_cpu() {
        read(&flat, |flat| Ok(scratch::aligned(flat)))?
    } else {
        0
    };
    flat.narrow(0, start, len)
}

struct Write<T, F, R> {
    f: Cell<Option<F>>,
    result: Cell<Option<R>>,
    element: std::marker::PhantomData<T>,
}

impl<T: Element, R, F: FnOnce(&mut [T]) -> Result<R>> InplaceOp1 for Write<T, F, R> {
    fn name(&self) -> &'static str {
        "dynaprune-write"
    }

    fn cpu_fwd(&self, storage: &mut CpuStorage, layout: &Layout) -> Result<()> {
        let (start, end) = range(layout)?;
        let Some(data) = T::slice_mut(storage) else {
            bail!("found a tensor of another type than expected")
        };
        if let Some(f) = self.f.take() {
            self.result.set(Some(f(&mut data[start..end])?));
        }
        Ok(())
    }
}

/// The numbers of a contiguous tensor.
pub(crate) fn contiguous<'a, T: Element>(storage: &'a CpuStorage, layout: &Layout) -> Result<&'a [T]> {
    let (start, end) = range(layout)?;
    match T::slice(storage) {
        Some(data) => Ok(&data[start..end]),
        None => bail!("found a tensor of another type than expected"),
    }
}

fn range(layout: &Layout) -> Result<(usize, usize)> {
    match layout.contiguous_offsets() {
        Some(range) => Ok(range),
        None => bail!(
            "expected a contiguous tensor, found strides {:?} for shape {:?}",
            layout.stride(),
            layout.shape()
        ),
    }
}

/// Returns what `call` gives if the tensor is on a GPU: where an operation chooses its back end.
macro_rules! on_gpu {
    ($tensor:expr => $call:expr) => {
        #[cfg(feature = "cuda")]
        if $tensor.device().is_cuda() {
            return $call;
        }
    };
}
pub(crate) use on_gpu;

/// Evaluates an expression with the named f32 tensors replaced by their numbers: those in the first
/// list can be changed, those in the second are read. No two of the first may share memory.
macro_rules! with {
    ([] [] $body:expr) => { Ok($body) };
    ([$first:ident $(, $more:ident)*] [$($read:ident),*] $body:expr) => {
        $crate::access::write($first, |$first: &mut [f32]| $crate::access::with!([$($more),*] [$($read),*] $body))
    };
    ([] [$first:ident $(, $more:ident)*] $body:expr) => {
        $crate::access::read($first, |$first: &[f32]| $crate::access::with!([] [$($more),*] $body))
    };
}
pub(crate) use with;
