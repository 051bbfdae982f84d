//! What was submitted: a folder each, `<results>/<profile>/jobs/<recipe>-<time>/`.
//!
//! It has all that a task needs: `cells.txt` with a line a task, the script, and the program as it was, so that a build while tasks
//! wait changes nothing for them. `submission.json` says which jobs came of it; `logs/` is where their tasks write.

use super::grid::Grid;
use anyhow::{Result, anyhow, bail};
use serde::{Deserialize, Serialize};
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// The file that is written last.
const RECORD: &str = "submission.json";

/// What is known of a submission.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Submission {
    /// `slurm` or `kubernetes`.
    pub(crate) scheduler: String,
    /// The name of its jobs.
    pub(crate) job_name: String,
    /// The recipe, as its tasks name it.
    pub(crate) recipe: String,
    /// The profile, likewise.
    pub(crate) profile: String,
    /// `--seeds`, if it was given.
    pub(crate) seeds: Option<u32>,
    /// UTC, ISO 8601.
    pub(crate) submitted_at: String,
    /// The array jobs.
    pub(crate) arrays: Vec<SubmittedArray>,
}

/// An array job of a submission.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct SubmittedArray {
    /// The scheduler's name for it.
    pub(crate) job: String,
    /// Task i of it has line `offset` + i of `cells.txt`, both from 0.
    pub(crate) offset: usize,
    /// How many tasks it has.
    pub(crate) tasks: usize,
}

/// The folder of a submission.
#[derive(Clone, Debug)]
pub(crate) struct JobFolder {
    path: PathBuf,
}

impl JobFolder {
    /// The folder for what is submitted at `time`. Touches nothing on the disk.
    pub(crate) fn new(results: &Path, grid: &Grid, time: SystemTime) -> Self {
        let time = humantime::format_rfc3339_seconds(time)
            .to_string()
            .replace(['-', ':'], "");
        let name = format!("{}-{time}", grid.recipe.name);
        Self {
            path: all(results, &grid.profile.name).join(name),
        }
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// The lines of tasks.
    pub(crate) fn cells(&self) -> PathBuf {
        self.path.join("cells.txt")
    }

    /// Where tasks write.
    pub(crate) fn logs(&self) -> PathBuf {
        self.path.join("logs")
    }

    /// The copy of the program.
    pub(crate) fn program(&self) -> PathBuf {
        self.path.join(format!("dynaprune{}", std::env::consts::EXE_SUFFIX))
    }

    /// Makes the folder, which must be new.
    pub(crate) fn create(&self) -> Result<()> {
        let parent = self.path.parent().unwrap_or(Path::new(""));
        let made = fs::create_dir_all(parent).and_then(|()| fs::create_dir(&self.path));
        match made {
            Ok(()) => {}
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {
                bail!(
                    "`{}` is there already: something was submitted this second",
                    self.path.display()
                )
            }
            Err(error) => return Err(anyhow!("cannot make `{}`: {error}", self.path.display())),
        }
        let logs = self.logs();
        fs::create_dir(&logs).map_err(|error| anyhow!("cannot make `{}`: {error}", logs.display()))
    }

    /// Copies this program into the folder.
    pub(crate) fn copy_program(&self) -> Result<()> {
        let copy = self.program();
        std::env::current_exe()
            .and_then(|program| fs::copy(program, &copy))
            .map_err(|error| anyhow!("cannot copy this program to `{}`: {error}", copy.display()))?;
        Ok(())
    }

    /// Writes a file of the folder, whole.
    pub(crate) fn write(&self, name: &str, text: &str) -> Result<PathBuf> {
        let path = self.path.join(name);
        dynaprune_files::write(&path, text.as_bytes())
            .map_err(|error| anyhow!("cannot write `{}`: {error}", path.display()))?;
        Ok(path)
    }

    /// Says what came of it.
    pub(crate) fn record(&self, submission: &Submission) -> Result<()> {
        self.write(RECORD, &(serde_json::to_string_pretty(submission)? + "\n"))?;
        Ok(())
    }

    /// The ids of the cells of each task.
    pub(crate) fn tasks(&self) -> Result<Vec<Vec<String>>> {
        let path = self.cells();
        let text = fs::read_to_string(&path).map_err(|error| anyhow!("cannot read `{}`: {error}", path.display()))?;
        let words = |line: &str| line.split_whitespace().map(str::to_owned).collect();
        Ok(text.lines().map(words).collect())
    }
}

/// What was submitted in a profile, the oldest first. A folder without a record was left by a submission that failed.
pub(crate) fn recorded(results: &Path, profile: &str) -> Result<Vec<(JobFolder, Submission)>> {
    let entries = all(results, profile).read_dir().into_iter().flatten().flatten();
    let mut folders: Vec<PathBuf> = entries.map(|entry| entry.path()).collect();
    folders.retain(|folder| folder.join(RECORD).is_file());
    folders.sort();
    let mut submissions = Vec::with_capacity(folders.len());
    for path in folders {
        let record = path.join(RECORD);
        let text =
            fs::read_to_string(&record).map_err(|error| anyhow!("cannot read `{}`: {error}", record.display()))?;
        let submission: Submission = serde_json::from_str(&text)
            .map_err(|error| anyhow!("{}: expected the record of a submission: {error}", record.display()))?;
        submissions.push((JobFolder { path }, submission));
    }
    submissions.sort_by(|(a, one), (b, other)| (&one.submitted_at, &a.path).cmp(&(&other.submitted_at, &b.path)));
    Ok(submissions)
}

/// The folder with the folders of all submissions.
fn all(results: &Path, profile: &str) -> PathBuf {
    results.join(profile).join("jobs")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_recorded_is_read_again() {
        let results = tempfile::tempdir().unwrap();
        let folder = |name: &str| JobFolder {
            path: all(results.path(), "smoke").join(name),
        };
        assert!(recorded(results.path(), "smoke").unwrap().is_empty());
        let submission = |at: &str| Submission {
            scheduler: "slurm".to_owned(),
            job_name: "dynaprune-fig1-smoke".to_owned(),
            recipe: "fig1".to_owned(),
            profile: "smoke".to_owned(),
            seeds: Some(1),
            submitted_at: at.to_owned(),
            arrays: vec![SubmittedArray {
                job: "17".to_owned(),
                offset: 0,
                tasks: 2,
            }],
        };
        for (name, at) in [("fig2-2", "2026-01-31T12:00:00Z"), ("fig1-3", "2026-01-31T12:00:01Z")] {
            folder(name).create().unwrap();
            folder(name).write("cells.txt", "a b\nc\n").unwrap();
            folder(name).record(&submission(at)).unwrap();
        }
        folder("failed").create().unwrap();
        let found = recorded(results.path(), "smoke").unwrap();
        let times: Vec<&str> = found
            .iter()
            .map(|(_, submission)| submission.submitted_at.as_str())
            .collect();
        assert_eq!(times, ["2026-01-31T12:00:00Z", "2026-01-31T12:00:01Z"]);
        assert_eq!(found[1].1, submission("2026-01-31T12:00:01Z"));
        assert_eq!(found[0].0.tasks().unwrap(), [vec!["a", "b"], vec!["c"]]);
        let error = folder("fig1-3").create().unwrap_err().to_string();
        assert!(error.contains("is there already"), "{error}");
        fs::write(folder("fig1-3").path().join(RECORD), "{}").unwrap();
        let error = recorded(results.path(), "smoke").unwrap_err().to_string();
        assert!(
            error.contains("submission.json: expected the record of a submission"),
            "{error}"
        );
    }
}
