//! The bench, for a moment at a time.

use crate::folder::Folder;
use serde_json::Value;

/// A quick look at one small network.
const QUICK: &[&str] = &["bench", "--only", "step/cnn-w8", "--seconds", "0.02", "--rounds", "1"];

fn rows(stdout: &str) -> Vec<Value> {
    stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn number(row: &Value, key: &str) -> f64 {
    row[key]
        .as_f64()
        .unwrap_or_else(|| panic!("no number `{key}` in {row}"))
}

#[test]
fn a_row_is_a_line_of_json() {
    let outcome = Folder::new().succeed(&[QUICK, &["--json", "--threads", "1"]].concat());
    let rows = rows(&outcome.stdout);
    let speed = &rows[0];
    assert_eq!(speed["name"], "step/cnn-w8-b32");
    assert_eq!(speed["unit"], "images/s");
    assert_eq!(speed["threads"], 1);
    for absent in [
        "peer",
        "ratio",
        "ratio_low",
        "ratio_high",
        "peer_gflops",
        "peer_program",
    ] {
        assert_eq!(speed.get(absent), Some(&Value::Null), "{absent}");
    }
    // The network does 0.7 MFLOP an image. What share of the peak that is depends on what else the machine does.
    let flops = 1e9 * number(speed, "gflops") / number(speed, "ours");
    assert!((0.5e6..1e6).contains(&flops), "{speed}");
    assert!(number(speed, "share_of_peak") > 0.0, "{speed}");
    assert!(speed["program"].as_str().unwrap().starts_with("dynaprune "), "{speed}");
    if cfg!(target_os = "linux") {
        let [_, memory] = rows.as_slice() else {
            panic!("{}", outcome.stdout)
        };
        assert_eq!(memory["name"], "step/cnn-w8-b32/memory");
        assert_eq!(memory["unit"], "MB");
        assert!((0.0..64.0).contains(&number(memory, "ours")), "{memory}");
    }
    assert!(
        outcome.stderr.contains("\n[1/1] step/cnn-w8-b32: "),
        "{}",
        outcome.stderr
    );
}

#[test]
fn without_json_it_is_a_table() {
    let outcome = Folder::new().succeed(QUICK);
    let lines: Vec<&str> = outcome.stdout.lines().collect();
    let [title, header, row] = lines.as_slice() else {
        panic!("{}", outcome.stdout)
    };
    assert_eq!(*title, "training step");
    assert!(header.contains("images/s") && !header.contains("peer"), "{header}");
    assert!(row.starts_with("  step/cnn-w8-b32 "), "{row}");
}

#[test]
fn unknown_names_list_the_known_ones() {
    let outcome = Folder::new().run(&["bench", "--only", "conv/", "--only", "vgg"]);
    assert_eq!(outcome.code, Some(2));
    assert!(
        outcome
            .stderr
            .starts_with("error: nothing to measure has `vgg` in its name\n\nhint: there are\n\n  gemm/2048\n"),
        "{}",
        outcome.stderr
    );
}

#[test]
fn a_page_to_write_to_must_be_there() {
    let folder = Folder::new();
    for page in [None, Some("no markers")] {
        if let Some(page) = page {
            std::fs::create_dir_all(folder.path("docs")).unwrap();
            folder.write("docs/performance.md", page);
        }
        let outcome = folder.run(&["bench", "--write"]);
        assert_eq!(outcome.code, Some(2));
        assert!(outcome.stderr.contains("performance.md"), "{}", outcome.stderr);
        assert!(!outcome.stderr.contains("GFLOP/s"), "measured: {}", outcome.stderr);
    }
}

#[test]
fn an_interpreter_must_be_there() {
    let outcome = Folder::new().run(&[QUICK, &["--peer-python", "nowhere/python"]].concat());
    assert_eq!(outcome.code, Some(2));
    assert!(
        outcome
            .stderr
            .starts_with("error: no such file: `nowhere/python`\n\nhint: "),
        "{}",
        outcome.stderr
    );
}

/// The whole of it, with PyTorch: in an interpreter that has it.
#[test]
fn pytorch_is_measured_too() {
    let Some(python) = std::env::var_os("DYNAPRUNE_PEER_PYTHON") else {
        return;
    };
    let python = python.to_str().unwrap();
    let options = ["--peer-python", python, "--json", "--only", "inference/resnet8"];
    let outcome = Folder::new().succeed(&[QUICK, &options].concat());
    let rows = rows(&outcome.stdout);
    for name in ["step/cnn-w8-b32", "inference/resnet8-w16-b128"] {
        let row = rows.iter().find(|row| row["name"] == name).unwrap();
        assert!(row["peer_program"].as_str().unwrap().starts_with("PyTorch "), "{row}");
        let [low, ratio, high] = ["ratio_low", "ratio", "ratio_high"].map(|key| number(row, key));
        assert!(0.0 < low && low <= ratio && ratio <= high, "{row}");
    }
}

/// Peers that are shell scripts.
#[cfg(unix)]
mod scripts {
    use super::{QUICK, number, rows};
    use crate::folder::{Folder, Outcome};
    use std::fs::{Permissions, set_permissions};
    use std::os::unix::fs::PermissionsExt as _;
    use std::process::Command;

    /// Takes a second for every step, and 10 MB.
    const SLOW: &str = r#"#!/bin/sh
while read -r request; do
    case "$request" in
    *'"start"'*) echo '{"reply":"ready","program":"a shell","setting":"slow"}' ;;
    *'"run"'*) echo '{"reply":"ran","steps":3,"seconds_per_step":1.0}' ;;
    *) echo '{"reply":"finished","peak_memory":10000000}' ;;
    esac
done
"#;

    /// Installs nothing, and is the slow peer once `pip install` was called.
    const PYTHON: &str = r#"#!/bin/sh
case "$*" in
--version) ;;
*venv*)
    for folder; do :; done
    /bin/mkdir -p "$folder/bin" && /bin/cp "$0" "$folder/bin/python"
    ;;
*pip*torch==*) PIP ;;
*) exec /bin/sh "$PEER" ;;
esac
"#;

    impl Folder {
        fn script(&self, name: &str, text: &str) {
            // By another process: a file that this one has open for writing cannot be run, and the children of other
            // tests have it open for a moment too.
            let (source, script) = (self.path("script"), self.path(name));
            self.write("script", text);
            assert!(Command::new("cp").args([&source, &script]).status().unwrap().success());
            set_permissions(script, Permissions::from_mode(0o755)).unwrap();
        }
    }

    fn with(peer: &str, options: &[&str]) -> Outcome {
        let folder = Folder::new();
        folder.script("peer", peer);
        folder.run(&[QUICK, &["--peer-python", "peer"], options].concat())
    }

    #[test]
    fn the_ratio_says_how_much_faster_ours_is() {
        let outcome = with(SLOW, &["--json", "--only", "gemm"]);
        let rows = rows(&outcome.stdout);
        let row = |name: &str| rows.iter().find(|row| row["name"] == name).unwrap();

        let speed = row("step/cnn-w8-b32");
        assert_eq!(number(speed, "peer"), 32.0);
        let [low, ratio, high] = ["ratio_low", "ratio", "ratio_high"].map(|key| number(speed, key));
        assert!(low <= ratio && ratio <= high, "{speed}");
        assert!(
            ratio > 1.0 && (0.5..2.0).contains(&(ratio / number(speed, "ours") * 32.0)),
            "{speed}"
        );
        assert_eq!(
            (&speed["peer_program"], &speed["peer_setting"]),
            (&"a shell".into(), &"slow".into())
        );

        let product = row("gemm/2048");
        let expected = 2.0 * 2048f64.powi(3) / 1e9;
        assert!((number(product, "peer") - expected).abs() < 1e-6, "{product}");
        if cfg!(target_os = "linux") {
            let memory = row("step/cnn-w8-b32/memory");
            assert_eq!(number(memory, "peer"), 10.0);
        }
    }

    #[test]
    fn a_peer_that_ends_early_is_quoted() {
        let outcome = with("#!/bin/sh\necho out of memory >&2; exit 3\n", &[]);
        assert_eq!(outcome.code, Some(1));
        assert_eq!(
            outcome.stderr,
            "error: `gemm/2048`: the peer ended early (exit status: 3); it said:\n\n  out of memory\n"
        );
    }

    #[test]
    fn a_peer_may_say_what_is_wrong() {
        let reply = r#"{"reply":"failed","message":"cannot import torch"}"#;
        let outcome = with(&format!("#!/bin/sh\nread -r request; echo '{reply}'\n"), &[]);
        assert_eq!(outcome.code, Some(1));
        assert_eq!(outcome.stderr, "error: `gemm/2048`: the peer: cannot import torch\n");
    }

    #[test]
    fn a_peer_that_does_not_know_the_protocol_is_refused() {
        let outcome = with("#!/bin/sh\nread -r request; echo hello\n", &[]);
        assert_eq!(outcome.code, Some(1));
        assert!(
            outcome
                .stderr
                .starts_with("error: `gemm/2048`: the peer answered `hello`: "),
            "{}",
            outcome.stderr
        );
        let outcome = with("#!/bin/sh\nread -r request; echo '{\"reply\":\"finished\"}'\n", &[]);
        assert!(
            outcome.stderr.contains("the peer answered out of turn"),
            "{}",
            outcome.stderr
        );
    }

    #[test]
    fn networks_that_differ_are_not_compared() {
        let ready = r#""program":"a shell""#;
        let outcome = with(&SLOW.replace(ready, &format!(r#"{ready},"parameters":7"#)), &[]);
        assert_eq!(outcome.code, Some(1));
        assert!(
            outcome
                .stderr
                .contains("error: `step/cnn-w8-b32`: the networks differ: ")
                && outcome.stderr.contains(" 7 of the peer"),
            "{}",
            outcome.stderr
        );
    }

    #[test]
    fn without_python_there_is_no_peer() {
        let outcome = Folder::new().run_with_commands("nothing", &["bench", "--peer", "--peer-dir", "here"]);
        assert_eq!(outcome.code, Some(2));
        assert!(
            outcome.stderr.starts_with("error: no Python here: ") && outcome.stderr.contains("\n\nhint: "),
            "{}",
            outcome.stderr
        );
    }

    #[test]
    fn an_installation_that_fails_is_quoted() {
        let folder = Folder::new();
        std::fs::create_dir(folder.path("bin")).unwrap();
        let pip = "echo some progress; echo ERROR: no matching distribution >&2; exit 1";
        folder.script("bin/python3", &PYTHON.replace("PIP", pip));
        let outcome = folder.run_with_commands("bin", &["bench", "--peer", "--peer-dir", "here"]);
        assert_eq!(outcome.code, Some(1));
        assert!(
            outcome.stderr.contains("error: `pip install torch=="),
            "{}",
            outcome.stderr
        );
        assert!(
            outcome.stderr.contains("  ERROR: no matching distribution\n\nhint: "),
            "{}",
            outcome.stderr
        );
    }

    #[test]
    fn pytorch_is_installed_once() {
        let folder = Folder::new();
        std::fs::create_dir(folder.path("bin")).unwrap();
        folder.script(
            "peer",
            "#!/bin/sh\nread -r request; echo '{\"reply\":\"failed\",\"message\":\"here\"}'\n",
        );
        let peer = folder.path("peer").display().to_string();
        folder.script("bin/python3", &PYTHON.replace("PIP", "exit 0").replace("$PEER", &peer));
        for installs in [true, false] {
            let outcome = folder.run_with_commands("bin", &["bench", "--peer", "--peer-dir", "here"]);
            assert_eq!(
                outcome.stderr.contains("installing PyTorch "),
                installs,
                "{}",
                outcome.stderr
            );
            assert!(
                outcome.stderr.ends_with("error: `gemm/2048`: the peer: here\n"),
                "{}",
                outcome.stderr
            );
        }
    }
}
