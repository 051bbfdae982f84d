//! What went wrong, and the exit code that says so.

use std::io;
use std::path::Path;
use std::process::ExitCode;

/// The exit code of a command that asks for what cannot be, as of the binary.
const USAGE: u8 = 2;

/// Why a command ends early.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) message: String,
    pub(crate) code: ExitCode,
}

impl Failure {
    pub(crate) fn new(message: String) -> Self {
        Self {
            message,
            code: ExitCode::FAILURE,
        }
    }

    /// The command asks for what cannot be.
    pub(crate) fn usage(message: String) -> Self {
        Self {
            message,
            code: ExitCode::from(USAGE),
        }
    }

    pub(crate) fn io(what: &str, path: &Path, error: &io::Error) -> Self {
        Self::new(format!("cannot {what} `{}`: {error}", path.display()))
    }
}
