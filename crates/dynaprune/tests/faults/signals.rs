//! SIGTERM at every moment of a sweep, and other orders to stop.

use crate::sweep::Sweep;
use signal_hook::consts::{SIGHUP, SIGINT};
use std::fs;
use std::os::unix::process::ExitStatusExt as _;
use std::process::Command;
use std::time::{Duration, Instant};

/// EX_TEMPFAIL: the sweep was stopped and can go on.
const STOPPED: i32 = 75;

fn send(signal: &str, pid: u32) {
    let status = Command::new("kill").args([signal, &pid.to_string()]).status().unwrap();
    assert!(status.success());
}

/// Whether the signal is in the sets of these names in what the system says of the process.
fn is_in(pid: u32, sets: &[&str], signal: i32) -> bool {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let has = |line: &str| {
        let (name, set) = line.split_once(':').unwrap();
        sets.contains(&name) && u64::from_str_radix(set.trim(), 16).unwrap() & (1 << (signal - 1)) != 0
    };
    status.lines().any(has)
}

/// The sweep is started, stopped a little later than the time before, and so on until it ends by itself: stops fall into
/// planning, scoring, training, testing, storing, collecting and drawing. However slow the machine, a sweep gets on in the end.
#[test]
fn a_sweep_stops_in_every_phase_and_goes_on() {
    let sweep = Sweep::new();
    sweep.succeed("undisturbed", &[]);
    let undisturbed = sweep.finished("undisturbed");
    let (mut stops, mut slowest) = (0, Duration::ZERO);
    let mut is_done = false;
    for patience in (0..200).map(|i| Duration::from_millis(10 + 37 * i % 700 + 37 * i / 700 * 200)) {
        let mut worker = sweep.start("disturbed");
        std::thread::sleep(patience);
        if worker.try_wait().unwrap().is_none() {
            let clock = Instant::now();
            send("-TERM", worker.id());
            let status = worker.wait().unwrap();
            slowest = slowest.max(clock.elapsed());
            match (status.code(), status.signal()) {
                (Some(STOPPED), _) => stops += 1,
                // Before it listened, or when all was done.
                (None, Some(15)) | (Some(0), _) => {}
                other => panic!("ended with {other:?}: {}", sweep.log("disturbed")),
            }
            is_done = status.success();
        } else {
            assert!(worker.wait().unwrap().success(), "{}", sweep.log("disturbed"));
            is_done = true;
        }
        if is_done {
            break;
        }
    }
    assert!(is_done, "{stops} stops, and it is not done");
    println!("{stops} stops, the slowest took {slowest:?}");
    assert!(stops >= 10, "only {stops} stops");
    sweep.assert_equal("disturbed", &undisturbed);
    let text = sweep.log("disturbed");
    assert!(text.contains("hint: the same command goes on from here"), "{text}");
    assert!(text.contains(": goes on after"), "{text}");
}

/// The worker waits for results that another process has locked, so that it ends of the second interrupt and of nothing else.
#[test]
fn a_second_interrupt_ends_at_once() {
    let sweep = Sweep::new();
    let _lock = sweep.lock("results");
    let mut worker = sweep.start_locked_out("results");
    let pid = worker.id();
    send("-INT", pid);
    // Of two that come at once the system keeps one.
    let is_told = || !is_in(pid, &["SigPnd", "ShdPnd", "SigBlk"], SIGINT);
    assert!(sweep.wait_until(&mut worker, is_told), "{}", sweep.log("results"));
    assert!(worker.try_wait().unwrap().is_none(), "{}", sweep.log("results"));
    send("-INT", pid);
    assert_eq!(worker.wait().unwrap().code(), Some(130), "{}", sweep.log("results"));
}

/// A terminal that is closed is an order to stop, but not to a worker that was started to outlive it.
#[test]
fn a_hangup_stops_what_was_not_started_by_nohup() {
    let sweep = Sweep::new();
    // What is started by a test that ignores hangups ignores them, too.
    let is_ignored = is_in(std::process::id(), &["SigIgn"], SIGHUP);
    let code = if is_ignored { 0 } else { STOPPED };
    for (by, code) in [(&[][..], code), (&["nohup"], 0)] {
        let lock = sweep.lock("results");
        let mut worker = sweep.start_locked_out_by(by, "results");
        send("-HUP", worker.id());
        drop(lock);
        assert_eq!(
            worker.wait().unwrap().code(),
            Some(code),
            "{by:?} {}",
            sweep.log("results")
        );
    }
}
