//! A virtual environment with PyTorch, made once.

use super::process::tail;
use crate::failure::BadInput;
use anyhow::{Result, anyhow, bail};
use std::env;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// The version that results are compared with.
const TORCH: &str = "2.15.0";

/// Builds for the CPU alone, a tenth of the size of those on PyPI for Linux.
const CPU_BUILDS: &str = "https://download.pytorch.org/whl/cpu";

/// Written last: an environment without it was interrupted.
const COMPLETE: &str = "complete";

/// The interpreter of the environment below `folder`, or below the default one; makes it if it is not there.
pub(super) fn interpreter(folder: Option<&Path>) -> Result<PathBuf> {
    let folder = match folder {
        Some(folder) => folder.to_owned(),
        None => default_folder()?,
    };
    let environment = std::path::absolute(folder.join(format!("torch-{TORCH}")))?;
    let python = match cfg!(windows) {
        true => environment.join("Scripts/python.exe"),
        false => environment.join("bin/python"),
    };
    if !environment.join(COMPLETE).is_file() {
        make(&environment, &python)?;
        let complete = environment.join(COMPLETE);
        fs::write(&complete, "").map_err(|error| anyhow!("cannot write `{}`: {error}", complete.display()))?;
    }
    Ok(python)
}

fn make(environment: &Path, python: &Path) -> Result<()> {
    let system = system_python()?;
    eprintln!("installing PyTorch {TORCH} into {} (once)", environment.display());
    let mut venv = Command::new(&system);
    venv.args(["-m", "venv", "--clear"]).arg(environment);
    let made = output(&mut venv)?;
    if !made.status.success() {
        bail!(
            "`{} -m venv` failed ({}){}",
            system.display(),
            made.status,
            tail(&said(&made))
        );
    }
    let pip = |more: &[&str]| {
        let mut pip = Command::new(python);
        pip.args(["-m", "pip", "install", "--disable-pip-version-check", "--quiet"])
            .args(more)
            .arg(format!("torch=={TORCH}"));
        output(&mut pip)
    };
    // Elsewhere those on PyPI are for the CPU too.
    if cfg!(target_os = "linux") {
        if pip(&["--index-url", CPU_BUILDS, "--timeout", "10", "--retries", "1"])?
            .status
            .success()
        {
            return Ok(());
        }
        eprintln!("no build for the CPU alone from {CPU_BUILDS}: taking the one on PyPI, which is gigabytes");
    }
    let installed = pip(&[])?;
    if !installed.status.success() {
        let message = format!(
            "`pip install torch=={TORCH}` failed ({}){}",
            installed.status,
            tail(&said(&installed))
        );
        return Err(anyhow!(
            "{message}\n\nhint: `--peer-python PATH` takes an interpreter that has PyTorch already"
        ));
    }
    Ok(())
}

/// `python3`, or what else it is called.
fn system_python() -> Result<PathBuf> {
    for name in ["python3", "python"] {
        let answer = Command::new(name).arg("--version").output();
        if answer.is_ok_and(|answer| answer.status.success()) {
            return Ok(name.into());
        }
    }
    Err(
        BadInput::new("no Python here: neither `python3` nor `python` can be run")
            .hint("install Python 3, or name an interpreter that has PyTorch with `--peer-python PATH`")
            .into(),
    )
}

/// Beside the other things that are built; for a program that was copied elsewhere, where the user's caches are.
fn default_folder() -> Result<PathBuf> {
    let program = env::current_exe()?;
    // Cargo marks its target folder so.
    let target = program.ancestors().find(|folder| folder.join("CACHEDIR.TAG").is_file());
    if let Some(target) = target {
        return Ok(target.join("peer"));
    }
    let variable = |name: &str| env::var_os(name).filter(|value: &OsString| !value.is_empty());
    let home = |below: &str| variable("HOME").map(|home| PathBuf::from(home).join(below));
    let cache = match env::consts::OS {
        "windows" => variable("LOCALAPPDATA").map(PathBuf::from),
        "macos" => home("Library/Caches"),
        _ => variable("XDG_CACHE_HOME").map(PathBuf::from).or_else(|| home(".cache")),
    };
    match cache {
        Some(cache) => Ok(cache.join("dynaprune/peer")),
        None => Err(BadInput::new("no place for PyTorch: this user has no home folder")
            .hint("name a folder with `--peer-dir DIR`")
            .into()),
    }
}

fn output(command: &mut Command) -> Result<Output> {
    command
        .output()
        .map_err(|error| anyhow!("cannot start `{}`: {error}", command.get_program().display()))
}

fn said(output: &Output) -> String {
    let both = [&output.stdout[..], &output.stderr[..]].concat();
    String::from_utf8_lossy(&both).into_owned()
}
