//! SIGTERM at every moment of a sweep.

use crate::sweep::Sweep;
use std::os::unix::process::ExitStatusExt as _;
use std::process::Command;
use std::time::{Duration, Instant};

/// EX_TEMPFAIL: the sweep was stopped and can go on.
const STOPPED: i32 = 75;

fn terminate(pid: u32) {
    let status = Command::new("kill").args(["-TERM", &pid.to_string()]).status().unwrap();
    assert!(status.success());
}

/// The sweep is started, stopped a little later than the time before, and so on until it ends by itself: stops fall into
/// planning, scoring, training, testing, storing, collecting and drawing.
#[test]
fn a_sweep_stops_in_every_phase_and_goes_on() {
    let sweep = Sweep::new();
    sweep.succeed("undisturbed", &[]);
    let undisturbed = sweep.finished("undisturbed");
    let (mut stops, mut slowest) = (0, Duration::ZERO);
    for patience in (0..).map(|i| Duration::from_millis(10 + 37 * i % 700)) {
        let mut worker = sweep.start("disturbed");
        std::thread::sleep(patience);
        if worker.try_wait().unwrap().is_none() {
            let clock = Instant::now();
            terminate(worker.id());
            let status = worker.wait().unwrap();
            slowest = slowest.max(clock.elapsed());
            match (status.code(), status.signal()) {
                (Some(STOPPED), _) => stops += 1,
                // Before it listened, or when all was done.
                (None, Some(15)) | (Some(0), _) => {}
                other => panic!("ended with {other:?}: {}", sweep.log("disturbed")),
            }
            if status.success() {
                break;
            }
        } else {
            assert!(worker.wait().unwrap().success(), "{}", sweep.log("disturbed"));
            break;
        }
    }
    println!("{stops} stops, the slowest took {slowest:?}");
    assert!(stops >= 10, "only {stops} stops");
    sweep.assert_equal("disturbed", &undisturbed);
    let text = sweep.log("disturbed");
    assert!(text.contains("hint: the same command goes on from here"), "{text}");
    assert!(text.contains(": goes on after"), "{text}");
}

#[test]
fn a_second_interrupt_ends_at_once() {
    let sweep = Sweep::new();
    let mut codes = Vec::new();
    for attempt in 0..20 {
        let mut worker = sweep.start("results");
        std::thread::sleep(Duration::from_millis(250 + 20 * attempt));
        let pid = worker.id().to_string();
        let _ = Command::new("kill").args(["-INT", &pid]).status();
        let _ = Command::new("kill").args(["-INT", &pid]).status();
        codes.push(worker.wait().unwrap().code());
        // The worker may have stopped for the first one before the second came.
        if codes.last() == Some(&Some(130)) {
            return;
        }
    }
    panic!("no worker ended at once: {codes:?}");
}
