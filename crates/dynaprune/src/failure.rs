//! How a failure is shown, and the exit code it ends with.

use std::fmt;
use std::io::{IsTerminal as _, stderr};
use std::process::ExitCode;

/// Something in the request itself that cannot be served: exit code 2, where all other failures have 1.
#[derive(Debug)]
pub(crate) struct BadInput {
    message: String,
    hint: Option<String>,
}

impl BadInput {
    pub(crate) fn new(message: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            hint: None,
        }
    }

    /// Adds what may help.
    pub(crate) fn hint(self, hint: impl Into<String>) -> Self {
        Self {
            hint: Some(hint.into()),
            ..self
        }
    }
}

impl fmt::Display for BadInput {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)?;
        match &self.hint {
            Some(hint) => write!(f, "\n\nhint: {hint}"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for BadInput {}

/// The process was asked to end, and has kept what there was: exit code 75 (EX_TEMPFAIL), on which a scheduler may start it
/// again.
#[derive(Debug)]
pub(crate) struct Stopped;

/// The exit code of [`Stopped`].
pub(crate) const STOPPED: u8 = 75;

impl fmt::Display for Stopped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("stopped as asked: what was finished and the state of what was not are kept\n\n")?;
        f.write_str("hint: the same command goes on from here")
    }
}

impl std::error::Error for Stopped {}

/// The device can compute nothing more in this process. What it was at is not kept as failed: others make it.
#[derive(Debug)]
pub(crate) struct DeviceLost {
    /// What was being made, and how that ended.
    pub(crate) run: String,
    pub(crate) device: String,
    /// What the device answers.
    pub(crate) reason: String,
}

impl fmt::Display for DeviceLost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { run, device, reason } = self;
        write!(
            f,
            "{run}\n\n`{device}` can compute nothing more in this process: {reason}\n\n"
        )?;
        f.write_str("hint: the run is not kept as failed; the same command makes it, from its last checkpoint on")
    }
}

impl std::error::Error for DeviceLost {}

/// Prints the error to stderr.
pub(crate) fn report(error: &anyhow::Error) -> ExitCode {
    // The messages of our crates name their cause already.
    eprintln!("{} {error}", paint("error:", "1;31"));
    if error.is::<Stopped>() {
        ExitCode::from(STOPPED)
    } else if error.is::<BadInput>() || error.is::<dynaprune_spec::Error>() {
        ExitCode::from(2)
    } else {
        ExitCode::FAILURE
    }
}

/// `text` in an ANSI style where stderr shows it.
pub(crate) fn paint(text: &str, style: &str) -> String {
    let unwanted = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    let unable = !stderr().is_terminal() || std::env::var_os("TERM").is_some_and(|term| term == "dumb");
    if unwanted || unable {
        text.to_owned()
    } else {
        format!("\x1b[{style}m{text}\x1b[0m")
    }
}
