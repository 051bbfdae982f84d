//! What this machine is.

use crate::cmd::reproduce::Device;
use crate::failure::BadInput;
use anyhow::Result;
use std::fs;
use std::num::NonZeroUsize;

/// Why this program cannot compute on a GPU, if it cannot.
pub(crate) fn without_cuda() -> Option<&'static str> {
    Some("this build has no CUDA support")
}

/// Refuses a device that is asked for by name and not there.
pub(crate) fn check_device(device: Device) -> Result<()> {
    match (device, without_cuda()) {
        (Device::Cuda, Some(reason)) => {
            let error = BadInput::new(format!("`--device cuda` is not possible: {reason}"));
            Err(error.hint("leave it out, or use `--device cpu`").into())
        }
        _ => Ok(()),
    }
}

/// Computes on so many threads, if a number is given. To be called before anything uses the pool.
pub(crate) fn use_threads(threads: Option<NonZeroUsize>) -> Result<()> {
    if let Some(threads) = threads {
        rayon::ThreadPoolBuilder::new()
            .num_threads(threads.get())
            .build_global()?;
    }
    Ok(())
}

/// The processor, as results name it: `cpu: Intel(R) Xeon(R) Platinum 8481C`, or only `cpu` where it does not tell.
pub(crate) fn cpu() -> String {
    let info = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = info
        .lines()
        .find_map(|line| line.strip_prefix("model name")?.split_once(':'));
    match model {
        Some((_, name)) => format!("cpu: {}", name.trim()),
        None => "cpu".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_processor_is_named() {
        let cpu = super::cpu();
        assert!(cpu == "cpu" || cpu.starts_with("cpu: ") && cpu.trim() == cpu, "{cpu}");
    }
}
