//! Comma-separated values.

/// A field, quoted where needed (RFC 4180).
#[must_use]
pub fn field(text: &str) -> String {
    match text.contains([',', '"', '\n', '\r']) {
        true => format!("\"{}\"", text.replace('"', "\"\"")),
        false => text.to_owned(),
    }
}
