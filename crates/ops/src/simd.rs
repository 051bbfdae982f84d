//! Which vector instructions the processor has, and the few operations the kernels need of them.
//!
//! Kernels are written once, generic over `Vector`, and instantiated for each instruction set
//! (`instances!`); plain loops are compiled once for each (`dispatch!`). The choice is made at run
//! time, once per process.

use std::sync::OnceLock;

/// The instruction sets with a kernel of their own, best last.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// Plain Rust, whatever the processor.
    Portable,
    /// x86-64 with AVX2 and FMA: 8 lanes, 16 registers.
    Avx2,
    /// x86-64 with AVX-512 F, VL, BW and DQ: 16 lanes, 32 registers.
    Avx512,
}

impl Level {
    /// The best level of this processor. `DYNAPRUNE_SIMD=portable|avx2|avx512` lowers it, so that
    /// each kernel can be tested on one machine; it never raises it.
    #[must_use]
    pub fn detect() -> Self {
        static LEVEL: OnceLock<Level> = OnceLock::new();
        *LEVEL.get_or_init(|| {
            let asked = Self::asked().ok().flatten();
            asked.unwrap_or(Self::Avx512).min(Self::of_processor())
        })
    }

    /// The level that `DYNAPRUNE_SIMD` asks for, if it is set.
    ///
    /// # Errors
    /// What it is set to, if that is no level.
    pub fn asked() -> Result<Option<Self>, String> {
        let Some(asked) = std::env::var_os("DYNAPRUNE_SIMD") else {
            return Ok(None);
        };
        match asked.to_str() {
            Some("portable") => Ok(Some(Self::Portable)),
            Some("avx2") => Ok(Some(Self::Avx2)),
            Some("avx512") => Ok(Some(Self::Avx512)),
            _ => Err(asked.to_string_lossy().into_owned()),
        }
    }

    /// Whether `DYNAPRUNE_SIMD` lowers the level of this processor.
    #[must_use]
    pub fn is_lowered() -> bool {
        Self::detect() < Self::of_processor()
    }

    #[cfg(target_arch = "x86_64")]
    fn of_processor() -> Self {
        let avx2 = is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma");
        let avx512 = is_x86_feature_detected!("avx512f")
            && is_x86_feature_detected!("avx512vl")
            && is_x86_feature_detected!("avx512bw")
            && is_x86_feature_detected!("avx512dq");
        match (avx2, avx512) {
            (true, true) => Self::Avx512,
            (true, false) => Self::Avx2,
            _ => Self::Portable,
        }
    }

    #[cfg(not(target_arch = "x86_64"))]
    fn of_processor() -> Self {
        Self::Portable
    }
}

/// Asks for the cache line at `p`, which need not be good.
#[inline(always)]
pub(crate) fn prefetch(p: *const f32) {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: a prefetch reads nothing, and every x86-64 has it.
    unsafe {
        std::arch::x86_64::_mm_prefetch::<{ std::arch::x86_64::_MM_HINT_T0 }>(p.cast());
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = p;
}

/// A register of `f32` lanes.
pub(crate) trait Vector: Copy {
    /// Lanes in a register.
    const LANES: usize;
    /// The instruction set.
    const LEVEL: Level;

    /// All lanes zero.
    ///
    /// # Safety
    /// The processor has the instruction set of the type, as for all methods of this trait.
    unsafe fn zero() -> Self;

    /// The `LANES` numbers at `p`, at any alignment.
    ///
    /// # Safety
    /// `p` may be read for `LANES` numbers.
    unsafe fn load(p: *const f32) -> Self;

    /// The number at `p` in every lane.
    ///
    /// # Safety
    /// `p` may be read.
    unsafe fn splat(p: *const f32) -> Self;

    /// Writes the lanes to `p`, at any alignment.
    ///
    /// # Safety
    /// `p` may be written for `LANES` numbers.
    unsafe fn store(self, p: *mut f32);

    /// `self + a * b`.
    ///
    /// # Safety
    /// As [`Vector::zero`].
    unsafe fn add_product(self, a: Self, b: Self) -> Self;

    /// `self + a`.
    ///
    /// # Safety
    /// As [`Vector::zero`].
    unsafe fn add(self, a: Self) -> Self;

    /// `self - a`.
    ///
    /// # Safety
    /// As [`Vector::zero`].
    unsafe fn sub(self, a: Self) -> Self;

    /// `factor * self`.
    ///
    /// # Safety
    /// As [`Vector::zero`].
    unsafe fn times(self, factor: f32) -> Self;

    /// `number` in every lane.
    ///
    /// # Safety
    /// As [`Vector::zero`].
    #[inline(always)]
    unsafe fn of(number: f32) -> Self {
        // SAFETY: passed on to the caller.
        unsafe { Self::splat(&raw const number) }
    }
}

/// Eight lanes in plain Rust; products are rounded before they are added.
#[derive(Clone, Copy)]
pub(crate) struct Portable([f32; 8]);

// SAFETY of the bodies: each reads or writes just the lanes that the trait's contract allows.
impl Vector for Portable {
    const LANES: usize = 8;
    const LEVEL: Level = Level::Portable;

    #[inline(always)]
    unsafe fn zero() -> Self {
        Self([0.0; 8])
    }

    #[inline(always)]
    unsafe fn load(p: *const f32) -> Self {
        // SAFETY: the caller lets `LANES` numbers at `p` be read.
        Self(unsafe { p.cast::<[f32; 8]>().read_unaligned() })
    }

    #[inline(always)]
    unsafe fn splat(p: *const f32) -> Self {
        // SAFETY: the caller lets `p` be read.
        Self([unsafe { *p }; 8])
    }

    #[inline(always)]
    unsafe fn store(self, p: *mut f32) {
        // SAFETY: the caller lets `LANES` numbers at `p` be written.
        unsafe { p.cast::<[f32; 8]>().write_unaligned(self.0) }
    }

    #[inline(always)]
    unsafe fn add_product(mut self, a: Self, b: Self) -> Self {
        for i in 0..8 {
            self.0[i] += a.0[i] * b.0[i];
        }
        self
    }

    #[inline(always)]
    unsafe fn add(mut self, a: Self) -> Self {
        for i in 0..8 {
            self.0[i] += a.0[i];
        }
        self
    }

    #[inline(always)]
    unsafe fn sub(mut self, a: Self) -> Self {
        for i in 0..8 {
            self.0[i] -= a.0[i];
        }
        self
    }

    #[inline(always)]
    unsafe fn times(mut self, factor: f32) -> Self {
        for x in &mut self.0 {
            *x *= factor;
        }
        self
    }
}

#[cfg(target_arch = "x86_64")]
pub(crate) use x86::{Avx2, Avx512};

#[cfg(target_arch = "x86_64")]
mod x86 {
    use super::{Level, Vector};
    use std::arch::x86_64::*;

    /// Eight lanes, fused multiply-add.
    #[derive(Clone, Copy)]
    pub(crate) struct Avx2(__m256);

    /// Sixteen lanes, fused multiply-add.
    #[derive(Clone, Copy)]
    pub(crate) struct Avx512(__m512);

    macro_rules! vector {
        ($name:ident, $lanes:literal, $zero:ident, $load:ident, $splat:ident, $store:ident, $fma:ident, $add:ident, $sub:ident, $mul:ident) => {
            // SAFETY of the bodies: the trait's contract gives the instruction set and the memory.
            impl Vector for $name {
                const LANES: usize = $lanes;
                const LEVEL: Level = Level::$name;

                #[inline(always)]
                unsafe fn zero() -> Self {
                    // SAFETY: the instruction set is there.
                    Self(unsafe { $zero() })
                }

                #[inline(always)]
                unsafe fn load(p: *const f32) -> Self {
                    // SAFETY: `LANES` numbers may be read, at any alignment.
                    Self(unsafe { $load(p) })
                }

                #[inline(always)]
                unsafe fn splat(p: *const f32) -> Self {
                    // SAFETY: `p` may be read.
                    Self(unsafe { $splat(*p) })
                }

                #[inline(always)]
                unsafe fn store(self, p: *mut f32) {
                    // SAFETY: `LANES` numbers may be written, at any alignment.
                    unsafe { $store(p, self.0) }
                }

                #[inline(always)]
                unsafe fn add_product(self, a: Self, b: Self) -> Self {
                    // SAFETY: the instruction set is there.
                    Self(unsafe { $fma(a.0, b.0, self.0) })
                }

                #[inline(always)]
                unsafe fn add(self, a: Self) -> Self {
                    // SAFETY: the instruction set is there.
                    Self(unsafe { $add(self.0, a.0) })
                }

                #[inline(always)]
                unsafe fn sub(self, a: Self) -> Self {
                    // SAFETY: the instruction set is there.
                    Self(unsafe { $sub(self.0, a.0) })
                }

                #[inline(always)]
                unsafe fn times(self, factor: f32) -> Self {
                    // SAFETY: the instruction set is there.
                    Self(unsafe { $mul(self.0, Self::of(factor).0) })
                }
            }
        };
    }

    vector!(
        Avx2,
        8,
        _mm256_setzero_ps,
        _mm256_loadu_ps,
        _mm256_set1_ps,
        _mm256_storeu_ps,
        _mm256_fmadd_ps,
        _mm256_add_ps,
        _mm256_sub_ps,
        _mm256_mul_ps
    );
    vector!(
        Avx512,
        16,
        _mm512_setzero_ps,
        _mm512_loadu_ps,
        _mm512_set1_ps,
        _mm512_storeu_ps,
        _mm512_fmadd_ps,
        _mm512_add_ps,
        _mm512_sub_ps,
        _mm512_mul_ps
    );
}

/// Compiles a safe, vectorisable function once per instruction set and calls the best one.
///
/// The body is plain Rust without `mul_add`, so every level gives the same bits.
macro_rules! dispatch {
    ($(#[$doc:meta])* $vis:vis fn $name:ident($($arg:ident: $ty:ty),* $(,)?) $(-> $ret:ty)? $body:block) => {
        $(#[$doc])*
        $vis fn $name($($arg: $ty),*) $(-> $ret)? {
            #[inline(always)]
            fn body($($arg: $ty),*) $(-> $ret)? $body

            #[cfg(target_arch = "x86_64")]
            {
                #[target_feature(enable = "avx512f,avx512vl,avx512bw,avx512dq")]
                fn avx512($($arg: $ty),*) $(-> $ret)? {
                    body($($arg),*)
                }
                #[target_feature(enable = "avx2,fma")]
                fn avx2($($arg: $ty),*) $(-> $ret)? {
                    body($($arg),*)
                }
                match $crate::simd::Level::detect() {
                    // SAFETY: `detect` found the instruction set.
                    $crate::simd::Level::Avx512 => return unsafe { avx512($($arg),*) },
                    // SAFETY: `detect` found the instruction set.
                    $crate::simd::Level::Avx2 => return unsafe { avx2($($arg),*) },
                    $crate::simd::Level::Portable => {}
                }
            }
            body($($arg),*)
        }
    };
}
pub(crate) use dispatch;

/// Instantiates functions that are generic over [`Vector`] for each instruction set: `fn name(level, arguments)` calls
/// `name::<V>(arguments)` of module `generic` with the registers of `level`.
macro_rules! instances {
    ($($(#[$doc:meta])* fn $name:ident($($arg:ident: $ty:ty),* $(,)?);)*) => {
        $(
            $(#[$doc])*
            ///
            /// # Safety
            /// That of the generic function, but for the instruction set, which is checked.
            #[allow(clippy::too_many_arguments)] // The level comes on top.
            unsafe fn $name(level: $crate::simd::Level, $($arg: $ty),*) {
                assert!(level <= $crate::simd::Level::detect(), "the processor lacks {level:?}");
                #[cfg(target_arch = "x86_64")]
                {
                    #[target_feature(enable = "avx512f,avx512vl,avx512bw,avx512dq")]
                    unsafe fn avx512($($arg: $ty),*) {
                        // SAFETY: passed on to the caller.
                        unsafe { generic::$name::<$crate::simd::Avx512>($($arg),*) }
                    }
                    #[target_feature(enable = "avx2,fma")]
                    unsafe fn avx2($($arg: $ty),*) {
                        // SAFETY: passed on to the caller.
                        unsafe { generic::$name::<$crate::simd::Avx2>($($arg),*) }
                    }
                    match level {
                        // SAFETY: the instruction set was found; the rest is passed on to the caller.
                        $crate::simd::Level::Avx512 => return unsafe { avx512($($arg),*) },
                        // SAFETY: as above.
                        $crate::simd::Level::Avx2 => return unsafe { avx2($($arg),*) },
                        $crate::simd::Level::Portable => {}
                    }
                }
                // SAFETY: passed on to the caller.
                unsafe { generic::$name::<$crate::simd::Portable>($($arg),*) }
            }
        )*
    };
}
pub(crate) use instances;
