//! SIGTERM, SIGINT and SIGHUP (a terminal that closes): an order to keep what there is and to end.

use crate::failure::Stopped;
use anyhow::{Context as _, Result};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::flag;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Whether the process was asked to end.
#[derive(Clone, Default)]
pub(crate) struct Stop(Arc<AtomicBool>);

impl Stop {
    /// Listens from now on. A second interrupt ends the process at once.
    pub(crate) fn listen() -> Result<Self> {
        let stop = Self::default();
        let listen = || -> std::io::Result<()> {
            flag::register_conditional_shutdown(SIGINT, 130, stop.0.clone())?;
            flag::register(SIGINT, stop.0.clone())?;
            flag::register(SIGTERM, stop.0.clone())?;
            if !ignores_hangups() {
                flag::register(SIGHUP, stop.0.clone())?;
            }
            Ok(())
        };
        listen().context("cannot listen for signals")?;
        Ok(stop)
    }

    /// Whether to end.
    pub(crate) fn is_asked(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }

    /// An error that says so, if the process was asked to end.
    pub(crate) fn check(&self) -> Result<()> {
        match self.is_asked() {
            true => Err(Stopped.into()),
            false => Ok(()),
        }
    }
}

/// Whether the process was started to go on without its terminal, as with `nohup`. Only Linux tells.
fn ignores_hangups() -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let ignored = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    ignored
        .and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok())
        .is_none_or(|mask| mask >> (SIGHUP - 1) & 1 == 1)
}
