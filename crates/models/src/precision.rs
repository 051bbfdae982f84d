//! What numbers a network computes with.

use candle_core::DType;

/// The numbers of activations and products. Parameters, momentum, statistics and sums are always 32-bit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Precision {
    /// 32-bit throughout.
    #[default]
    F32,
    /// 32-bit, but the factors of convolutions are rounded to 10 bits (TF32). GPUs only.
    Tf32,
    /// Activations, their gradients and the factors of all products in bfloat16. GPUs only.
    Bf16,
}

impl Precision {
    /// What a CPU can do.
    #[must_use]
    pub fn runs_on_cpu(self) -> bool {
        self == Self::F32
    }

    pub(crate) fn activations(self) -> DType {
        match self {
            Self::F32 | Self::Tf32 => DType::F32,
            Self::Bf16 => DType::BF16,
        }
    }
}
