//! The verbs.

pub(crate) mod bench;
pub(crate) mod cuda_check;
pub(crate) mod data;
pub(crate) mod new;
pub(crate) mod report;
pub(crate) mod reproduce;
pub(crate) mod runs;
pub(crate) mod schema;
pub(crate) mod score;
pub(crate) mod scores;
pub(crate) mod status;
pub(crate) mod submit;
#[cfg(target_os = "linux")]
pub(crate) mod test_slurm;
