//! Other processes of this program that make runs of the same command: several on one GPU, or one on each of several GPUs.
//!
//! They claim runs as any other process does, so that nothing is made twice; this one waits for theirs, and draws.

use crate::machine;
use anyhow::{Context as _, Result};
use std::env;
use std::ffi::OsString;
use std::process::{Child, Command, Stdio};

/// The option that asks for them.
const OPTION: &str = "--jobs-per-gpu";

/// Processes that were started. Those that are left when this is dropped are asked to end.
pub(crate) struct Crew(Vec<Child>);

impl Crew {
    /// Starts so many processes that, with this one, each of `gpus` has `jobs`. This one has the first GPU.
    pub(crate) fn start(jobs: u32, gpus: usize) -> Result<Self> {
        let program = env::current_exe().context("cannot find this program")?;
        let arguments = of_others(env::args_os().skip(1));
        let mut crew = Self(Vec::new());
        // GPUs in turn: the first jobs to start are spread over all.
        for (job, gpu) in (0..jobs).flat_map(|job| (0..gpus).map(move |gpu| (job, gpu))).skip(1) {
            let mut command = Command::new(&program);
            command.args(&arguments).stdin(Stdio::null()).stdout(Stdio::null());
            if gpus > 1 {
                command.env("CUDA_VISIBLE_DEVICES", machine::visible_gpu(gpu));
            }
            let child = command.spawn();
            crew.0
                .push(child.with_context(|| format!("cannot start job {job} of GPU {gpu}"))?);
        }
        Ok(crew)
    }

    /// Waits until all have ended. What failed there is recorded as it is here.
    pub(crate) fn wait(mut self) -> Result<()> {
        for mut child in self.0.drain(..) {
            child.wait().context("cannot wait for another job")?;
        }
        Ok(())
    }
}

impl Drop for Crew {
    fn drop(&mut self) {
        for child in &mut self.0 {
            // They keep what they have and end, as this process does.
            let _ = Command::new("kill").args(["-TERM", &child.id().to_string()]).status();
        }
        for child in &mut self.0 {
            let _ = child.wait();
        }
    }
}

/// The arguments of the others: the same, without the option, with no figure to draw.
fn of_others(arguments: impl Iterator<Item = OsString>) -> Vec<OsString> {
    let mut others = Vec::new();
    let mut arguments = arguments;
    while let Some(argument) = arguments.next() {
        let text = argument.to_string_lossy();
        if text == OPTION {
            arguments.next();
        } else if !text.strip_prefix(OPTION).is_some_and(|rest| rest.starts_with('=')) {
            others.push(argument);
        }
    }
    for flag in ["--no-figure", "--quiet", "--untimed"] {
        if !others.iter().any(|argument| argument == flag) {
            others.push(flag.into());
        }
    }
    others
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_others_draw_nothing_and_start_no_others() {
        let of = |line: &str| {
            let others = of_others(line.split(' ').map(OsString::from));
            others
                .iter()
                .map(|argument| argument.to_string_lossy().into_owned())
                .collect::<Vec<_>>()
                .join(" ")
        };
        let expected = "reproduce fig1 --profile fast --no-figure --quiet --untimed";
        assert_eq!(of("reproduce fig1 --jobs-per-gpu 3 --profile fast"), expected);
        assert_eq!(of("reproduce fig1 --profile fast --jobs-per-gpu=3"), expected);
        assert_eq!(
            of("reproduce fig1 --profile fast --quiet"),
            "reproduce fig1 --profile fast --quiet --no-figure --untimed"
        );
    }
}
