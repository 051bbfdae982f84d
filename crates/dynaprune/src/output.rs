//! Text for stdout, which may be a pipe that is closed early.

use anyhow::Result;
use std::io::{ErrorKind, Write as _, stdout};

/// Writes `text`. Whoever closed the pipe has seen enough.
pub(crate) fn print(text: &str) -> Result<()> {
    let mut out = stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
        result => Ok(result?),
    }
}
