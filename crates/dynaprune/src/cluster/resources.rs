//! What a task may use, as options name it.

use crate::failure::BadInput;
use anyhow::Result;

/// The seconds that an amount of time in Slurm's words stands for: `minutes`, `minutes:seconds`, `hours:minutes:seconds`,
/// `days-hours`, `days-hours:minutes`, `days-hours:minutes:seconds`.
///
/// # Errors
/// If it is none of these, or no time at all.
pub(crate) fn seconds(text: &str) -> Result<u64> {
    let wrong = || -> anyhow::Error {
        let message = format!("`--time`: expected an amount of time, found `{text}`");
        let hint = "`90` is minutes; `12:00:00` is hours, minutes and seconds; `2-00` is days and hours";
        BadInput::new(message).hint(hint).into()
    };
    let number = |text: &str| -> Result<u64> {
        let is_number = !text.is_empty() && text.len() <= 6 && text.bytes().all(|byte| byte.is_ascii_digit());
        is_number.then(|| text.parse().ok()).flatten().ok_or_else(wrong)
    };
    let (days, rest) = match text.split_once('-') {
        Some((days, rest)) => (Some(number(days)?), rest),
        None => (None, text),
    };
    let parts = rest.split(':').map(number).collect::<Result<Vec<u64>>>()?;
    // Without days a single number is minutes, with days it is hours.
    let (hours, minutes, seconds) = match (days, parts.as_slice()) {
        (None, &[minutes]) => (0, minutes, 0),
        (None, &[minutes, seconds]) => (0, minutes, seconds),
        (Some(_), &[hours]) => (hours, 0, 0),
        (Some(_), &[hours, minutes]) => (hours, minutes, 0),
        (_, &[hours, minutes, seconds]) => (hours, minutes, seconds),
        _ => return Err(wrong()),
    };
    let all = ((days.unwrap_or(0) * 24 + hours) * 60 + minutes) * 60 + seconds;
    if all == 0 { Err(wrong()) } else { Ok(all) }
}

/// An amount of memory in Slurm's words, `64G` or `4000` (MiB), in those of Kubernetes: `64Gi`, `4000Mi`.
///
/// # Errors
/// If it is not a whole number with one of K, M, G, T or nothing behind it.
pub(crate) fn memory(text: &str) -> Result<String> {
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let unit = match &text[digits.len()..] {
        "" | "M" => "Mi",
        "K" => "Ki",
        "G" => "Gi",
        "T" => "Ti",
        _ => "",
    };
    let is_number = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    if !is_number || unit.is_empty() || digits.bytes().all(|byte| byte == b'0') {
        let message = format!("`--mem`: expected an amount of memory, found `{text}`");
        return Err(BadInput::new(message).hint("`64G`, or `4000` for MiB").into());
    }
    Ok(format!("{digits}{unit}"))
}

/// A name that a scheduler knows, such as a partition's.
///
/// # Errors
/// If it is empty or has other characters than names have.
pub(crate) fn name(option: &str, text: &str) -> Result<()> {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "_-.,:=@+/".contains(c);
    if !text.is_empty() && !text.starts_with('-') && text.chars().all(is_plain) {
        return Ok(());
    }
    let message = format!("`{option}`: expected a name of letters, digits and `_-.,:=@+/`, found `{text}`");
    Err(BadInput::new(message).into())
}

/// Refuses what Kubernetes takes for no name: small letters, digits, `-` and `.`, the first and the last no mark.
pub(crate) fn kubernetes_name(option: &str, text: &str) -> Result<()> {
    let is_plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    let is_part = |part: &str| {
        let is_inner = |c: char| is_plain(c) || c == '-';
        part.starts_with(is_plain) && part.ends_with(is_plain) && part.chars().all(is_inner)
    };
    if text.len() <= 253 && text.split('.').all(is_part) {
        return Ok(());
    }
    let message = format!(
        "`{option}`: expected a name of Kubernetes (small letters and digits, `-` and `.` between them), found `{text}`"
    );
    Err(BadInput::new(message).into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_that_kubernetes_takes() {
        for name in ["results", "a.b-c2", "0"] {
            kubernetes_name("--claim", name).unwrap();
        }
        for name in ["", "A", "a_b", "-a", "a.", "a..b", "a.-b", "a b", &"a".repeat(254)] {
            assert!(kubernetes_name("--claim", name).is_err(), "{name}");
        }
    }

    /// The forms of `man sbatch`, `--time`.
    #[test]
    fn times_are_read_as_slurm_reads_them() {
        let minute = 60;
        let hour = 60 * minute;
        for (text, expected) in [
            ("90", 90 * minute),
            ("1:30", minute + 30),
            ("12:00:00", 12 * hour),
            ("2-00", 48 * hour),
            ("1-06:30", 30 * hour + 30 * minute),
            ("1-00:00:01", 24 * hour + 1),
        ] {
            assert_eq!(seconds(text).unwrap(), expected, "{text}");
        }
        for text in [
            "",
            "0",
            "1h",
            "1:2:3:4",
            "-1",
            "1-",
            "2 days",
            "1-1:1:1:1",
            "99999999999999999999",
        ] {
            let error = seconds(text).unwrap_err().to_string();
            assert!(
                error.starts_with(&format!("`--time`: expected an amount of time, found `{text}`")),
                "{error}"
            );
        }
    }

    #[test]
    fn memory_is_in_powers_of_two_in_both() {
        for (text, expected) in [
            ("64G", "64Gi"),
            ("4000", "4000Mi"),
            ("500M", "500Mi"),
            ("1T", "1Ti"),
            ("9K", "9Ki"),
        ] {
            assert_eq!(memory(text).unwrap(), expected);
        }
        for text in ["", "G", "64GB", "1.5G", "0", "-1", "64 G"] {
            assert!(memory(text).is_err(), "{text}");
        }
    }

    #[test]
    fn names_hold_no_white_space_and_no_options() {
        assert!(name("--partition", "gpu,a100_80-gb").is_ok());
        for text in ["", "a b", "--x", "a\"b", "a\nb"] {
            assert!(name("--partition", text).is_err(), "{text}");
        }
    }
}
