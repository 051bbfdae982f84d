//! A part of the runs of a recipe, so that several machines share them without talking to each other.

use std::str::FromStr;

/// The part `index` of `parts`, from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Shard {
    index: u64,
    parts: u64,
}

impl Shard {
    /// Whether the run with this id, which is a hash in hexadecimal, is in the part.
    pub(crate) fn has(self, id: &str) -> bool {
        let hash = u64::from_str_radix(id.get(..16).unwrap_or(id), 16).unwrap_or(0);
        hash % self.parts == self.index - 1
    }
}

impl FromStr for Shard {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || "expected `i/n` with i from 1 to n, such as `2/8`".to_owned();
        let (index, parts) = text.split_once('/').ok_or_else(wrong)?;
        let (index, parts) = (index.parse().map_err(|_| wrong())?, parts.parse().map_err(|_| wrong())?);
        match (1..=parts).contains(&index) {
            true => Ok(Self { index, parts }),
            false => Err(wrong()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_run_is_in_one_part() {
        let shards: Vec<Shard> = (1..=3).map(|i| format!("{i}/3").parse().unwrap()).collect();
        let mut sizes = [0; 3];
        for seed in 0..300u64 {
            let id = format!("{:016x}", seed.wrapping_mul(0x9e37_79b9_7f4a_7c15));
            let of: Vec<usize> = (0..3).filter(|&i| shards[i].has(&id)).collect();
            assert_eq!(of.len(), 1);
            sizes[of[0]] += 1;
        }
        assert!(sizes.iter().all(|&size| size > 70), "{sizes:?}");
    }

    #[test]
    fn what_is_no_part_is_refused() {
        for text in ["", "1", "0/2", "3/2", "1/0", "a/b", "-1/2", "1/2/3"] {
            assert!(text.parse::<Shard>().is_err(), "{text}");
        }
    }
}
