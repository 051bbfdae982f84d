//! What this machine is.

use std::fs;

/// Why this program cannot compute on a GPU, if it cannot.
pub(crate) fn without_cuda() -> Option<&'static str> {
    Some("this build has no CUDA support")
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
