//! SIGTERM and SIGINT: an order to keep what there is and to end.

use crate::failure::Stopped;
use anyhow::{Context as _, Result};
use signal_hook::consts::{SIGINT, SIGTERM};
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
