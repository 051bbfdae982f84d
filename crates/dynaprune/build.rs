//! Tells the binary which version of the code it is, `DYNAPRUNE_CODE_VERSION`, and what compiled it,
//! `DYNAPRUNE_RUSTC_VERSION`.

use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;

/// What the binary is made of, relative to the workspace.
const SOURCES: &[&str] = &["crates", "Cargo.toml", "Cargo.lock"];

fn main() {
    let here = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").unwrap_or_default());
    let root = here.join("../..");
    for source in SOURCES {
        // Cargo calls a file that is not there changed each time.
        if root.join(source).exists() {
            println!("cargo::rerun-if-changed={}", root.join(source).display());
        }
    }
    let package = env::var("CARGO_PKG_VERSION").unwrap_or_default();
    let version = commit(&root).map_or(package.clone(), |commit| format!("{package} ({commit})"));
    println!("cargo::rustc-env=DYNAPRUNE_CODE_VERSION={version}");
    println!("cargo::rustc-env=DYNAPRUNE_RUSTC_VERSION={}", rustc());
}

/// `rustc 1.95.0`, or only `rustc` if it does not tell.
fn rustc() -> String {
    let program = env::var_os("RUSTC").unwrap_or_default();
    let output = Command::new(program).arg("--version").output().ok();
    let text = output.and_then(|output| String::from_utf8(output.stdout).ok());
    let words: Vec<&str> = text.iter().flat_map(|text| text.split_whitespace()).take(2).collect();
    if words.is_empty() {
        "rustc".to_owned()
    } else {
        words.join(" ")
    }
}

/// The commit, with `-dirty` if a source differs from it; `None` outside of our own git repository.
fn commit(root: &Path) -> Option<String> {
    let top = PathBuf::from(git(root, &["rev-parse", "--show-toplevel"])?);
    if top.canonicalize().ok()? != root.canonicalize().ok()? {
        return None;
    }
    // Moves with every commit and checkout, unlike `HEAD`, which only names the branch.
    let log = git(root, &["rev-parse", "--git-path", "logs/HEAD"])?;
    if root.join(&log).exists() {
        println!("cargo::rerun-if-changed={}", root.join(&log).display());
    }
    let commit = git(root, &["describe", "--always", "--abbrev=12"])?;
    let mut status = vec!["status", "--porcelain", "--"];
    status.extend(SOURCES);
    let clean = git(root, &status)?.is_empty();
    Some(if clean { commit } else { commit + "-dirty" })
}

fn git(root: &Path, arguments: &[&str]) -> Option<String> {
    let output = Command::new("git").arg("-C").arg(root).args(arguments).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    output.status.success().then(|| text.trim().to_owned())
}
