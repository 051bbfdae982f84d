//! A workspace of its own for a test.

use dynaprune_report::{EpochRow, Results, RunRow};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use tempfile::TempDir;

/// `full`, and two methods at two pruned fractions.
pub(crate) const RECIPE: &str = r#"
title = "Test accuracy against pruned fraction"
claims = ["A3"]
claim = "Dynamic pruning is no worse than static pruning."
how_to_read = "Higher is better."
figure = "accuracy-vs-fraction"
datasets = ["digits"]
methods = ["full", "random-static", "ucb"]
pruned_fractions = [0.5, 0.8]
"#;

/// Two epochs on 100 digits.
pub(crate) const PROFILE: &str = r#"
summary = "two epochs on a hundred digits"
seeds = 1
subset = { train_samples = 100, test_samples = 50 }
model = { name = "cnn", width = 2 }

[training]
epochs = 2
batch_size = 16
learning_rate = 0.05
schedule = { kind = "constant" }

[selection]
selection_period = 1
"#;

/// The runs of [`RECIPE`] in [`PROFILE`].
pub(crate) const RUNS: usize = 5;

/// A folder that is removed in the end.
pub(crate) struct Folder {
    folder: TempDir,
}

/// What a command left on the two streams, and its exit code.
pub(crate) struct Outcome {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Folder {
    /// A workspace with the recipe `tiny` and the profile `tiny`.
    pub(crate) fn new() -> Self {
        let folder = Self {
            folder: tempfile::tempdir().unwrap(),
        };
        fs::create_dir_all(folder.path("experiments/profiles")).unwrap();
        folder.write("experiments/tiny.toml", RECIPE);
        folder.write("experiments/profiles/tiny.toml", PROFILE);
        folder
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn write(&self, name: &str, text: &str) {
        fs::write(self.path(name), text).unwrap();
    }

    /// Runs the program in this folder, with no setting from the outside.
    pub(crate) fn run(&self, arguments: &[&str]) -> Outcome {
        self.run_in("", arguments)
    }

    /// Runs the program in a folder of this one.
    pub(crate) fn run_in(&self, folder: &str, arguments: &[&str]) -> Outcome {
        Self::outcome(self.command(folder, arguments))
    }

    /// Runs the program where these are the only commands: those in a folder of this one.
    pub(crate) fn run_with_commands(&self, folder: &str, arguments: &[&str]) -> Outcome {
        let mut command = self.command("", arguments);
        command.env("PATH", self.path(folder));
        Self::outcome(command)
    }

    /// Runs the program with a variable set.
    pub(crate) fn run_with(&self, variable: &str, value: &str, arguments: &[&str]) -> Outcome {
        let mut command = self.command("", arguments);
        command.env(variable, value);
        Self::outcome(command)
    }

    fn command(&self, folder: &str, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_dynaprune"));
        command
            .args(arguments)
            .current_dir(self.path(folder))
            .env_remove("DYNAPRUNE_ROOT")
            .env_remove("DYNAPRUNE_DATA");
        command
    }

    fn outcome(mut command: Command) -> Outcome {
        let output = command.output().unwrap();
        Outcome {
            code: output.status.code(),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }

    /// Runs the program, which must succeed.
    pub(crate) fn succeed(&self, arguments: &[&str]) -> Outcome {
        let outcome = self.run(arguments);
        assert_eq!(outcome.code, Some(0), "{arguments:?}: {}", outcome.stderr);
        outcome
    }

    /// Reproduces `tiny`, with more options.
    pub(crate) fn reproduce(&self, options: &[&str]) -> Outcome {
        self.succeed(&[&["reproduce", "tiny", "--profile", "tiny"], options].concat())
    }

    pub(crate) fn results(&self, folder: &str) -> (Vec<RunRow>, Vec<EpochRow>) {
        let results = Results::new(&self.path(folder), "tiny");
        (results.runs().unwrap(), results.epochs().unwrap())
    }

    /// The files below `folder` with what is in them.
    pub(crate) fn contents(&self, folder: &str) -> Vec<(PathBuf, Vec<u8>)> {
        let mut contents = Vec::new();
        collect(&self.path(folder), &mut contents);
        contents.sort();
        contents
    }
}

fn collect(folder: &Path, contents: &mut Vec<(PathBuf, Vec<u8>)>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect(&path, contents);
        } else {
            let bytes = fs::read(&path).unwrap();
            contents.push((path, bytes));
        }
    }
}
