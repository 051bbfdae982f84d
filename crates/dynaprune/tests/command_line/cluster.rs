//! Grids that are submitted to a cluster: `submit` and `status`, with stand-ins for the commands of Slurm.

use crate::folder::{Folder, Outcome, PROFILE, RECIPE, RUNS};
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::process::Command;

const SUBMIT: &[&str] = &["submit", "tiny", "--profile", "tiny", "--scheduler"];
const STATUS: &[&str] = &["status", "tiny", "--profile", "tiny"];

/// A workspace with stand-ins for Slurm. `sbatch` numbers jobs from 1 and keeps what it is called with; `squeue` says
/// what is in the file `queue`; there is no `sacct`.
fn with_slurm() -> Folder {
    let folder = Folder::new();
    fs::create_dir(folder.path("bin")).unwrap();
    let (calls, queue) = (folder.path("calls"), folder.path("queue"));
    let (calls, queue) = (calls.display(), queue.display());
    let count = format!("n=0\nwhile read -r _; do n=$((n + 1)); done <'{calls}'\necho $n\n");
    for (name, text) in [
        ("sbatch", format!("echo \"$*\" >>'{calls}'\n{count}")),
        (
            "squeue",
            format!("while read -r line; do echo \"$line\"; done <'{queue}'\n"),
        ),
        ("scontrol", "echo 'MaxArraySize            = 1001'\n".to_owned()),
    ] {
        let path = folder.path(&format!("bin/{name}"));
        fs::write(&path, format!("#!/bin/bash\n{text}")).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    }
    folder.write("queue", "");
    folder
}

/// Runs the program where there is Slurm; it must succeed.
fn succeed(folder: &Folder, arguments: &[&[&str]]) -> Outcome {
    let outcome = folder.run_with_commands("bin", &arguments.concat());
    assert_eq!(outcome.code, Some(0), "{arguments:?}: {}", outcome.stderr);
    outcome
}

/// The folder of the only submission.
fn job_folder(folder: &Folder, results: &str) -> PathBuf {
    let jobs = folder.path(results).join("tiny/jobs");
    let mut folders = jobs.read_dir().unwrap().map(|entry| entry.unwrap().path());
    let job = folders.next().unwrap();
    assert_eq!(folders.next(), None);
    job
}

#[test]
fn a_dry_run_says_what_would_be_submitted_and_writes_nothing() {
    let folder = with_slurm();
    let before = folder.contents("");
    let outcome = succeed(&folder, &[SUBMIT, &["slurm", "--dry-run", "--max-parallel", "2"]]);
    assert_eq!(folder.contents(""), before);
    assert!(
        outcome
            .stdout
            .starts_with("#!/bin/bash\n#SBATCH --job-name=dynaprune-tiny-tiny\n")
    );
    assert!(
        outcome.stdout.contains("\nsbatch --parsable --array=0-4%2 "),
        "{}",
        outcome.stdout
    );
    let said = "tiny, profile tiny: 5 runs, 0 done: 5 to make in 5 tasks of ";
    assert!(outcome.stderr.starts_with(said), "{}", outcome.stderr);
}

/// The script of a submission, run task by task as Slurm would, makes the grid.
#[test]
fn what_is_submitted_makes_the_grid() {
    let folder = with_slurm();
    let results = &["--results", "on the cluster"];
    let outcome = succeed(&folder, &[SUBMIT, &["slurm", "--untimed"], results]);
    let next = format!("--results '{}'", folder.path("on the cluster").display());
    assert_eq!(outcome.stderr.matches(&next).count(), 2, "{}", outcome.stderr);
    assert!(
        outcome.stderr.contains("submitted job 1: an array of 5 tasks"),
        "{}",
        outcome.stderr
    );
    let job = job_folder(&folder, "on the cluster");
    let call = fs::read_to_string(folder.path("calls")).unwrap();
    let script = job.join("run.sh");
    assert_eq!(call, format!("--parsable --array=0-4 {} 0\n", script.display()));
    let cells = fs::read_to_string(job.join("cells.txt")).unwrap();
    assert_eq!(cells.lines().count(), RUNS);

    folder.write(
        "queue",
        "1|0|RUNNING|None\n1|3|PENDING|Resources\n1|4|PENDING|Resources\n",
    );
    let status = succeed(&folder, &[STATUS, results]).stdout;
    let state = "tiny, profile tiny: 5 runs: 0 done, 0 running, 0 failed, 5 waiting\njobs:\n  tiny-";
    assert!(status.starts_with(state), "{status}");
    let jobs = ": Slurm job 1 of 5 tasks: 2 pending (Resources), 1 running, 2 ended\n";
    assert!(status.ends_with(jobs), "{status}");
    // What is in the queue is not submitted a second time.
    let outcome = succeed(&folder, &[SUBMIT, &["slurm", "--dry-run"], results]);
    let said = "tiny, profile tiny: 5 runs, 0 done, 3 have a task already: 2 to make in 2 tasks of ";
    assert!(outcome.stderr.starts_with(said), "{}", outcome.stderr);

    // Nor if what is in the queue is not known.
    let squeue = fs::read_to_string(folder.path("bin/squeue")).unwrap();
    folder.write(
        "bin/squeue",
        "#!/bin/bash\necho 'Unable to contact slurm controller' >&2\nexit 1\n",
    );
    let outcome = folder.run_with_commands("bin", &[SUBMIT, &["slurm"], results].concat());
    assert_eq!(outcome.code, Some(1), "{}", outcome.stderr);
    assert!(
        outcome
            .stderr
            .ends_with(" failed: Unable to contact slurm controller\n"),
        "{}",
        outcome.stderr
    );
    assert_eq!(fs::read_to_string(folder.path("calls")).unwrap().lines().count(), 1);
    folder.write("bin/squeue", &squeue);

    folder.write("queue", "");
    for task in 0..RUNS {
        let output = Command::new("bash")
            .arg(&script)
            .arg("0")
            .env("SLURM_ARRAY_TASK_ID", task.to_string())
            .env("SLURM_ARRAY_JOB_ID", "1")
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{said}");
        assert!(said.contains(&format!("task {}: exit code 0", task + 1)), "{said}");
    }
    let status = succeed(&folder, &[STATUS, results]).stdout;
    assert!(
        status.contains("5 runs: 5 done, 0 running, 0 failed, 0 waiting\n"),
        "{status}"
    );
    let outcome = succeed(&folder, &[SUBMIT, &["slurm"], results]);
    assert_eq!(
        outcome.stderr,
        "tiny, profile tiny: 5 runs, 5 done: nothing to submit\n"
    );
    // Without a name, all that was submitted is shown.
    let all = succeed(&folder, &[&["status"], results]).stdout;
    let jobs = status.lines().last().unwrap();
    let expected = "profile tiny: 5 runs done, 0 running, 0 failed\n\
                    tiny: 5 runs: 5 done, 0 running, 0 failed, 0 waiting\njobs:\n";
    assert_eq!(all, format!("{expected}{jobs}\n"));
    folder.reproduce(&["--no-runs", "--results", "on the cluster"]);
    assert!(folder.path("docs/figures/tiny/tiny.png").is_file());
}

#[test]
fn what_runs_and_what_failed_is_told_by_files() {
    let folder = with_slurm();
    let dry = succeed(&folder, &[SUBMIT, &["slurm", "--dry-run"]]).stdout;
    let ids: Vec<&str> = dry.lines().rev().take(2).collect();
    for part in ["leases", "failed"] {
        fs::create_dir_all(folder.path("results/tiny").join(part)).unwrap();
    }
    let claim = r#"{"host": "n1", "pid": 7, "machine": "another", "started": 1, "beats": 3, "token": "t"}"#;
    folder.write(&format!("results/tiny/leases/{}.json", ids[0]), claim);
    let failed = format!("results/tiny/failed/{}.json", ids[1]);
    let failure = r#"{"run": "r", "error": "no room\nat all", "at": "", "code_version": "", "attempts": 1}"#;
    folder.write(&failed, failure);
    let status = succeed(&folder, &[STATUS]).stdout;
    let state = "tiny, profile tiny: 5 runs: 0 done, 1 running, 1 failed, 3 waiting\nfailed:\n  ";
    assert!(status.starts_with(state), "{status}");
    assert!(status.contains(": no room\nhint: "), "{status}");
    let all = succeed(&folder, &[&["status", "--profile", "tiny"]]).stdout;
    let state = "profile tiny: 0 runs done, 1 running, 1 failed\nfailed:\n  ";
    assert!(all.starts_with(state) && !all.contains("jobs:"), "{all}");
    let count = |options: &[&str]| {
        let outcome = succeed(&folder, &[SUBMIT, &["slurm", "--dry-run"], options]);
        let line = outcome.stderr.lines().next().unwrap_or_default().to_owned();
        line.split(" in ").next().unwrap_or_default().to_owned()
    };
    assert_eq!(
        count(&[]),
        "tiny, profile tiny: 5 runs, 0 done, 1 failed (`--retry-failed` tries them again): 4 to make"
    );
    assert_eq!(
        count(&["--retry-failed"]),
        "tiny, profile tiny: 5 runs, 0 done: 5 to make"
    );
}

#[test]
fn kubernetes_gets_a_manifest() {
    let folder = with_slurm();
    let options = &[
        "kubernetes",
        "--image",
        "registry/dynaprune:1",
        "--claim",
        "shared",
        "--mem",
        "4G",
    ];
    let outcome = succeed(&folder, &[SUBMIT, options]);
    let job = job_folder(&folder, "results");
    let path = job.join("manifest.json");
    assert_eq!(outcome.stdout, format!("kubectl apply -f {}\n", path.display()));
    let manifest: serde_json::Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    let [map, job] = [&manifest["items"][0], &manifest["items"][1]];
    assert_eq!(map["data"]["cells"].as_str().unwrap().lines().count(), RUNS);
    let recipe = fs::read_to_string(folder.path("experiments/tiny.toml")).unwrap();
    assert_eq!(map["data"]["recipe"], recipe);
    assert_eq!(job["spec"]["completions"], RUNS);
    let container = &job["spec"]["template"]["spec"]["containers"][0];
    assert_eq!(container["resources"]["limits"]["memory"], "4Gi");
    let script = container["command"][2].as_str().unwrap();
    let call = "exec dynaprune reproduce tiny --profile tiny --results /dynaprune/results --data-dir /dynaprune/data \
                --threads 1 --retry-failed --no-figure \"$@\"";
    assert!(script.ends_with(call), "{script}");
    let status = succeed(&folder, &[STATUS]).stdout;
    assert!(
        status.contains(": Kubernetes: `kubectl describe job dynaprune-tiny-tiny-"),
        "{status}"
    );
}

/// What others count or rank by comes first, and can be made by itself; files are not in pods.
#[test]
fn what_others_need_is_a_task_that_they_wait_for() {
    let folder = with_slurm();
    let methods =
        "methods = [\"full\", { name = \"static\", counts_of = \"ucb\" }, { name = \"static\", scorer = \"el2n\" }]";
    let recipe = RECIPE.replace("methods = [\"full\", \"random-static\", \"ucb\"]", methods);
    folder.write("experiments/tiny.toml", &recipe);
    let profile = format!("{PROFILE}\n[scoring]\nruns = 1\nepoch = 1\n");
    folder.write("experiments/profiles/tiny.toml", &profile);
    succeed(&folder, &[SUBMIT, &["slurm", "--untimed"]]);
    let job = job_folder(&folder, "results");
    let calls = fs::read_to_string(folder.path("calls")).unwrap();
    let script = job.join("run.sh");
    let script = script.display();
    // A table and two counted runs are awaited; `full` is the fourth; then come three that need them.
    let expected = format!(
        "--parsable --array=0-3 {script} 0\n--parsable --array=0-2 --dependency=afterany:1_0:1_1:1_2 {script} 4\n"
    );
    assert_eq!(calls, expected);
    for cells in fs::read_to_string(job.join("cells.txt")).unwrap().lines() {
        let cell = ["--cell", cells];
        folder.reproduce(&[&["--untimed", "--no-figure"][..], &cell].concat());
    }
    assert!(succeed(&folder, &[STATUS]).stdout.contains("7 runs: 7 done, "));

    let table = folder.path("results/tiny/scores").read_dir().unwrap();
    let table = table
        .map(|entry| entry.unwrap().path())
        .find(|path| path.is_file())
        .unwrap();
    let from_file = format!("methods = [\"full\", {{ name = \"static\", scores = {table:?} }}]");
    folder.write("experiments/tiny.toml", &recipe.replace(methods, &from_file));
    let options = &["kubernetes", "--image", "x", "--claim", "x"];
    let outcome = folder.run_with_commands("bin", &[SUBMIT, options].concat());
    assert_eq!(outcome.code, Some(2), "{}", outcome.stderr);
    assert!(
        outcome
            .stderr
            .contains("its scores are in a file, which is not in the pods"),
        "{}",
        outcome.stderr
    );
}

#[test]
fn what_makes_no_sense_is_refused() {
    let folder = with_slurm();
    for (options, message) in [
        (
            &["slurm", "--time", "1h"][..],
            "`--time`: expected an amount of time, found `1h`",
        ),
        (
            &["slurm", "--time", "5"],
            "`--time 5` leaves a task no time to get on: expected 360 seconds",
        ),
        (
            &["slurm", "--mem", "lots"],
            "`--mem`: expected an amount of memory, found `lots`",
        ),
        (
            &["slurm", "--partition", "a b"],
            "`--partition`: expected a name of letters",
        ),
        (
            &["slurm", "--sbatch", "x"],
            "`--sbatch`: expected an option that begins with `-`, found `x`",
        ),
        (
            &["slurm", "--image", "x"],
            "`--image` means nothing to `--scheduler slurm`",
        ),
        (
            &["kubernetes", "--claim", "x"],
            "`--scheduler kubernetes` needs `--image`",
        ),
        (
            &["kubernetes", "--claim", "x", "--image", "x", "--qos", "x"],
            "`--qos` means nothing to `--scheduler kubernetes`",
        ),
    ] {
        let outcome = folder.run_with_commands("bin", &[SUBMIT, options].concat());
        assert_eq!(outcome.code, Some(2), "{options:?}: {}", outcome.stderr);
        let start = format!("error: {message}");
        assert!(outcome.stderr.starts_with(&start), "{}", outcome.stderr);
    }
    let outcome = folder.run_with_commands("bin", &["submit", "all", "--scheduler", "slurm"]);
    assert!(
        outcome.stderr.starts_with("error: `all` is no recipe"),
        "{}",
        outcome.stderr
    );
    let outcome = folder.run_with_commands("bin", &["submit", "tiny", "--scheduler", "slurm"]);
    assert!(outcome.stderr.starts_with("error: no profile: "), "{}", outcome.stderr);
    let outcome = folder.run_with_commands("bin", &["status"]);
    assert!(
        outcome.stderr.starts_with("error: nothing was made or submitted"),
        "{}",
        outcome.stderr
    );
}

/// Each task would end at once for want of a GPU.
#[test]
fn a_profile_for_gpus_is_submitted_with_some() {
    let folder = with_slurm();
    let profile = format!("needs_cuda = true\n{PROFILE}");
    folder.write("experiments/profiles/big.toml", &profile);
    let submit = |options: &[&str]| {
        let words = [
            "submit",
            "tiny",
            "--profile",
            "big",
            "--scheduler",
            "slurm",
            "--dry-run",
        ];
        folder.run_with_commands("bin", &[&words, options].concat())
    };
    let outcome = submit(&[]);
    assert_eq!(outcome.code, Some(2), "{}", outcome.stderr);
    let expected = "error: profile `big` is for GPUs, and no task asks for one\n\nhint: `--gpus-per-task 1`, or ";
    assert!(outcome.stderr.starts_with(expected), "{}", outcome.stderr);
    for options in [
        &["--gpus-per-task", "1"][..],
        &["--sbatch=--gres=gpu:1"],
        &["--device", "cpu"],
    ] {
        let outcome = submit(options);
        assert_eq!(outcome.code, Some(0), "{options:?}: {}", outcome.stderr);
    }
    if cfg!(feature = "cuda") {
        return;
    }
    // Tasks run this program.
    let lacks = "profile `big` is for GPUs, and this program, which tasks would run, has no CUDA support";
    let outcome = submit(&["--gpus-per-task", "1"]);
    assert!(
        outcome.stderr.starts_with(&format!("note: {lacks}: ")),
        "{}",
        outcome.stderr
    );
    let submit = [
        "submit",
        "tiny",
        "--profile",
        "big",
        "--scheduler",
        "slurm",
        "--gpus-per-task",
        "1",
    ];
    let outcome = folder.run_with_commands("bin", &submit);
    assert_eq!(outcome.code, Some(2), "{}", outcome.stderr);
    assert!(
        outcome.stderr.starts_with(&format!("error: {lacks}\n\nhint: ")),
        "{}",
        outcome.stderr
    );
    assert!(!folder.path("results/big/jobs").exists() && !folder.path("calls").exists());
}

#[test]
fn without_slurm_nothing_is_submitted() {
    let folder = Folder::new();
    let outcome = folder.run_with_commands("nothing", &[SUBMIT, &["slurm"]].concat());
    assert_eq!(outcome.code, Some(2), "{}", outcome.stderr);
    assert!(
        outcome
            .stderr
            .contains("error: no `sbatch` here: this machine has no Slurm"),
        "{}",
        outcome.stderr
    );
    assert!(!folder.path("results/tiny/jobs").exists());
    let status = folder.run_with_commands("nothing", STATUS);
    assert_eq!(
        status.stdout,
        "tiny, profile tiny: 5 runs: 0 done, 0 running, 0 failed, 5 waiting\n"
    );
    let test = folder.run_with_commands("nothing", &["test-slurm"]);
    // Daemons may be in folders that are on no path; the commands are not.
    assert_eq!(test.code, Some(2), "{}", test.stderr);
    assert!(test.stderr.contains("`sbatch`") && test.stderr.contains("apt-get install slurm-wlm munge"));
}
