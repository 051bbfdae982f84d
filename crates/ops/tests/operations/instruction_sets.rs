//! The level of the processor is chosen once per process, so the other levels are tested in
//! processes of their own.

use dynaprune_ops::simd::Level;
use std::process::Command;

/// Runs the tests whose name contains `agrees_with_pytorch` or `each_sample_alone` with the level `name`.
fn run(name: &str) {
    let tests = std::env::current_exe().expect("the path of this program");
    let output = Command::new(tests)
        .args(["agrees_with_pytorch", "each_sample_alone", "--test-threads", "1"])
        .env("DYNAPRUNE_SIMD", name)
        .output()
        .expect("this program runs");
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "DYNAPRUNE_SIMD={name}:\n{text}");
    assert!(
        !text.contains(" 0 passed"),
        "DYNAPRUNE_SIMD={name} ran no test:\n{text}"
    );
}

#[test]
fn portable_kernels_agree() {
    run("portable");
}

#[test]
fn avx2_kernels_agree() {
    if Level::detect() >= Level::Avx2 {
        run("avx2");
    }
}
