//! Other processes of this program that make runs of the same command: several on one GPU, or one on each of several GPUs.
//!
//! They claim runs as any other process does, so that nothing is made twice; this one waits for theirs, and draws.

use crate::failure::STOPPED;
use crate::machine;
use crate::signals::Stop;
use anyhow::{Context as _, Result, anyhow};
use std::env;
use std::ffi::OsString;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// The option that asks for them, and the one that says what computes. Others have neither: they are there for the GPU, and one
/// that cannot have it should make no runs on the CPU.
const OPTIONS: [&str; 2] = ["--jobs-per-gpu", "--device"];

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

    /// Waits until all have ended. A run that failed there is recorded as it is here.
    ///
    /// # Errors
    /// [`Stopped`](crate::failure::Stopped); if one has neither done what it could nor ended as it was told.
    pub(crate) fn wait(mut self, stop: &Stop) -> Result<()> {
        let mut lost = Vec::new();
        while let Some(child) = self.0.last_mut() {
            let Some(status) = child.try_wait().context("cannot wait for another job")? else {
                stop.check()?;
                std::thread::sleep(Duration::from_millis(50));
                continue;
            };
            // All was made, some runs failed, or it was to stop.
            let is_usual = status
                .code()
                .is_some_and(|code| [0, 1, i32::from(STOPPED)].contains(&code));
            if !is_usual {
                lost.push(format!("process {} ended with {status}", child.id()));
            }
            self.0.pop();
        }
        match lost.as_slice() {
            [] => Ok(()),
            lost => Err(anyhow!("jobs beside this one: {}", lost.join(", "))),
        }
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

/// The arguments of the others: the same, without the options, on a GPU, with no figure to draw.
fn of_others(arguments: impl Iterator<Item = OsString>) -> Vec<OsString> {
    let mut others = Vec::new();
    let mut arguments = arguments;
    while let Some(argument) = arguments.next() {
        let text = argument.to_string_lossy();
        let is_joined = |option: &str| text.strip_prefix(option).is_some_and(|rest| rest.starts_with('='));
        if OPTIONS.contains(&&*text) {
            arguments.next();
        } else if !OPTIONS.into_iter().any(is_joined) {
            others.push(argument);
        }
    }
    others.push("--device=cuda".into());
    for flag in ["--no-figure", "--quiet", "--untimed"] {
        let is_flag = |argument: &OsString| argument == flag || (flag == "--quiet" && argument == "-q");
        if !others.iter().any(is_flag) {
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
        let expected = "reproduce fig1 --profile fast --device=cuda --no-figure --quiet --untimed";
        assert_eq!(of("reproduce fig1 --jobs-per-gpu 3 --profile fast"), expected);
        assert_eq!(
            of("reproduce fig1 --device auto --profile fast --jobs-per-gpu=3"),
            expected
        );
        assert_eq!(
            of("reproduce fig1 --device=cuda --profile fast --jobs-per-gpu=3"),
            expected
        );
        assert_eq!(
            of("reproduce fig1 --profile fast --quiet"),
            "reproduce fig1 --profile fast --quiet --device=cuda --no-figure --untimed"
        );
        // A flag that is given twice is refused.
        assert_eq!(
            of("reproduce fig1 -q --jobs-per-gpu 2"),
            "reproduce fig1 -q --device=cuda --no-figure --untimed"
        );
    }

    #[test]
    #[cfg(unix)]
    fn a_job_that_was_lost_is_told() {
        let crew = |scripts: &[&str]| {
            let start = |script: &&str| Command::new("sh").args(["-c", script]).spawn().unwrap();
            Crew(scripts.iter().map(start).collect())
        };
        crew(&["exit 0", "exit 1", "exit 75"]).wait(&Stop::default()).unwrap();
        let error = crew(&["exit 0", "exit 2", "kill -9 $$"]).wait(&Stop::default());
        let text = error.unwrap_err().to_string();
        assert!(text.contains("exit status: 2") && text.contains("signal: 9"), "{text}");
    }
}
