//! `test-slurm`: a grid on a Slurm of our own, disturbed on the way, must give what a run on this machine gives.
//!
//! Everything is in one temporary folder: the configuration, the key, the sockets, the daemons' states, both results. The machine's
//! own Slurm, if it has one, sees none of it. A single node runs two tasks at a time; while they run, one is warned as before the end
//! of its time, others are requeued, the node daemon is killed alone, and then with all tasks as when a node fails.

mod compare;
mod daemons;

use crate::cluster::slurm;
use crate::failure::BadInput;
use crate::workspace::Workspace;
use anyhow::{Result, anyhow, bail};
use daemons::Daemons;
use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

/// The options of `test-slurm`.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// The recipe
    #[arg(default_value = "fig1")]
    recipe: String,
    /// The profile
    #[arg(long, value_name = "NAME", default_value = "smoke")]
    profile: String,
    /// Repetitions
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=1000))]
    seeds: u32,
    /// Seconds after which a grid that is not done has failed
    #[arg(long, value_name = "SECONDS", default_value_t = 300)]
    limit: u64,
}

/// What is done to tasks while they run, in this order.
const DISTURBANCES: &[Disturbance] = &[
    Disturbance::Requeue,
    Disturbance::Warn,
    Disturbance::KillDaemon,
    Disturbance::Requeue,
    Disturbance::LoseNode,
    Disturbance::Requeue,
];

#[derive(Clone, Copy, Debug, PartialEq)]
enum Disturbance {
    /// The administrator's `scontrol requeue`, as preemption does it.
    Requeue,
    /// The signal shortly before the end of a task's time.
    Warn,
    /// SIGKILL for the node's daemon; its tasks go on, and a new daemon finds them.
    KillDaemon,
    /// SIGKILL for all that runs on the node.
    LoseNode,
}

/// The tested grid, and where it is.
struct Bench<'a> {
    args: &'a Args,
    program: PathBuf,
    root: PathBuf,
    folder: PathBuf,
    configuration: PathBuf,
}

/// Runs the verb.
pub(crate) fn run(args: &Args) -> Result<()> {
    let clock = Instant::now();
    let workspace = Workspace::find()?;
    if args.profile.ends_with(".toml") {
        return Err(BadInput::new("`--profile`: expected the name of a profile, found a path").into());
    }
    let mut daemons = Daemons::start()?;
    say(&clock, "a Slurm of one node is up");
    let bench = Bench {
        args,
        program: std::env::current_exe()?,
        root: crate::cluster::grid::absolute(workspace.root())?,
        folder: daemons.folder().to_owned(),
        configuration: daemons.configuration(),
    };
    let result = bench.run(&mut daemons, &clock);
    if let Err(error) = result {
        return Err(anyhow!("{error}\n\n{}", bench.evidence(&daemons)));
    }
    say(&clock, "passed");
    Ok(())
}

fn say(clock: &Instant, what: &str) {
    eprintln!("[{:5.1} s] {what}", clock.elapsed().as_secs_f64());
}

impl Bench<'_> {
    fn run(&self, daemons: &mut Daemons, clock: &Instant) -> Result<()> {
        let (local, shared) = (self.results("local"), self.results("on the cluster"));
        self.call(
            "reproduce",
            &["--untimed", "--quiet", "--docs"],
            &self.folder.join("docs"),
            &local,
        )?;
        say(clock, "made the grid on this machine");
        let scheduler = [
            "--scheduler",
            "slurm",
            "--untimed",
            "--time",
            "30",
            "--grace",
            "60",
            "--data-dir",
        ];
        self.call("submit", &scheduler, &self.folder.join("no data"), &shared)?;
        self.disturb(daemons, clock)?;
        say(clock, "no task is left");

        self.call(
            "reproduce",
            &["--no-runs", "--quiet", "--docs"],
            &self.folder.join("docs"),
            &shared,
        )?;
        let count = compare::same(&local, &shared, &self.args.profile)?;
        say(
            clock,
            &format!("{count} runs are the same, in every column that does not say when and where"),
        );
        self.check_logs(clock)?;
        let again = self.call("submit", &scheduler, &self.folder.join("no data"), &shared)?;
        if !again.contains("nothing to submit") {
            bail!(
                "submitted again: expected `nothing to submit`, found `{}`",
                again.trim()
            );
        }
        let status = self.call("status", &["--data-dir"], &self.folder.join("no data"), &shared)?;
        if !status.contains(&format!("{count} runs: {count} done, 0 running, 0 failed, 0 waiting")) {
            bail!("status: expected {count} runs done, found `{}`", status.trim());
        }
        Ok(())
    }

    /// Disturbs tasks until none is left.
    fn disturb(&self, daemons: &mut Daemons, clock: &Instant) -> Result<()> {
        let job_name = format!("dynaprune-{}-{}", self.args.recipe, self.args.profile);
        let begin = Instant::now();
        let mut plan = DISTURBANCES.iter().copied().peekable();
        let (mut disturbed, mut seen): (BTreeSet<String>, BTreeSet<String>) = Default::default();
        loop {
            if begin.elapsed() > Duration::from_secs(self.args.limit) {
                bail!("the grid is not done after {} seconds", self.args.limit);
            }
            let queue = self.queue(&job_name)?;
            if queue.is_empty() {
                break;
            }
            // Slurm lets a requeued task wait for two minutes.
            for (task, _) in queue.iter().filter(|(_, state)| state.reason == "BeginTime") {
                let _ = self.slurm("scontrol", &["update", &format!("jobid={task}"), "starttime=now"]);
            }
            let running: Vec<&String> = queue
                .iter()
                .filter(|(_, state)| state.state == "RUNNING")
                .map(|(task, _)| task)
                .collect();
            // A task that was seen before is in the middle of its work, and not at the beginning.
            let fresh = running
                .iter()
                .find(|task| seen.contains(**task) && !disturbed.contains(**task));
            if let (Some(&disturbance), Some(&task)) = (plan.peek(), fresh) {
                say(clock, &format!("{disturbance:?}: task {task}"));
                match disturbance {
                    // It may have ended in this moment: then the next one is taken.
                    Disturbance::Requeue => self.slurm("scontrol", &["requeue", task]).map(drop),
                    Disturbance::Warn => self.warn(task),
                    Disturbance::KillDaemon => daemons.restart_node(),
                    Disturbance::LoseNode => daemons.lose_node(),
                }
                .map(|()| {
                    disturbed.insert(task.clone());
                    plan.next();
                })
                .or_else(|error| match disturbance {
                    Disturbance::Requeue | Disturbance::Warn => Ok(()),
                    _ => Err(error),
                })?;
                seen.clear();
            } else {
                seen = running.into_iter().cloned().collect();
            }
            thread::sleep(Duration::from_millis(250));
        }
        match plan.peek() {
            Some(left) => bail!("the grid was done before it could be disturbed: {left:?} was not tried"),
            None => Ok(()),
        }
    }

    /// What the tasks themselves say: some started again, one that was told to stop kept a checkpoint, and went on from it.
    fn check_logs(&self, clock: &Instant) -> Result<()> {
        let logs = self.logs();
        let mut said = Vec::new();
        for (text, what) in [
            (", start 2, ", "started a second time"),
            (": exit code 75\n", "stopped with a checkpoint"),
            (": goes on after ", "went on from one"),
        ] {
            match logs.matches(text).count() {
                0 => bail!("logs: expected a task with `{text}`, found none"),
                count => said.push(format!("{count} {what}")),
            }
        }
        say(clock, &format!("tasks: {}", said.join(", ")));
        Ok(())
    }

    /// The tasks that are not done, by `JOB_TASK`.
    fn queue(&self, job_name: &str) -> Result<Vec<(String, slurm::TaskState)>> {
        let output = self.slurm(
            "squeue",
            &[
                "--noheader",
                "--array",
                &format!("--name={job_name}"),
                "--format=%F|%K|%T|%r",
            ],
        )?;
        let queue = slurm::parse_queue(&output);
        let named = |((job, task), state)| (format!("{job}_{task}"), state);
        Ok(queue.into_iter().map(named).collect())
    }

    /// Has Slurm send a task the signal that it sends before the end of its time.
    fn warn(&self, task: &str) -> Result<()> {
        let mut command = Command::new("scancel");
        command
            .args(["--batch", "--signal=USR1", task])
            .env("SLURM_CONF", &self.configuration);
        let mut scancel = command.stdin(Stdio::null()).stderr(Stdio::null()).spawn()?;
        // A task that ends at once has `scancel` believe that it was not told, and try again for a minute or two.
        for _ in 0..20 {
            if let Some(status) = scancel.try_wait()? {
                return if status.success() {
                    Ok(())
                } else {
                    Err(anyhow!("`scancel`: {status}"))
                };
            }
            thread::sleep(Duration::from_millis(50));
        }
        scancel.kill()?;
        scancel.wait()?;
        Ok(())
    }

    /// What a command of Slurm prints.
    fn slurm(&self, program: &str, arguments: &[&str]) -> Result<String> {
        let mut command = Command::new(program);
        command.args(arguments);
        self.output(command)
    }

    /// Calls a verb of this program for the grid, with options of which the last one has a path. Returns all that it prints.
    fn call(&self, verb: &str, options: &[&str], path: &Path, results: &Path) -> Result<String> {
        let mut command = Command::new(&self.program);
        let seeds = self.args.seeds.to_string();
        command
            .args([
                verb,
                &self.args.recipe,
                "--profile",
                &self.args.profile,
                "--seeds",
                &seeds,
            ])
            .args(options)
            .args([path.as_os_str(), OsStr::new("--results"), results.as_os_str()]);
        self.output(command)
    }

    fn output(&self, mut command: Command) -> Result<String> {
        let output = command
            .env("SLURM_CONF", &self.configuration)
            .env("DYNAPRUNE_ROOT", &self.root)
            .stdin(Stdio::null())
            .output()
            .map_err(|error| anyhow!("cannot start `{}`: {error}", command.get_program().display()))?;
        let text = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
        if !output.status.success() {
            bail!("{command:?}: {}: {}", output.status, text.trim());
        }
        Ok(text)
    }

    fn results(&self, name: &str) -> PathBuf {
        self.folder.join("results").join(name)
    }

    /// What the tasks wrote.
    fn logs(&self) -> String {
        let jobs = self.results("on the cluster").join(&self.args.profile).join("jobs");
        let folders = jobs.read_dir().into_iter().flatten().flatten();
        let logs = folders.flat_map(|folder| folder.path().join("logs").read_dir().into_iter().flatten().flatten());
        logs.map(|log| fs::read_to_string(log.path()).unwrap_or_default())
            .collect()
    }

    /// What may explain a failure.
    fn evidence(&self, daemons: &Daemons) -> String {
        let ended = self
            .slurm("scontrol", &["show", "jobs", "--oneliner"])
            .unwrap_or_default();
        format!("tasks:\n{}\njobs:\n{ended}\n{}", self.logs(), daemons.logs())
    }
}
