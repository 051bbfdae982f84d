//! `cargo xtask dist [--cuda]`: one file with all that a machine without Rust needs.

use crate::failure::Failure;
use crate::{build, cuda, no_compiler};
use std::env;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The script that starts the program where it was unpacked.
const RUN: &str = include_str!("../run.sh");

/// What goes along from the workspace.
const PARTS: [&str; 4] = ["experiments", "LICENSE-APACHE", "LICENSE-MIT", "README.md"];

/// Builds and packs.
pub(crate) fn make(root: &Path, target: &Path, arguments: &[OsString]) -> Result<(), Failure> {
    let is_cuda = match arguments {
        [] => false,
        [flag] if flag == "--cuda" => true,
        _ => {
            let message = "expected `dist` or `dist --cuda`: a bundle for the CPU or for NVIDIA GPUs";
            return Err(Failure::usage(message.to_owned()));
        }
    };
    let compiler = match is_cuda {
        true => Some(cuda::compiler(target).ok_or_else(no_compiler)?),
        false => None,
    };
    let features = env::var_os("DYNAPRUNE_FEATURES").unwrap_or_default();
    let program = build(root, target, &features, compiler.as_ref())?;

    let kind = if is_cuda { "cuda" } else { "cpu" };
    let name = format!("dynaprune-{}-{kind}-{}", env!("CARGO_PKG_VERSION"), env::consts::ARCH);
    let dist = target.join("dist");
    let folder = dist.join(&name);
    if let Err(error) = fs::remove_dir_all(&folder)
        && error.kind() != std::io::ErrorKind::NotFound
    {
        return Err(Failure::io("remove", &folder, &error));
    }
    fs::create_dir_all(&folder).map_err(|error| Failure::io("make", &folder, &error))?;
    let binary = folder.join("dynaprune");
    run("strip", &[OsStr::new("-o"), binary.as_os_str(), program.as_os_str()])?;
    for part in PARTS {
        run(
            "cp",
            &[OsStr::new("-R"), root.join(part).as_os_str(), folder.as_os_str()],
        )?;
    }
    let script = folder.join("run");
    fs::write(&script, RUN).map_err(|error| Failure::io("write", &script, &error))?;
    run("chmod", &[OsStr::new("755"), script.as_os_str()])?;
    let archive = dist.join(format!("{name}.tar.gz"));
    let partial = dist.join(format!("{name}.tar.gz.part"));
    let pack = [
        OsStr::new("-czf"),
        partial.as_os_str(),
        OsStr::new("-C"),
        dist.as_os_str(),
        OsStr::new(&name),
    ];
    run("tar", &pack)?;
    fs::rename(&partial, &archive).map_err(|error| Failure::io("rename", &partial, &error))?;
    println!(
        "{} ({}, the program {})",
        archive.display(),
        megabytes(&archive)?,
        megabytes(&binary)?
    );
    Ok(())
}

fn run(program: &str, arguments: &[&OsStr]) -> Result<(), Failure> {
    let status = Command::new(program).args(arguments).status();
    match status {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(Failure::new(format!("`{program}` failed ({status})"))),
        Err(error) => Err(Failure::new(format!("cannot start `{program}`: {error}"))),
    }
}

fn megabytes(path: &PathBuf) -> Result<String, Failure> {
    let bytes = fs::metadata(path)
        .map_err(|error| Failure::io("read", path, &error))?
        .len();
    Ok(format!("{:.1} MB", bytes as f64 / 1e6))
}
