//! How much memory this process uses.

use std::fs;

/// Bytes that are resident now; `None` where the system does not tell.
pub(super) fn resident() -> Option<u64> {
    field(&fs::read_to_string("/proc/self/status").ok()?, "VmRSS:")
}

/// Bytes that were resident at the peak.
pub(super) fn peak() -> Option<u64> {
    field(&fs::read_to_string("/proc/self/status").ok()?, "VmHWM:")
}

/// From here on the peak is counted anew. Where the system cannot do that, the peak of the start stays in it, which is
/// small.
pub(super) fn forget_peak() {
    let _ = fs::write("/proc/self/clear_refs", "5");
}

fn field(status: &str, name: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix(name))?;
    let kilobytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(1024 * kilobytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_is_read_in_bytes() {
        let status = "Name:\tcat\nVmHWM:\t    1792 kB\nVmRSS:\t    1790 kB\n";
        assert_eq!(field(status, "VmHWM:"), Some(1792 * 1024));
        assert_eq!(field(status, "VmSwap:"), None);
    }
}
