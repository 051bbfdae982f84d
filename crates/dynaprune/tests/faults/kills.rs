//! `kill -9` at random moments.

use crate::sweep::{RUNS, Sweep};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

/// The next of a row of numbers that look random.
fn next(state: &mut u64) -> u64 {
    *state = state
        .wrapping_mul(6_364_136_223_846_793_005)
        .wrapping_add(1_442_695_040_888_963_407);
    *state >> 33
}

/// All runs are stored, and the process that stored the last one was killed before it collected them, or collects nothing as
/// the tasks of a cluster: the next command does, though it has nothing to make.
#[test]
fn runs_that_others_have_left_are_collected() {
    let sweep = Sweep::new();
    sweep.succeed("results", &["--no-figure"]);
    let runs = sweep.results("results").runs_path();
    assert!(!runs.exists(), "{} is there already", runs.display());
    let (stored, cells) = (sweep.finished("results"), sweep.cells("results"));
    assert_eq!(stored.len(), RUNS);
    let text = sweep.succeed("results", &[]);
    assert!(text.contains("all done"), "{text}");
    assert_eq!(sweep.cells("results"), cells);
    sweep.assert_equal("results", &stored);
}

/// Sweeps with one to four workers, any of which is killed again and again: no finished run is lost or made twice, and what
/// is left in the end is what an undisturbed sweep leaves.
#[test]
fn a_sweep_survives_being_killed() {
    let kills: usize = std::env::var("DYNAPRUNE_KILLS").map_or(16, |kills| kills.parse().expect("a number of kills"));
    let sweep = Sweep::new();
    sweep.succeed("undisturbed", &[]);
    let undisturbed = sweep.finished("undisturbed");
    assert_eq!(undisturbed.len(), RUNS);

    let (mut killed, mut state, mut sweeps, mut resumed) = (0, 1u64, 0, 0);
    while killed < kills {
        let results = format!("disturbed{sweeps}");
        let workers = 1 + sweeps % 4;
        // As many with four workers as with one; the last few of a sweep may end in peace.
        let most = kills.min(killed + kills.div_ceil(4));
        let mut cells: BTreeMap<PathBuf, Vec<u8>> = BTreeMap::new();
        let mut running: Vec<_> = (0..workers).map(|_| sweep.start(&results)).collect();
        while !running.is_empty() {
            std::thread::sleep(Duration::from_millis(30 + next(&mut state) % 400));
            let victim = next(&mut state) as usize % running.len();
            let worker = &mut running[victim];
            // However slow the machine, some are killed that have kept something.
            if killed % 4 == 0 && killed < most {
                sweep.wait_until(worker, || sweep.manifests(&results).values().any(|&count| count > 0));
            }
            match worker.try_wait().unwrap() {
                Some(status) => {
                    assert!(
                        status.success(),
                        "a worker ended with {status}: {}",
                        sweep.log(&results)
                    );
                    running.swap_remove(victim).wait().unwrap();
                }
                None if killed < most => {
                    worker.kill().unwrap();
                    worker.wait().unwrap();
                    *worker = sweep.start(&results);
                    killed += 1;
                }
                None => {}
            }
            let now = sweep.cells(&results);
            for (path, bytes) in &cells {
                assert!(
                    now.get(path) == Some(bytes),
                    "{} was lost or made again",
                    path.display()
                );
            }
            cells = now;
        }
        sweep.assert_equal(&results, &undisturbed);
        // What a worker says of a run that it has stored: of no run twice.
        let log = sweep.log(&results);
        let said = log
            .lines()
            .filter_map(|line| line.split_once("] ")?.1.split_once(": test "));
        let mut labels: Vec<&str> = said.map(|(label, _)| label).collect();
        let told = labels.len();
        labels.sort_unstable();
        labels.dedup();
        assert_eq!(labels.len(), told, "a run was made twice: {log}");
        sweeps += 1;
        resumed += log.matches(": goes on after").count();
    }
    println!("{killed} kills in {sweeps} sweeps of {RUNS} runs; {resumed} times a run went on from a checkpoint");
    assert!(resumed > 0, "no run ever went on from a checkpoint");
}
