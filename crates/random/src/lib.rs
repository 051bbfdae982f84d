//! Counter-based random numbers.
//!
//! Every draw of the project is named by four values: the run's seed, a [`Purpose`], a step
//! (usually an epoch or a selection round) and, where draws belong to samples, the sample's index.
//! Nothing depends on how many numbers somebody else drew before, on batch order or on the number
//! of threads, so a run is a function of its spec and its seed.
//!
//! The generator is ChaCha with 8 rounds (`rand_chacha`, whose output is frozen): the key holds the
//! seed and the purpose, the stream number is the step, and each sample owns the 64-byte blocks
//! from its own position on.
//!
//! ```
//! use dynaprune_random::{Purpose, Stream};
//!
//! const SHUFFLE: Purpose = Purpose::new("shuffle");
//! let order = Stream::new(7, SHUFFLE, 0).permutation(5);
//! assert_eq!(order, Stream::new(7, SHUFFLE, 0).permutation(5));
//! assert_ne!(order, Stream::new(7, SHUFFLE, 1).permutation(5));
//! ```
#![deny(missing_docs)]
#![forbid(unsafe_code)]

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng as _, SeedableRng};

/// The 32-bit words of one ChaCha block.
const BLOCK_WORDS: u128 = 16;

/// What a stream of random numbers is for; two purposes never share numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Purpose([u8; 24]);

impl Purpose {
    /// Names a purpose. The name is part of the key, so it must have 1 to 24 bytes.
    ///
    /// # Panics
    /// If the name is empty or longer than 24 bytes; in a `const` this is a compile error.
    #[must_use]
    pub const fn new(name: &str) -> Self {
        let bytes = name.as_bytes();
        assert!(!bytes.is_empty() && bytes.len() <= 24, "a purpose has 1 to 24 bytes");
        let mut key = [0; 24];
        let mut i = 0;
        while i < bytes.len() {
            key[i] = bytes[i];
            i += 1;
        }
        Self(key)
    }
}

/// A sequence of random numbers.
#[derive(Clone, Debug)]
pub struct Stream(ChaCha8Rng);

impl Stream {
    /// The stream of `seed`, `purpose` and `step`, at its beginning.
    #[must_use]
    pub fn new(seed: u64, purpose: Purpose, step: u64) -> Self {
        let mut key = [0; 32];
        key[..8].copy_from_slice(&seed.to_le_bytes());
        key[8..].copy_from_slice(&purpose.0);
        let mut rng = ChaCha8Rng::from_seed(key);
        rng.set_stream(step);
        Self(rng)
    }

    /// The same stream from the block that `sample` owns on: the draws of one sample, 16 words at
    /// most before they would run into those of the next.
    #[must_use]
    pub fn at(seed: u64, purpose: Purpose, step: u64, sample: u64) -> Self {
        let mut stream = Self::new(seed, purpose, step);
        stream.0.set_word_pos(u128::from(sample) * BLOCK_WORDS);
        stream
    }

    /// Moves to 64-bit word `index`: after it, [`Self::next_u64`] gives the word of that index.
    pub fn seek_u64(&mut self, index: u64) {
        self.0.set_word_pos(u128::from(index) * 2);
    }

    /// The next 32 random bits.
    pub fn next_u32(&mut self) -> u32 {
        self.0.next_u32()
    }

    /// The next 64 random bits.
    pub fn next_u64(&mut self) -> u64 {
        self.0.next_u64()
    }

    /// Uniform in `[0, 1)`, a multiple of 2^-24.
    pub fn uniform_f32(&mut self) -> f32 {
        (self.next_u32() >> 8) as f32 * (1.0 / (1u32 << 24) as f32)
    }

    /// Uniform in `[0, 1)`, a multiple of 2^-53.
    pub fn uniform_f64(&mut self) -> f64 {
        (self.next_u64() >> 11) as f64 * (1.0 / (1u64 << 53) as f64)
    }

    /// Uniform in `0..bound` without bias (Lemire 2019, "Fast random integer generation in an
    /// interval"); 0 if `bound` is 0.
    pub fn below(&mut self, bound: u32) -> u32 {
        let mut product = u64::from(self.next_u32()) * u64::from(bound);
        if (product as u32) < bound {
            let threshold = bound.wrapping_neg() % bound;
            while (product as u32) < threshold {
                product = u64::from(self.next_u32()) * u64::from(bound);
            }
        }
        (product >> 32) as u32
    }

    /// A standard normal number (Box-Muller, the cosine half).
    pub fn normal_f64(&mut self) -> f64 {
        let radius = (-2.0 * (1.0 - self.uniform_f64()).ln()).sqrt();
        radius * (std::f64::consts::TAU * self.uniform_f64()).cos()
    }

    /// Shuffles in place (Fisher-Yates, from the end).
    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        for i in (1..items.len()).rev() {
            let j = self.below(i as u32 + 1) as usize;
            items.swap(i, j);
        }
    }

    /// A uniformly random order of `0..n`.
    #[must_use]
    pub fn permutation(mut self, n: u32) -> Vec<u32> {
        let mut order: Vec<u32> = (0..n).collect();
        self.shuffle(&mut order);
        order
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const TEST: Purpose = Purpose::new("test");

    /// ChaCha8, all-zero key and stream: the first bytes of eSTREAM's published keystream
    /// (draft-strombergson-chacha-test-vectors-01, TC1, 256-bit key, 8 rounds).
    #[test]
    fn agrees_with_the_published_keystream() {
        let mut rng = ChaCha8Rng::from_seed([0; 32]);
        assert_eq!(rng.next_u32().to_le_bytes(), [0x3e, 0x00, 0xef, 0x2f]);
        assert_eq!(rng.next_u32().to_le_bytes(), [0x89, 0x5f, 0x40, 0xd6]);
    }

    #[test]
    fn streams_differ_by_every_part_of_their_name() {
        let first = |mut s: Stream| s.next_u64();
        let base = first(Stream::at(1, TEST, 2, 3));
        assert_eq!(base, first(Stream::at(1, TEST, 2, 3)));
        assert_ne!(base, first(Stream::at(2, TEST, 2, 3)));
        assert_ne!(base, first(Stream::at(1, Purpose::new("other"), 2, 3)));
        assert_ne!(base, first(Stream::at(1, TEST, 3, 3)));
        assert_ne!(base, first(Stream::at(1, TEST, 2, 4)));
    }

    #[test]
    fn seeking_lands_on_the_same_words() {
        let mut stream = Stream::new(5, TEST, 9);
        let words: Vec<u64> = (0..40).map(|_| stream.next_u64()).collect();
        for i in [0u64, 1, 7, 8, 9, 39] {
            stream.seek_u64(i);
            assert_eq!(stream.next_u64(), words[i as usize]);
        }
        assert_eq!(Stream::at(5, TEST, 9, 2).next_u64(), words[16]);
    }

    /// 60,000 draws below 6: chi-square with 5 degrees of freedom stays under its 99.99 % point.
    #[test]
    fn below_is_uniform() {
        let mut stream = Stream::new(11, TEST, 0);
        let mut counts = [0f64; 6];
        for _ in 0..60_000 {
            counts[stream.below(6) as usize] += 1.0;
        }
        let chi2: f64 = counts.iter().map(|c| (c - 1e4).powi(2) / 1e4).sum();
        assert!(chi2 < 25.7, "chi-square {chi2}");
    }

    #[test]
    fn normal_has_the_right_moments() {
        let mut stream = Stream::new(3, TEST, 0);
        let draws: Vec<f64> = (0..100_000).map(|_| stream.normal_f64()).collect();
        let n = draws.len() as f64;
        let mean = draws.iter().sum::<f64>() / n;
        let variance = draws.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / n;
        let fourth = draws.iter().map(|x| (x - mean).powi(4)).sum::<f64>() / n;
        assert!(mean.abs() < 0.015, "{mean}");
        assert!((variance - 1.0).abs() < 0.02, "{variance}");
        assert!((fourth - 3.0).abs() < 0.15, "{fourth}");
    }

    proptest! {
        #[test]
        fn a_permutation_holds_each_index_once(seed: u64, n in 0u32..300) {
            let mut order = Stream::new(seed, TEST, 0).permutation(n);
            order.sort_unstable();
            prop_assert_eq!(order, (0..n).collect::<Vec<_>>());
        }

        #[test]
        fn below_stays_below(seed: u64, bound in 1u32..) {
            let mut stream = Stream::new(seed, TEST, 0);
            for _ in 0..16 {
                prop_assert!(stream.below(bound) < bound);
            }
        }
    }
}
