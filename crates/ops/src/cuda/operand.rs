//! Where in device memory a tensor lies.

use super::context::Context;
use candle_core::cuda_backend::cudarc::driver::{CudaSlice, DevicePtr};
use candle_core::cuda_backend::{CudaStorage, CudaStorageSlice};
use candle_core::{CudaDevice, Layout, Result, Storage, Tensor, bail};
use std::rc::Rc;

/// The element types that kernels are compiled for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Element {
    F32,
    Bf16,
    U32,
    U8,
}

impl Element {
    /// What a kernel's name ends with.
    pub(crate) fn suffix(self) -> &'static str {
        match self {
            Self::F32 => "f32",
            Self::Bf16 => "bf16",
            Self::U32 => "u32",
            Self::U8 => "u8",
        }
    }

    /// Bytes of a number.
    pub(crate) fn size(self) -> usize {
        match self {
            Self::F32 | Self::U32 => 4,
            Self::Bf16 => 2,
            Self::U8 => 1,
        }
    }
}

/// A tensor's memory, as kernels are given it.
///
/// The address stays right as long as the tensor lives. Memory that a dropped tensor gives back is given back in the order of
/// its device's stream, on which all work of this crate runs: behind the kernels that were launched before.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Operand {
    /// Of its first number.
    pub(crate) address: u64,
    pub(crate) element: Element,
    /// How many numbers it has.
    pub(crate) len: usize,
}

impl Operand {
    /// That of a contiguous tensor.
    pub(crate) fn of(tensor: &Tensor) -> Result<Self> {
        let (storage, layout) = tensor.storage_and_layout();
        Self::of_storage(cuda(&storage, tensor)?, layout)
    }

    /// That of an optional tensor of the same element type as `self`; the address is 0 if there is none.
    pub(crate) fn beside(self, tensor: Option<&Tensor>) -> Result<u64> {
        match tensor {
            None => Ok(0),
            Some(tensor) => Ok(Self::of(tensor)?.expect(self.element)?.address),
        }
    }

    /// As [`Operand::beside`], and as [`Operand::expect_aligned`].
    pub(crate) fn beside_aligned(self, tensor: Option<&Tensor>, c: usize) -> Result<u64> {
        match tensor {
            None => Ok(0),
            Some(tensor) => Ok(Self::of(tensor)?.expect(self.element)?.expect_aligned(c)?.address),
        }
    }

    pub(crate) fn of_storage(storage: &CudaStorage, layout: &Layout) -> Result<Self> {
        let Some((start, end)) = layout.contiguous_offsets() else {
            bail!(
                "expected a contiguous tensor, found strides {:?} for shape {:?}",
                layout.stride(),
                layout.shape()
            )
        };
        let (base, element) = base(storage)?;
        Ok(Self {
            address: base + (start * element.size()) as u64,
            element,
            len: end - start,
        })
    }

    /// Fails if the numbers are of another type.
    pub(crate) fn expect(self, element: Element) -> Result<Self> {
        if self.element != element {
            bail!("expected a tensor of {element:?}, found {:?}", self.element)
        }
        Ok(self)
    }

    /// Fails unless numbers of `c` channels can be read as the kernels do: 16 bytes at a time where c is a multiple of 8.
    pub(crate) fn expect_aligned(self, c: usize) -> Result<Self> {
        match c.is_multiple_of(8) && !self.address.is_multiple_of(16) {
            true => bail!(
                "expected a tensor that begins on 16 bytes, as its {c} channels are read, found one that does not"
            ),
            false => Ok(self),
        }
    }

    /// Fails unless kernels compute with this type.
    pub(crate) fn expect_real(self) -> Result<Self> {
        match self.element {
            Element::F32 | Element::Bf16 => Ok(self),
            other => bail!("expected a tensor of F32 or Bf16, found {other:?}"),
        }
    }
}

/// The address of an f32 tensor's first number.
pub(crate) fn f32s(tensor: &Tensor) -> Result<u64> {
    Ok(Operand::of(tensor)?.expect(Element::F32)?.address)
}

/// The address of a u32 tensor's first number.
pub(crate) fn u32s(tensor: &Tensor) -> Result<u64> {
    Ok(Operand::of(tensor)?.expect(Element::U32)?.address)
}

/// The context of the device that a tensor lies on.
pub(crate) fn context(tensor: &Tensor) -> Result<Rc<Context>> {
    let device = tensor.device().as_cuda_device()?;
    super::context::of(device)
}

/// The storage of a tensor on a GPU.
pub(crate) fn cuda<'a>(storage: &'a Storage, tensor: &Tensor) -> Result<&'a CudaStorage> {
    match storage {
        Storage::Cuda(storage) => Ok(storage),
        _ => bail!(
            "expected a tensor on a GPU like the others, found {:?}",
            tensor.device()
        ),
    }
}

/// The address of a storage's first number, and the type of its numbers.
pub(crate) fn base(storage: &CudaStorage) -> Result<(u64, Element)> {
    fn address<T>(slice: &CudaSlice<T>, device: &CudaDevice) -> u64 {
        slice.device_ptr(&device.cuda_stream()).0
    }
    let device = &storage.device;
    Ok(match &storage.slice {
        CudaStorageSlice::F32(slice) => (address(slice, device), Element::F32),
        CudaStorageSlice::BF16(slice) => (address(slice, device), Element::Bf16),
        CudaStorageSlice::U32(slice) => (address(slice, device), Element::U32),
        CudaStorageSlice::U8(slice) => (address(slice, device), Element::U8),
        _ => bail!("found a tensor of another type than F32, BF16, U32 and U8"),
    })
}

/// The context of the device that a storage lies on.
pub(crate) fn context_of(storage: &CudaStorage) -> Result<Rc<Context>> {
    super::context::of(&storage.device)
}

/// New memory for an operation's result; what is in it is not defined.
pub(crate) struct Output {
    pub(crate) storage: CudaStorage,
    pub(crate) address: u64,
}

impl Output {
    /// Room for `len` numbers.
    pub(crate) fn new(device: &CudaDevice, element: Element, len: usize) -> Result<Self> {
        // SAFETY: an operation writes all of its result before anybody reads it.
        let storage = unsafe {
            match element {
                Element::F32 => CudaStorage::wrap_cuda_slice(device.alloc::<f32>(len)?, device.clone()),
                Element::Bf16 => CudaStorage::wrap_cuda_slice(device.alloc::<half::bf16>(len)?, device.clone()),
                other => bail!("no operation gives numbers of {other:?}"),
            }
        };
        let (address, _) = base(&storage)?;
        Ok(Self { storage, address })
    }
}
