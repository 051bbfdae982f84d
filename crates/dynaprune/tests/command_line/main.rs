//! The program as a user meets it: run in a folder of its own, with recipes of a few seconds.

mod bench;
#[cfg(target_os = "linux")]
mod cluster;
mod data;
mod folder;
mod new;
mod own_scores;
mod report;
mod reproduce;
mod requests;
mod runs;
mod schema;
mod scores;
