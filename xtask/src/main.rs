//! `cargo xtask ...`: builds the `dynaprune` binary and hands over to it.
//!
//! `DYNAPRUNE_FEATURES=hub` builds it with cargo features of its own.
//! All logic is in the binary, so that it also runs where there is no Rust. This crate has no
//! dependencies: it is built before anything else on a fresh machine.

use std::env;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

fn main() -> ExitCode {
    let root = workspace_root();
    match build(&root).and_then(|program| hand_over(&program, &root)) {
        Ok(code) => code,
        Err(failure) => {
            eprintln!("error: {}", failure.message);
            failure.code
        }
    }
}

struct Failure {
    message: String,
    code: ExitCode,
}

impl Failure {
    fn new(message: String) -> Self {
        Self {
            message,
            code: ExitCode::FAILURE,
        }
    }
}

fn workspace_root() -> PathBuf {
    // Cargo sets the variable when it runs us, which is right even if the workspace has moved since the build.
    let here = env::var_os("CARGO_MANIFEST_DIR").unwrap_or_else(|| OsString::from(env!("CARGO_MANIFEST_DIR")));
    let here = PathBuf::from(here);
    here.parent().map_or_else(|| here.clone(), Path::to_path_buf)
}

/// Builds the binary in release mode and returns where it is.
fn build(root: &Path) -> Result<PathBuf, Failure> {
    let target = target_folder(root);
    let mut cargo = Command::new(env::var_os("CARGO").unwrap_or_else(|| OsString::from("cargo")));
    cargo
        .args([
            "build",
            "--release",
            "--locked",
            "--package",
            "dynaprune",
            "--bin",
            "dynaprune",
        ])
        .arg("--manifest-path")
        .arg(root.join("Cargo.toml"))
        .arg("--target-dir")
        .arg(&target);
    if let Some(features) = env::var_os("DYNAPRUNE_FEATURES") {
        cargo.arg("--features").arg(features);
    }
    // What cargo tells us about this package would look like a change to build scripts that read the same variables, and
    // have them run again.
    for (name, _) in env::vars_os() {
        let text = name.to_string_lossy();
        if text.starts_with("CARGO_PKG_") || text.starts_with("CARGO_MANIFEST_") {
            cargo.env_remove(&name);
        }
    }
    let status = cargo
        .status()
        .map_err(|error| Failure::new(format!("cannot start `{}`: {error}", cargo.get_program().display())))?;
    if !status.success() {
        let code = status
            .code()
            .and_then(|code| u8::try_from(code).ok())
            .map_or(ExitCode::FAILURE, ExitCode::from);
        let message = format!("`cargo build --release --package dynaprune` failed ({status}): nothing was run");
        return Err(Failure { message, code });
    }
    Ok(target
        .join("release")
        .join(format!("dynaprune{}", env::consts::EXE_SUFFIX)))
}

/// The target folder this program was built into, `<target>/debug/xtask`: so the choice of `CARGO_TARGET_DIR` or of a
/// configuration file holds for the binary too.
fn target_folder(root: &Path) -> PathBuf {
    let here = env::current_exe().ok();
    let target = here.as_deref().and_then(|path| path.ancestors().nth(2));
    target.map_or_else(|| root.join("target"), Path::to_path_buf)
}

#[cfg(unix)]
fn hand_over(program: &Path, root: &Path) -> Result<ExitCode, Failure> {
    use std::os::unix::process::CommandExt as _;
    let error = command(program, root).exec();
    Err(cannot_start(program, &error))
}

#[cfg(not(unix))]
fn hand_over(program: &Path, root: &Path) -> Result<ExitCode, Failure> {
    let status = command(program, root)
        .status()
        .map_err(|error| cannot_start(program, &error))?;
    Ok(status
        .code()
        .and_then(|code| u8::try_from(code).ok())
        .map_or(ExitCode::FAILURE, ExitCode::from))
}

fn command(program: &Path, root: &Path) -> Command {
    let mut command = Command::new(program);
    command.args(env::args_os().skip(1)).env("DYNAPRUNE_ROOT", root);
    command
}

fn cannot_start(program: &Path, error: &std::io::Error) -> Failure {
    Failure::new(format!("cannot start `{}`: {error}", program.display()))
}
