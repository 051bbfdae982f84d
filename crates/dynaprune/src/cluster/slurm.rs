//! Slurm: the script of an array job, and what `sbatch` and `squeue` are asked.

use super::shell;
use super::tasks::Tasks;
use crate::failure::BadInput;
use anyhow::{Result, anyhow, bail};
use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::path::Path;
use std::process::Command;

/// The most tasks of an array where Slurm does not say: its own default.
pub(crate) const MAX_ARRAY_SIZE: usize = 1001;

/// What a task may use, and of whom; what is not given is left to the cluster.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Resources {
    pub(crate) cpus_per_task: u32,
    pub(crate) gpus_per_task: Option<u32>,
    pub(crate) memory: Option<String>,
    pub(crate) time: Option<String>,
    pub(crate) partition: Option<String>,
    pub(crate) account: Option<String>,
    pub(crate) qos: Option<String>,
    /// Seconds before the end of the time at which a task is to keep a checkpoint.
    pub(crate) grace: u32,
    /// Other options of `sbatch`, as `--constraint=a100`.
    pub(crate) others: Vec<String>,
}

/// The script of a submission; all paths from the root.
pub(crate) struct Script<'a> {
    pub(crate) job_name: &'a str,
    pub(crate) resources: &'a Resources,
    /// The workspace with the recipes.
    pub(crate) root: &'a Path,
    pub(crate) program: &'a Path,
    /// What the program is called with, but for the cells.
    pub(crate) arguments: &'a [String],
    /// A line a task with the ids of its cells.
    pub(crate) cells: &'a Path,
    pub(crate) logs: &'a Path,
}

impl Script<'_> {
    /// The text of the script.
    ///
    /// # Errors
    /// If a path cannot be written in it.
    pub(crate) fn text(&self) -> Result<String> {
        let mut text = String::from("#!/bin/bash\n");
        for option in self.options()? {
            text += &format!("#SBATCH {option}\n");
        }
        text += &format!(
            "\nexport DYNAPRUNE_ROOT={}\ncells={}\n",
            shell::quoted(&shell::path(self.root)?),
            shell::quoted(&shell::path(self.cells)?)
        );
        text += BEGIN;
        text += &format!(
            "{} {} \"${{options[@]}}\" &\n",
            shell::quoted(&shell::path(self.program)?),
            shell::command(self.arguments)
        );
        text += END;
        Ok(text)
    }

    /// The options of `sbatch` that are the same for all arrays of a submission.
    fn options(&self) -> Result<Vec<String>> {
        let Resources {
            cpus_per_task,
            gpus_per_task,
            memory,
            time,
            partition,
            account,
            qos,
            grace,
            others,
        } = self.resources;
        // Slurm puts the array's and the task's number where these signs are, and wants others of their kind twice.
        let logs = shell::path(self.logs)?.replace('%', "%%");
        let mut options = vec![
            format!("--job-name={}", directive(self.job_name)),
            format!("--output={}", directive(&format!("{logs}/%A_%a.log"))),
            // What a task wrote before it was requeued stays.
            "--open-mode=append".to_owned(),
            "--requeue".to_owned(),
            "--nodes=1".to_owned(),
            "--ntasks=1".to_owned(),
            format!("--cpus-per-task={cpus_per_task}"),
        ];
        options.extend(gpus_per_task.map(|gpus| format!("--gpus-per-task={gpus}")));
        let named = [
            ("mem", memory),
            ("time", time),
            ("partition", partition),
            ("account", account),
            ("qos", qos),
        ];
        for (name, value) in named {
            options.extend(value.as_ref().map(|value| format!("--{name}={}", directive(value))));
        }
        options.push(format!("--signal=B:USR1@{grace}"));
        options.extend(others.iter().map(|other| directive(other)));
        Ok(options)
    }
}

/// The script before the program is started: the cells of this task, and what signals do.
const BEGIN: &str = r#"
# Slurm numbers the tasks of an array from 0; $1 is the number of tasks in the arrays before this one.
line=$((${1:-0} + SLURM_ARRAY_TASK_ID + 1))
options=()
for cell in $(sed -n "${line}p" "$cells"); do
    options+=(--cell "$cell")
done
if [ "${#options[@]}" -eq 0 ]; then
    echo "error: $cells: expected cells in line $line, found none" >&2
    exit 2
fi
echo "task $line, start $((${SLURM_RESTART_COUNT:-0} + 1)), $(hostname), $(date -u +%FT%TZ): ${options[*]}"

# USR1 reaches this shell alone, shortly before its time is up: the program keeps a checkpoint, and the task is put back into
# the queue. TERM reaches all processes of the task, when Slurm itself ends or requeues it: the program keeps a checkpoint too,
# and what becomes of the task is not decided here. That of a job that was cancelled must not come back.
program= warned= signalled=
trap 'warned=1 signalled=1; [ -z "$program" ] || kill -TERM "$program"' USR1
trap 'signalled=1' TERM

"#;

/// The script after that.
const END: &str = r#"program=$!
# A signal ends `wait`, and not the program.
while
    signalled=
    wait "$program"
    code=$?
    [ -n "$signalled" ]
do :; done
echo "task $line: exit code $code"

# 0 is done, 1 failed, 2 was not possible. All else, such as 75 for a checkpoint and 143 for a program that was told before it
# could listen, is not the end.
case "$warned:$code" in
    1:[012]) ;;
    1:*) scontrol requeue "${SLURM_ARRAY_JOB_ID}_$SLURM_ARRAY_TASK_ID" ;;
esac
exit "$code"
"#;

/// A value on an `#SBATCH` line, which `sbatch` takes apart by rules of its own: white space ends it, but between double quotes.
fn directive(value: &str) -> String {
    let is_plain = |c: char| !c.is_whitespace() && !"\"'\\#".contains(c);
    if value.chars().all(is_plain) {
        return value.to_owned();
    }
    format!("\"{}\"", value.replace('\\', r"\\").replace('"', "\\\""))
}

/// One array job of a submission.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Array {
    /// The number of tasks before its own.
    pub(crate) offset: usize,
    pub(crate) tasks: usize,
    pub(crate) after: After,
}

/// What must have ended, well or not, before the tasks of an array start.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum After {
    Nothing,
    /// The array before.
    Previous,
    /// Some tasks, each by its array and its place in it, both from 0.
    Tasks(Vec<(usize, usize)>),
}

/// The arrays of so many tasks, where one may have `max_array_size`. Those that can start at once are apart from those that
/// wait; under a cap on what runs at a time each array waits for the one before, because Slurm caps each by itself.
pub(crate) fn arrays(tasks: &Tasks, max_array_size: usize, is_capped: bool) -> Vec<Array> {
    let size = max_array_size.max(1);
    let awaited: Vec<(usize, usize)> = (0..tasks.awaited).map(|line| (line / size, line % size)).collect();
    let mut arrays: Vec<Array> = Vec::new();
    let parts = [
        (0, tasks.first.len(), false),
        (tasks.first.len(), tasks.then.len(), true),
    ];
    for (begin, all, waits) in parts {
        for at in (0..all).step_by(size) {
            let after = if is_capped && !arrays.is_empty() {
                After::Previous
            } else if waits && !awaited.is_empty() {
                After::Tasks(awaited.clone())
            } else {
                After::Nothing
            };
            arrays.push(Array {
                offset: begin + at,
                tasks: size.min(all - at),
                after,
            });
        }
    }
    arrays
}

impl Array {
    /// What `sbatch` is called with; `jobs` are the arrays that were submitted before.
    pub(crate) fn arguments(&self, script: &str, max_parallel: Option<u32>, jobs: &[String]) -> Vec<String> {
        let cap = max_parallel.map_or(String::new(), |most| format!("%{most}"));
        let mut arguments = vec![
            "--parsable".to_owned(),
            format!("--array=0-{}{cap}", self.tasks.saturating_sub(1)),
        ];
        let after: Vec<String> = match &self.after {
            After::Nothing => Vec::new(),
            After::Previous => jobs.last().cloned().into_iter().collect(),
            After::Tasks(tasks) => {
                let named = |&(array, task): &(usize, usize)| jobs.get(array).map(|job| format!("{job}_{task}"));
                tasks.iter().filter_map(named).collect()
            }
        };
        if !after.is_empty() {
            arguments.push(format!("--dependency=afterany:{}", after.join(":")));
        }
        arguments.extend([script.to_owned(), self.offset.to_string()]);
        arguments
    }
}

/// Looks whether there is a Slurm to submit to, before anything is written.
///
/// # Errors
/// If there is none.
pub(crate) fn check() -> Result<()> {
    let paths = std::env::var_os("PATH").unwrap_or_default();
    match std::env::split_paths(&paths).any(|folder| folder.join("sbatch").is_file()) {
        true => Ok(()),
        false => Err(not_here("sbatch")),
    }
}

/// Submits an array and returns the number of its job.
///
/// # Errors
/// If there is no `sbatch`, or it refuses.
pub(crate) fn submit(arguments: &[String]) -> Result<String> {
    let output = ask("sbatch", arguments)?;
    // `17`, or `17;cluster` where there are several.
    let job = output.trim().split(';').next().unwrap_or_default();
    if job.is_empty() || !job.bytes().all(|byte| byte.is_ascii_digit()) {
        bail!("`sbatch`: expected the number of a job, found `{}`", output.trim());
    }
    Ok(job.to_owned())
}

/// How many tasks an array may have here: Slurm's `MaxArraySize`, or its default where there is no Slurm.
///
/// # Errors
/// If the Slurm there is allows no arrays.
pub(crate) fn max_array_size() -> Result<usize> {
    let config = ask("scontrol", &["show".to_owned(), "config".to_owned()]).unwrap_or_default();
    match setting(&config, "MaxArraySize") {
        None => Ok(MAX_ARRAY_SIZE),
        Some(0) => Err(BadInput::new("this Slurm allows no array jobs: its `MaxArraySize` is 0").into()),
        Some(size) => Ok(size),
    }
}

/// `Name = 17` of what `scontrol show config` prints.
fn setting(config: &str, name: &str) -> Option<usize> {
    let value = |line: &str| {
        let (left, right) = line.split_once('=')?;
        (left.trim() == name).then(|| right.trim().parse().ok()).flatten()
    };
    config.lines().find_map(value)
}

/// The state of a task that Slurm still has.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct TaskState {
    /// `PENDING`, `RUNNING`, ...
    pub(crate) state: String,
    /// Why it waits; `None` if it does not.
    pub(crate) reason: String,
}

/// The tasks that Slurm still has of jobs with these names, by array and number.
///
/// # Errors
/// If there is no `squeue`, or it fails.
pub(crate) fn queue(job_names: &[&str]) -> Result<BTreeMap<(String, usize), TaskState>> {
    if job_names.is_empty() {
        return Ok(BTreeMap::new());
    }
    let output = ask(
        "squeue",
        &[
            "--noheader".to_owned(),
            "--array".to_owned(),
            format!("--name={}", job_names.join(",")),
            "--format=%F|%K|%T|%r".to_owned(),
        ],
    )?;
    Ok(parse_queue(&output))
}

/// Reads the lines `JOB|TASK|STATE|REASON` of an array; a job without tasks is none of ours.
pub(crate) fn parse_queue(output: &str) -> BTreeMap<(String, usize), TaskState> {
    let parse = |line: &str| {
        let mut parts = line.trim().splitn(4, '|').map(str::to_owned);
        let (job, index) = (parts.next()?, parts.next()?.parse().ok()?);
        let (state, reason) = (parts.next()?, parts.next()?);
        Some(((job, index), TaskState { state, reason }))
    };
    output.lines().filter_map(parse).collect()
}

/// How many tasks of an array ended in which way, `26 completed, 1 timeout`; `None` where Slurm keeps no accounts.
pub(crate) fn ended(job: &str) -> Option<String> {
    let options = ["--noheader", "--allocations", "--parsable2", "--format=State"];
    let mut arguments: Vec<String> = options.map(str::to_owned).to_vec();
    arguments.push(format!("--jobs={job}"));
    let states = count_ended(&ask("sacct", &arguments).ok()?);
    (!states.is_empty()).then_some(states)
}

/// Counts the states of `sacct` that are final, a line each; `CANCELLED by 1000` is one of them.
fn count_ended(output: &str) -> String {
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    for state in output.lines().filter_map(|line| line.split_whitespace().next()) {
        let is_final = !["PENDING", "RUNNING", "SUSPENDED", "REQUEUED", "RESIZING"].contains(&state);
        if is_final {
            *counts.entry(state.to_lowercase()).or_default() += 1;
        }
    }
    let counts: Vec<String> = counts.iter().map(|(state, count)| format!("{count} {state}")).collect();
    counts.join(", ")
}

/// That there is no such command.
fn not_here(program: &str) -> anyhow::Error {
    let error = BadInput::new(format!("no `{program}` here: this machine has no Slurm"));
    error.hint("run it where jobs are submitted, or `--dry-run`").into()
}

/// What a command of Slurm prints.
fn ask(program: &str, arguments: &[String]) -> Result<String> {
    let output = Command::new(program)
        .args(arguments)
        .output()
        .map_err(|error| match error.kind() {
            ErrorKind::NotFound => not_here(program),
            _ => anyhow!("cannot start `{program}`: {error}"),
        })?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        bail!("`{program} {}` failed: {}", shell::command(arguments), said.trim());
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

#[cfg(test)]
mod tests {
    use super::super::tasks::Task;
    use super::*;

    fn tasks(first: usize, awaited: usize, then: usize) -> Tasks {
        let some = |count: usize| {
            let task = Task {
                cells: vec!["0123456789abcdef".to_owned()],
                flops: 1.0,
            };
            vec![task; count]
        };
        Tasks {
            first: some(first),
            awaited,
            then: some(then),
        }
    }

    fn words(text: &str) -> Vec<String> {
        text.split(' ').map(str::to_owned).collect()
    }

    /// The whole text, with paths that need quoting.
    #[test]
    fn the_script_is_this() {
        let resources = Resources {
            cpus_per_task: 8,
            gpus_per_task: Some(1),
            memory: Some("32G".to_owned()),
            time: Some("12:00:00".to_owned()),
            partition: Some("gpu".to_owned()),
            account: Some("proj-1".to_owned()),
            qos: Some("long".to_owned()),
            grace: 120,
            others: vec!["--constraint=a100&fast disk".to_owned()],
        };
        let script = Script {
            job_name: "dynaprune-fig1-paper",
            resources: &resources,
            root: Path::new("/lab/it's mine"),
            program: Path::new("/lab/my jobs/50%/dynaprune"),
            arguments: &words("reproduce fig1 --profile paper --threads 8 --no-figure"),
            cells: Path::new("/lab/my jobs/50%/cells.txt"),
            logs: Path::new("/lab/my jobs/50%/logs"),
        };
        let head = r#"#!/bin/bash
#SBATCH --job-name=dynaprune-fig1-paper
#SBATCH --output="/lab/my jobs/50%%/logs/%A_%a.log"
#SBATCH --open-mode=append
#SBATCH --requeue
#SBATCH --nodes=1
#SBATCH --ntasks=1
#SBATCH --cpus-per-task=8
#SBATCH --gpus-per-task=1
#SBATCH --mem=32G
#SBATCH --time=12:00:00
#SBATCH --partition=gpu
#SBATCH --account=proj-1
#SBATCH --qos=long
#SBATCH --signal=B:USR1@120
#SBATCH "--constraint=a100&fast disk"

export DYNAPRUNE_ROOT='/lab/it'\''s mine'
cells='/lab/my jobs/50%/cells.txt'
"#;
        let program = r#"'/lab/my jobs/50%/dynaprune' reproduce fig1 --profile paper --threads 8 --no-figure "${options[@]}" &
"#;
        let expected = [head, BEGIN, program, END].concat();
        let text = script.text().unwrap();
        assert_eq!(text, expected, "{text}");
    }

    #[test]
    fn what_is_not_asked_for_is_left_to_the_cluster() {
        let resources = Resources {
            cpus_per_task: 1,
            grace: 60,
            ..Resources::default()
        };
        let path = Path::new("/x");
        let script = Script {
            job_name: "j",
            resources: &resources,
            root: path,
            program: path,
            arguments: &[],
            cells: path,
            logs: path,
        };
        let text = script.text().unwrap();
        let options: Vec<&str> = text.lines().filter_map(|line| line.strip_prefix("#SBATCH ")).collect();
        assert_eq!(
            options,
            [
                "--job-name=j",
                "--output=/x/%A_%a.log",
                "--open-mode=append",
                "--requeue",
                "--nodes=1",
                "--ntasks=1",
                "--cpus-per-task=1",
                "--signal=B:USR1@60"
            ]
        );
    }

    #[test]
    fn values_of_directives_are_quoted_as_sbatch_reads_them() {
        for (value, text) in [
            ("a", "a"),
            ("a b", "\"a b\""),
            ("it's \"x\"", "\"it's \\\"x\\\"\""),
            ("a#b", "\"a#b\""),
        ] {
            assert_eq!(directive(value), text);
        }
    }

    #[test]
    fn one_array_is_enough_where_nothing_waits() {
        let arrays = arrays(&tasks(28, 0, 0), MAX_ARRAY_SIZE, true);
        assert_eq!(arrays.len(), 1);
        assert_eq!(
            arrays[0].arguments("run.sh", Some(4), &[]),
            words("--parsable --array=0-27%4 run.sh 0")
        );
    }

    #[test]
    fn what_waits_is_an_array_that_waits_for_the_tasks_it_needs() {
        let tasks = tasks(5, 2, 3);
        let jobs = ["17".to_owned()];
        let arguments = |is_capped, cap| {
            let arrays = arrays(&tasks, MAX_ARRAY_SIZE, is_capped);
            assert_eq!(arrays.len(), 2);
            assert_eq!(arrays[0].after, After::Nothing);
            arrays[1].arguments("run.sh", cap, &jobs)
        };
        assert_eq!(
            arguments(false, None),
            words("--parsable --array=0-2 --dependency=afterany:17_0:17_1 run.sh 5")
        );
        assert_eq!(
            arguments(true, Some(4)),
            words("--parsable --array=0-2%4 --dependency=afterany:17 run.sh 5")
        );
        assert_eq!(
            super::arrays(&super::tests::tasks(0, 0, 3), 9, false)[0].after,
            After::Nothing
        );
    }

    #[test]
    fn no_array_is_larger_than_slurm_allows() {
        let arrays = arrays(&tasks(5, 3, 3), 2, false);
        let parts: Vec<(usize, usize)> = arrays.iter().map(|array| (array.offset, array.tasks)).collect();
        assert_eq!(parts, [(0, 2), (2, 2), (4, 1), (5, 2), (7, 1)]);
        let jobs = ["17", "18", "19"].map(str::to_owned);
        assert_eq!(
            arrays[3].arguments("run.sh", None, &jobs),
            words("--parsable --array=0-1 --dependency=afterany:17_0:17_1:18_0 run.sh 5")
        );
    }

    /// As Slurm 22.05 prints them.
    #[test]
    fn what_slurm_prints_is_read() {
        let config = "KillWait                = 30 sec\nMaxArraySize            = 1001\n";
        assert_eq!(setting(config, "MaxArraySize"), Some(1001));
        assert_eq!(setting(config, "ArraySize"), None);
        let queue = parse_queue("7|0|PENDING|BeginTime\n7|1|RUNNING|None\n8|N/A|PENDING|Resources\n");
        assert_eq!(queue.len(), 2);
        let state = &queue[&("7".to_owned(), 0)];
        assert_eq!((state.state.as_str(), state.reason.as_str()), ("PENDING", "BeginTime"));
    }

    /// As `man sacct` has them.
    #[test]
    fn tasks_that_ended_are_counted_by_how() {
        let output = "COMPLETED\nRUNNING\nCANCELLED by 1000\nCOMPLETED\nPENDING\nTIMEOUT\n";
        assert_eq!(count_ended(output), "1 cancelled, 2 completed, 1 timeout");
        assert_eq!(count_ended(""), "");
    }

    /// A shell in place of Slurm: the script's own part, run with stand-ins for the program and `scontrol`.
    #[cfg(unix)]
    mod run {
        use super::*;
        use std::fs;
        use std::os::unix::fs::PermissionsExt as _;
        use std::process::Stdio;

        fn stand_in(path: &Path, text: &str) {
            fs::write(path, format!("#!/bin/bash\n{text}")).unwrap();
            fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
        }

        /// Runs task 1 of the array after 1 task; `program` may signal its parent, the script. Returns exit code and output.
        fn run(program: &str) -> (Option<i32>, String) {
            let folder = tempfile::tempdir().unwrap();
            let at = |name: &str| folder.path().join(name);
            fs::create_dir(at("my bin")).unwrap();
            stand_in(&at("my bin/program"), program);
            stand_in(&at("my bin/scontrol"), "echo scontrol \"$@\"");
            fs::write(at("cells.txt"), "a\nb\nc d\n").unwrap();
            let resources = Resources::default();
            let text = Script {
                job_name: "j",
                resources: &resources,
                root: folder.path(),
                program: &at("my bin/program"),
                arguments: &words("reproduce fig1"),
                cells: &at("cells.txt"),
                logs: folder.path(),
            }
            .text()
            .unwrap();
            stand_in(&at("run.sh"), &text);
            let path = format!("{}:/usr/bin:/bin", at("my bin").display());
            let output = Command::new(at("run.sh"))
                .arg("1")
                .env("PATH", path)
                .env("SLURM_ARRAY_TASK_ID", "1")
                .env("SLURM_ARRAY_JOB_ID", "17")
                .env_remove("SLURM_RESTART_COUNT")
                .stderr(Stdio::inherit())
                .output()
                .unwrap();
            (output.status.code(), String::from_utf8(output.stdout).unwrap())
        }

        #[test]
        fn a_task_makes_the_cells_of_its_line() {
            let (code, output) = run("echo called \"$@\"; exit 1");
            assert_eq!(code, Some(1));
            assert!(output.starts_with("task 3, start 1, "), "{output}");
            assert!(output.contains("called reproduce fig1 --cell c --cell d\n"), "{output}");
            assert!(output.ends_with("task 3: exit code 1\n"), "{output}");
        }

        #[test]
        fn a_warning_leads_to_a_checkpoint_and_back_into_the_queue() {
            let waits =
                "trap 'echo told; sleep 0.2; exit 75' TERM; kill -USR1 $PPID; for i in {1..99}; do sleep 0.1; done";
            let (code, output) = run(waits);
            assert_eq!(code, Some(75), "{output}");
            assert!(
                output.ends_with("told\ntask 3: exit code 75\nscontrol requeue 17_1\n"),
                "{output}"
            );
        }

        #[test]
        fn a_warning_that_comes_before_the_program_listens_loses_nothing() {
            let (code, output) = run("kill -USR1 $PPID; for i in {1..99}; do sleep 0.1; done");
            assert_eq!(code, Some(143), "{output}");
            assert!(
                output.ends_with("task 3: exit code 143\nscontrol requeue 17_1\n"),
                "{output}"
            );
        }

        /// The program alone is told by Slurm; here it stops by itself.
        #[test]
        fn what_slurm_ends_is_not_put_back_by_the_script() {
            for exit in ["exit 75", "kill -TERM $$"] {
                let (_, output) = run(&format!("kill -TERM $PPID; sleep 0.2; {exit}"));
                assert!(output.contains("task 3: exit code "), "{output}");
                assert!(!output.contains("scontrol"), "{output}");
            }
        }

        #[test]
        fn what_ends_well_after_a_warning_is_done() {
            let (code, output) = run("trap 'exit 0' TERM; kill -USR1 $PPID; for i in {1..99}; do sleep 0.1; done");
            assert_eq!(code, Some(0));
            assert!(output.ends_with("task 3: exit code 0\n"), "{output}");
        }
    }
}
