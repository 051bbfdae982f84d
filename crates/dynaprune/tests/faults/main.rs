//! Sweeps that are killed, stopped, starved of disk and damaged, and what is left in the end.
//!
//! `DYNAPRUNE_KILLS=200 cargo test --release --test faults` kills more often than the gate does; what that gave is in
//! `docs/reliability.md`.
#![cfg(target_os = "linux")]

mod kills;
mod places;
mod signals;
mod sweep;
