//! A workspace with a small sweep, workers on it, and what an undisturbed one gives.

use dynaprune_report::{Results, RunRows};
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;
use tempfile::TempDir;

/// Full data, a static selector, one with scores made before, one by the counts of another, and two dynamic ones.
const RECIPE: &str = r#"
title = "Test accuracy against pruned fraction"
claim = "None."
how_to_read = "Higher is better."
figure = "accuracy-vs-fraction"
datasets = ["digits"]
methods = ["full", "random-static", { name = "static", scorer = "el2n", runs = 2, epoch = 3 },
    { name = "static", counts_of = "ucb" }, "uncertainty", "ucb"]
pruned_fractions = [0.5]
"#;

const PROFILE: &str = r#"
summary = "thirty epochs on three hundred digits"
seeds = 2
subset = { train_samples = 300, test_samples = 100 }
model = { name = "cnn", width = 4 }

[training]
epochs = 30
batch_size = 16
learning_rate = 0.05
schedule = { kind = "constant" }

[selection]
selection_period = 5
"#;

const PROGRAM: &str = env!("CARGO_BIN_EXE_dynaprune");

/// The finished runs of the sweep.
pub(crate) const RUNS: usize = 12;

/// A folder that is removed in the end.
pub(crate) struct Sweep {
    folder: TempDir,
}

impl Sweep {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir_all(folder.path().join("experiments/profiles")).unwrap();
        fs::write(folder.path().join("experiments/tiny.toml"), RECIPE).unwrap();
        fs::write(folder.path().join("experiments/profiles/tiny.toml"), PROFILE).unwrap();
        Self { folder }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// `reproduce tiny` with results in the folder `results`, a checkpoint an epoch, and more options.
    pub(crate) fn command(&self, results: &str, options: &[&str]) -> Command {
        self.wrapped(&[], results, options)
    }

    /// The same, started by another program.
    pub(crate) fn wrapped(&self, by: &[&str], results: &str, options: &[&str]) -> Command {
        let mut command = self.words(&[by, &[PROGRAM]].concat());
        command
            .args(["reproduce", "tiny", "--profile", "tiny", "--untimed", "--threads", "1"])
            .args(["--checkpoint-every", "1", "--results", results, "--docs"])
            .arg(format!("docs-{results}"))
            .args(options);
        command
    }

    /// Another verb of the program, with its options, to the end.
    pub(crate) fn verb(&self, words: &[&str]) {
        let output = self.words(&[&[PROGRAM][..], words].concat()).output().unwrap();
        let text = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{}: {text}", output.status);
    }

    fn words(&self, words: &[&str]) -> Command {
        let mut command = Command::new(words[0]);
        command
            .args(&words[1..])
            .current_dir(self.folder.path())
            .env_remove("DYNAPRUNE_ROOT")
            .env_remove("DYNAPRUNE_DATA")
            .env("RUST_BACKTRACE", "0");
        command
    }

    /// Starts a worker whose words are in the log.
    pub(crate) fn start(&self, results: &str) -> Child {
        self.start_by(&[], results)
    }

    /// Starts a worker by another command, such as `nohup`, that becomes the worker.
    fn start_by(&self, by: &[&str], results: &str) -> Child {
        let log = fs::File::options()
            .create(true)
            .append(true)
            .open(self.path(&format!("log-{results}")))
            .unwrap();
        self.wrapped(by, results, &[])
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .unwrap()
    }

    /// Locks results, so that a sweep on them has been planned and waits before it makes anything, until the answer is dropped.
    pub(crate) fn lock(&self, results: &str) -> fs::File {
        let folder = self.path(results).join("tiny");
        fs::create_dir_all(&folder).unwrap();
        dynaprune_files::lock(&folder.join(".lock")).unwrap()
    }

    /// Starts a worker on results that are locked, and comes back when it waits for them.
    pub(crate) fn start_locked_out(&self, results: &str) -> Child {
        self.start_locked_out_by(&[], results)
    }

    /// As [`Sweep::start_locked_out`], by another command that becomes the worker.
    pub(crate) fn start_locked_out_by(&self, by: &[&str], results: &str) -> Child {
        let mut worker = self.start_by(by, results);
        let pid = worker.id();
        let waits = self.wait_until(&mut worker, || waits_for_a_lock(pid));
        assert!(waits, "{}", self.log(results));
        worker
    }

    /// The manifests of checkpoints, by the run that they are of.
    pub(crate) fn manifests(&self, results: &str) -> BTreeMap<String, usize> {
        let folder = self.path(results).join("tiny/checkpoints");
        let runs = folder.read_dir().into_iter().flatten().flatten();
        let manifests = |run: &Path| {
            let files = run.read_dir().into_iter().flatten().flatten();
            files
                .filter(|file| file.path().extension().is_some_and(|end| end == "json"))
                .count()
        };
        runs.map(|run| (run.file_name().into_string().unwrap(), manifests(&run.path())))
            .collect()
    }

    /// Waits until `is_so`, or until the worker has ended, and says whether it still runs.
    pub(crate) fn wait_until(&self, worker: &mut Child, mut is_so: impl FnMut() -> bool) -> bool {
        while !is_so() {
            if worker.try_wait().unwrap().is_some() {
                return false;
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        true
    }

    /// What the workers on these results have said.
    pub(crate) fn log(&self, results: &str) -> String {
        fs::read_to_string(self.path(&format!("log-{results}"))).unwrap_or_default()
    }

    pub(crate) fn run(&self, results: &str, options: &[&str]) -> Output {
        self.command(results, options).output().unwrap()
    }

    pub(crate) fn succeed(&self, results: &str, options: &[&str]) -> String {
        let output = self.run(results, options);
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{}: {text}", output.status);
        text
    }

    pub(crate) fn results(&self, results: &str) -> Results {
        Results::new(&self.path(results), "tiny")
    }

    /// The finished runs, one by one; no run may be there twice, nor a row of a run that is not.
    pub(crate) fn finished(&self, results: &str) -> BTreeMap<String, RunRows> {
        let results = self.results(results);
        let runs = results.runs().unwrap();
        let mut finished = BTreeMap::new();
        for run in &runs {
            let rows = results.run(&run.run_id).unwrap().unwrap();
            assert!(
                finished.insert(run.run_id.clone(), rows).is_none(),
                "{} is there twice",
                run.run_id
            );
        }
        let epochs = results.epochs().unwrap();
        let expected: usize = runs.iter().map(|run| run.epochs as usize).sum();
        assert_eq!(epochs.len(), expected, "every finished run has its epochs, once");
        finished
    }

    /// Asserts that the Parquet files hold what those of an undisturbed sweep hold, and that nothing else is left.
    pub(crate) fn assert_equal(&self, results: &str, undisturbed: &BTreeMap<String, RunRows>) {
        // Without the cells, so that it is the Parquet files that are read.
        fs::rename(
            self.path(results).join("tiny/cells"),
            self.path(results).join("tiny/aside"),
        )
        .unwrap();
        let finished = self.finished(results);
        fs::rename(
            self.path(results).join("tiny/aside"),
            self.path(results).join("tiny/cells"),
        )
        .unwrap();
        assert_eq!(
            finished.keys().collect::<Vec<_>>(),
            undisturbed.keys().collect::<Vec<_>>()
        );
        for (id, rows) in &finished {
            assert_eq!(undisturbed[id].difference(rows), None, "run {id}");
        }
        for folder in ["leases", "checkpoints", "failed"] {
            let left = self.path(results).join("tiny").join(folder);
            let left = left
                .read_dir()
                .into_iter()
                .flatten()
                .flatten()
                .map(|entry| entry.path());
            // The lock stays; what a killed process was writing is removed when it is an hour old.
            let is_temporary = |path: &PathBuf| path.file_name().unwrap().to_string_lossy().starts_with('.');
            let left: Vec<_> = left.filter(|path| !is_temporary(path)).collect();
            assert!(left.is_empty(), "left behind: {left:?}");
        }
    }

    /// The cells with their bytes.
    pub(crate) fn cells(&self, results: &str) -> BTreeMap<PathBuf, Vec<u8>> {
        let entries = self
            .path(results)
            .join("tiny/cells")
            .read_dir()
            .into_iter()
            .flatten()
            .flatten();
        let cells = entries
            .map(|entry| entry.path())
            .filter(|path| path.extension().is_some_and(|end| end == "tar"));
        cells
            .filter_map(|path| Some((path.clone(), fs::read(path).ok()?)))
            .collect()
    }
}

/// Whether a process waits for a file that another one has locked.
fn waits_for_a_lock(pid: u32) -> bool {
    let locks = fs::read_to_string("/proc/locks").unwrap();
    let mut waiting = locks.lines().filter(|line| line.contains(" -> "));
    waiting.any(|line| line.split_whitespace().any(|word| word == pid.to_string()))
}

/// Flips a bit of a file.
pub(crate) fn flip(path: &Path, at: usize) {
    let mut bytes = fs::read(path).unwrap();
    let length = bytes.len();
    bytes[at % length] ^= 1 << (at % 8);
    fs::write(path, bytes).unwrap();
}
