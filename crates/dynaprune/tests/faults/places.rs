//! Places that cannot be written or are full, and files that are damaged.

use crate::sweep::{RUNS, Sweep, flip};
use dynaprune_report::RunRows;
use std::collections::BTreeMap;
use std::fs;
use std::process::Output;

/// Runs the sweep where `mount` has put something over the folder `results`, in a mount namespace of its own.
fn mounted(sweep: &Sweep, mount: &str) -> Output {
    fs::create_dir_all(sweep.path("results")).unwrap();
    let script = format!("{mount} && exec \"$@\"");
    let by = [
        "unshare",
        "--user",
        "--map-root-user",
        "--mount",
        "sh",
        "-c",
        &script,
        "sh",
    ];
    sweep.wrapped(&by, "results", &[]).output().unwrap()
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn a_folder_that_cannot_be_written_is_told_before_any_run() {
    let sweep = Sweep::new();
    let output = mounted(
        &sweep,
        "mount --bind results results && mount -o remount,bind,ro results",
    );
    let text = stderr(&output);
    assert_eq!(output.status.code(), Some(1), "{text}");
    assert!(
        text.contains("error: cannot write") && text.contains("Read-only file system"),
        "{text}"
    );
    assert!(!text.contains("[ 1/"), "a run was made: {text}");
}

/// Finished runs that cannot be collected there can be looked at.
#[test]
fn a_folder_that_cannot_be_written_is_shown() {
    let sweep = Sweep::new();
    sweep.succeed("results", &["--no-figure"]);
    let output = mounted(
        &sweep,
        "mount --bind results results && mount -o remount,bind,ro results",
    );
    let text = stderr(&output);
    assert!(output.status.success(), "{text}");
    assert!(
        text.contains("note: finished runs are not collected: cannot write"),
        "{text}"
    );
    assert!(!sweep.results("results").runs_path().exists());
    assert!(text.contains("\nwrote "), "{text}");
}

/// The disk is full after some runs: an error that says so, the finished runs are whole, and with room the sweep goes on.
#[test]
fn a_full_disk_loses_nothing_that_was_finished() {
    let sweep = Sweep::new();
    // The namespace ends with the process: what was on its disk is copied out.
    let script = "mount -t tmpfs -o size=400k none results && (\"$@\"; code=$?; cp -a results saved; exit $code)";
    fs::create_dir_all(sweep.path("results")).unwrap();
    let by = [
        "unshare",
        "--user",
        "--map-root-user",
        "--mount",
        "sh",
        "-c",
        script,
        "sh",
    ];
    let output = sweep.wrapped(&by, "results", &[]).output().unwrap();
    let text = stderr(&output);
    assert_eq!(output.status.code(), Some(1), "{text}");
    assert!(text.contains("No space left on device"), "{text}");
    let finished = sweep.finished("saved");
    assert!(
        (1..RUNS).contains(&finished.len()),
        "{} runs were finished: {text}",
        finished.len()
    );
    let cells = sweep.cells("saved");
    let text = sweep.succeed("saved", &[]);
    assert!(!text.contains("damaged"), "{text}");
    let after = sweep.cells("saved");
    assert!(
        cells.iter().all(|(path, bytes)| after.get(path) == Some(bytes)),
        "a finished run was made again"
    );
    sweep.succeed("undisturbed", &[]);
    sweep.assert_equal("saved", &sweep.finished("undisturbed"));
}

/// Every kind of file of a half-finished sweep is damaged, one after the other: the sweep says so and ends as an undisturbed
/// one does.
#[test]
fn damaged_files_are_told_and_made_again() {
    let sweep = Sweep::new();
    sweep.succeed("undisturbed", &[]);
    let undisturbed = sweep.finished("undisturbed");
    let cell = sweep.cells("undisturbed").into_keys().next().unwrap();
    let id = cell.file_stem().unwrap().to_str().unwrap().to_owned();

    // A cell that is damaged and not collected.
    fs::remove_file(sweep.path("undisturbed/tiny/runs.parquet")).unwrap();
    for at in [0, 700, 5000] {
        flip(&cell, at);
    }
    let text = sweep.succeed("undisturbed", &[]);
    assert!(
        text.contains(&format!("{id}.tar` is damaged")) && text.contains("1 to do"),
        "{text}"
    );
    sweep.assert_equal("undisturbed", &undisturbed);

    // Parquet files that are damaged: nothing is drawn from them or written over them until they are made again.
    for name in ["runs.parquet", "epochs.parquet", "selections.parquet"] {
        let path = sweep.path("undisturbed/tiny").join(name);
        let whole = fs::read(&path).unwrap();
        for damage in [whole[..whole.len() / 2].to_vec(), Vec::new()] {
            fs::write(&path, damage).unwrap();
            let output = sweep.run("undisturbed", &[]);
            let text = stderr(&output);
            assert_eq!(output.status.code(), Some(1), "{name}: {text}");
            assert!(
                text.contains(name) && text.contains("hint: `cargo xtask runs rebuild`"),
                "{text}"
            );
            sweep.verb(&["runs", "rebuild", "--results", "undisturbed"]);
            assert!(fs::read(&path).unwrap() == whole, "{name} was not made again as it was");
        }
    }

    // A score table: the runs that need it fail with its name, the others are made, and a new table is made on demand.
    let text = sweep.succeed("tables", &["--cell", &id]);
    assert!(!text.contains("failed"), "{text}");
    sweep.succeed("tables", &[]);
    let mut tables: Vec<_> = sweep
        .path("tables/tiny/scores")
        .read_dir()
        .unwrap()
        .map(|e| e.unwrap().path())
        .collect();
    tables.retain(|path| path.is_file());
    let static_runs: Vec<String> = undisturbed
        .iter()
        .filter(|(_, rows)| rows.runs[0].method_label.starts_with("el2n"))
        .map(|(id, _)| id.clone())
        .collect();
    let mut remove = vec!["runs", "rm", "--results", "tables"];
    remove.extend(static_runs.iter().map(String::as_str));
    sweep.verb(&remove);
    let table = fs::read(&tables[0]).unwrap();
    fs::write(&tables[0], &table[..table.len() / 2]).unwrap();
    let output = sweep.run("tables", &[]);
    let text = stderr(&output);
    assert_eq!(output.status.code(), Some(1), "{text}");
    let name = tables[0].file_name().unwrap().to_str().unwrap();
    assert!(
        text.contains("failed") && text.contains(name) && text.contains("is set aside"),
        "{text}"
    );
    assert!(tables[0].with_added_extension("damaged").is_file());
    sweep.succeed("tables", &[]);
    sweep.assert_equal("tables", &undisturbed);

    // A scoring run, when the table is to be made from it again.
    let scoring = sweep
        .path("tables/tiny/scores/runs")
        .read_dir()
        .unwrap()
        .map(|entry| entry.unwrap().path());
    let scoring = scoring.min().unwrap();
    let whole = fs::read(&scoring).unwrap();
    fs::write(&scoring, &whole[..whole.len() / 2]).unwrap();
    fs::remove_file(&tables[0]).unwrap();
    sweep.verb(&remove);
    let output = sweep.run("tables", &[]);
    let text = stderr(&output);
    assert_eq!(output.status.code(), Some(1), "{text}");
    assert!(
        text.contains("left out, its scores could not be made or read") && text.contains("is set aside"),
        "{text}"
    );
    sweep.succeed("tables", &[]);
    sweep.assert_equal("tables", &undisturbed);

    // A failure is kept until it is retried, even if it cannot be read.
    let failed = sweep.path("tables/tiny/failed");
    fs::create_dir_all(&failed).unwrap();
    sweep.verb(&["runs", "rm", "--results", "tables", &id]);
    fs::write(failed.join(format!("{id}.json")), "{half").unwrap();
    let text = stderr(&sweep.run("tables", &[]));
    assert!(text.contains(", before: ") && text.contains("--retry-failed"), "{text}");
    sweep.succeed("tables", &["--retry-failed"]);
    sweep.assert_equal("tables", &undisturbed);
}

/// A run that is made again in the place of a damaged cell goes on from its checkpoint as any other.
#[test]
fn a_run_with_a_damaged_cell_goes_on_where_it_was_stopped() {
    let sweep = Sweep::new();
    sweep.succeed("results", &[]);
    let finished = sweep.finished("results");
    let id = run(&finished, "ucb");
    for _ in 0..20 {
        flip(&sweep.results("results").cell_path(id), 700);
        let _ = fs::remove_file(sweep.path("results/tiny/runs.parquet"));
        let mut worker = sweep.start("results");
        let has_kept = || sweep.manifests("results").get(id).is_some_and(|&count| count > 0);
        sweep.wait_until(&mut worker, has_kept);
        let _ = worker.kill();
        worker.wait().unwrap();
        // It may have ended before it was killed.
        if has_kept() {
            let text = sweep.succeed("results", &[]);
            assert!(text.contains("digits ucb s=0.5 seed 0: goes on after"), "{text}");
            sweep.assert_equal("results", &finished);
            return;
        }
    }
    panic!("no worker was killed in time: {}", sweep.log("results"));
}

/// The run with these selections failed, and its cell is damaged: what counts them is left out, and has not failed itself.
#[test]
fn what_counts_a_damaged_run_that_failed_is_left_out() {
    let sweep = Sweep::new();
    sweep.succeed("results", &[]);
    let finished = sweep.finished("results");
    let (counted, counts) = (run(&finished, "ucb"), run(&finished, "counts of ucb"));
    let results = sweep.results("results");
    results.remove(&[counts].into()).unwrap();
    fs::remove_file(results.runs_path()).unwrap();
    flip(&results.cell_path(counted), 700);
    let failed = |id: &str| sweep.path("results/tiny/failed").join(format!("{id}.json"));
    fs::create_dir_all(sweep.path("results/tiny/failed")).unwrap();
    fs::write(failed(counted), "{half").unwrap();
    let output = sweep.run("results", &[]);
    let text = stderr(&output);
    assert_eq!(output.status.code(), Some(1), "{text}");
    assert!(
        text.contains("counts of ucb s=0.5 seed 0: left out, the run that it counts failed"),
        "{text}"
    );
    assert!(
        text.contains("error: 1 run failed:") && !failed(counts).exists(),
        "{text}"
    );
    sweep.succeed("results", &["--retry-failed"]);
    sweep.assert_equal("results", &finished);
}

/// Another process begins afresh after a sweep was planned that counts one of its runs: it is planned once more.
#[test]
fn what_is_set_aside_meanwhile_is_made_again() {
    let sweep = Sweep::new();
    sweep.succeed("results", &[]);
    let finished = sweep.finished("results");
    let (counted, counts) = (run(&finished, "ucb"), run(&finished, "counts of ucb"));
    let results = sweep.results("results");
    results.remove(&[counts].into()).unwrap();
    let lock = sweep.lock("results");
    let mut worker = sweep.start_locked_out("results");
    fs::remove_file(results.cell_path(counted)).unwrap();
    fs::remove_file(results.runs_path()).unwrap();
    drop(lock);
    assert!(worker.wait().unwrap().success(), "{}", sweep.log("results"));
    let text = sweep.log("results");
    assert!(text.contains(", 1 to do\n") && text.contains(", 2 to do\n"), "{text}");
    sweep.assert_equal("results", &finished);
}

/// The run of a method, with the seed 0.
fn run<'a>(finished: &'a BTreeMap<String, RunRows>, label: &str) -> &'a str {
    let is_it = |rows: &RunRows| rows.runs[0].method_label == label && rows.runs[0].seed == 0;
    finished.iter().find(|(_, rows)| is_it(rows)).unwrap().0
}

/// A checkpoint that is damaged while nobody looks: the run says so and goes on from the one before.
#[test]
fn a_damaged_checkpoint_is_told_and_the_one_before_is_used() {
    let sweep = Sweep::new();
    sweep.succeed("undisturbed", &[]);
    let undisturbed = sweep.finished("undisturbed");
    let mut noticed = 0;
    for attempt in 0..20 {
        let results = format!("disturbed{attempt}");
        let mut worker = sweep.start(&results);
        // Somewhere in the sweep, where there are two.
        std::thread::sleep(std::time::Duration::from_millis(100 * attempt));
        sweep.wait_until(&mut worker, || {
            sweep.manifests(&results).values().any(|&count| count == 2)
        });
        let _ = worker.kill();
        worker.wait().unwrap();
        let checkpoints = sweep
            .path(&results)
            .join("tiny/checkpoints")
            .read_dir()
            .into_iter()
            .flatten()
            .flatten();
        let mut files: Vec<_> = checkpoints
            .flat_map(|run| run.path().read_dir().into_iter().flatten().flatten())
            .map(|entry| entry.path())
            .filter(|path| path.extension().is_some_and(|end| end == "safetensors"))
            .collect();
        files.sort();
        if files.len() < 2 {
            continue;
        }
        flip(&files[files.len() - 1], 1000 + attempt as usize * 77);
        let text = sweep.succeed(&results, &[]);
        // Killed between its numbers and its manifest, it would not have been a checkpoint anyway.
        noticed += u32::from(text.contains("BLAKE3 sum") && text.contains(": goes on after"));
        sweep.assert_equal(&results, &undisturbed);
        if noticed >= 3 {
            return;
        }
    }
    panic!("a damaged checkpoint was noticed {noticed} times in 20 attempts");
}
