//! `cargo xtask ...`: builds the `dynaprune` binary and hands over to it.
//!
//! `DYNAPRUNE_FEATURES=hub` builds it with cargo features of its own. It is built for CUDA if that is asked for (`--device
//! cuda`, `cuda-check`, the feature `cuda`), or if a GPU answers and there is something to build with. Two verbs are this
//! program's own: `cuda-toolchain` and `dist`.
//!
//! All other logic is in the binary, so that it also runs where there is no Rust. This crate has no
//! dependencies: it is built before anything else on a fresh machine.

mod cuda;
mod dist;
mod failure;
mod toolchain;

use cuda::{Compiler, Wish};
use failure::Failure;
use std::env;
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

fn main() -> ExitCode {
    let root = workspace_root();
    let target = target_folder(&root);
    let arguments: Vec<OsString> = env::args_os().skip(1).collect();
    let verb = arguments.first().map(|verb| verb.to_string_lossy().into_owned());
    let result = match verb.as_deref() {
        Some("cuda-toolchain") => toolchain::run(&target, &arguments[1..]).map(|()| ExitCode::SUCCESS),
        Some("dist") => dist::make(&root, &target, &arguments[1..]).map(|()| ExitCode::SUCCESS),
        _ => build_and_hand_over(&root, &target, &arguments),
    };
    match result {
        Ok(code) => code,
        Err(failure) => {
            eprintln!("error: {}", failure.message);
            failure.code
        }
    }
}

fn build_and_hand_over(root: &Path, target: &Path, arguments: &[OsString]) -> Result<ExitCode, Failure> {
    let features = env::var_os("DYNAPRUNE_FEATURES").unwrap_or_default();
    let wish = cuda::wish(arguments, Some(&features));
    let mut compiler = compiler(target, wish)?;
    let program = match build(root, target, &features, compiler.as_ref()) {
        Err(failure) if compiler.is_some() && wish == Wish::IfPossible => {
            eprintln!("note: {}\n\nnote: it is built for the CPU instead", failure.message);
            compiler = None;
            build(root, target, &features, None)?
        }
        program => program?,
    };
    let mut command = Command::new(&program);
    command.args(arguments).env("DYNAPRUNE_ROOT", root);
    if let Some(libraries) = compiler.as_ref().and_then(Compiler::libraries) {
        command.env("LD_LIBRARY_PATH", libraries);
    }
    hand_over(command, &program)
}

/// What to build for CUDA with, if it is to be.
fn compiler(target: &Path, wish: Wish) -> Result<Option<Compiler>, Failure> {
    match wish {
        Wish::No => return Ok(None),
        Wish::IfPossible if !cuda::has_gpu() || !cuda::has_driver() => return Ok(None),
        Wish::IfPossible => {
            let found = cuda::compiler(target);
            if let Some(why) = cuda::unfit(found.as_ref()) {
                eprintln!(
                    "note: there is a GPU, but {why}: built for the CPU\n\nhint: `cargo xtask cuda-toolchain` sets up what a build \
                     for it needs, without root\n"
                );
                return Ok(None);
            }
            return Ok(found);
        }
        Wish::Demanded => {}
    }
    // The loader would only say that it lacks a library.
    if !cuda::has_driver() {
        return Err(Failure::usage(format!(
            "CUDA is not possible: no NVIDIA driver was found (`{}`)\n\nhint: leave `--device cuda` out, or use `--device cpu`",
            cuda::DRIVER
        )));
    }
    let compiler = cuda::compiler(target).ok_or_else(no_compiler)?;
    Ok(Some(compiler))
}

fn no_compiler() -> Failure {
    Failure::usage(
        "a build for CUDA needs `nvcc`, which is not on the path\n\nhint: `cargo xtask cuda-toolchain` sets it up, without root"
            .to_owned(),
    )
}

fn workspace_root() -> PathBuf {
    // Cargo sets the variable when it runs us, which is right even if the workspace has moved since the build.
    let here = env::var_os("CARGO_MANIFEST_DIR").unwrap_or_else(|| OsString::from(env!("CARGO_MANIFEST_DIR")));
    let here = PathBuf::from(here);
    here.parent().map_or_else(|| here.clone(), Path::to_path_buf)
}

/// Builds the binary in release mode and returns where it is. For CUDA it has a target folder of its own, so that the two
/// builds do not displace each other.
fn build(root: &Path, target: &Path, features: &OsStr, cuda: Option<&Compiler>) -> Result<PathBuf, Failure> {
    // With a build target in cargo's configuration this is the folder of that target.
    let triple = target.file_name();
    let target = match cuda {
        Some(_) => target.join("cuda"),
        None => target.to_owned(),
    };
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
    if !features.is_empty() {
        cargo.arg("--features").arg(features);
    }
    if let Some(compiler) = cuda {
        cargo.args(["--features", "cuda"]).envs(compiler.environment());
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
        let mut message = format!("`cargo build --release --package dynaprune` failed ({status}): nothing was run");
        if cuda.is_some() {
            message += "\n\nhint: this was a build for CUDA; `--device cpu` builds without, and `cargo xtask cuda-toolchain` brings \
                        all that one needs";
        }
        return Err(Failure { message, code });
    }
    Ok(built(&target, triple))
}

/// Where cargo has put the binary: with a build target in its configuration one folder further down.
fn built(target: &Path, triple: Option<&OsStr>) -> PathBuf {
    let name = format!("dynaprune{}", env::consts::EXE_SUFFIX);
    let in_folder = |folder: PathBuf| folder.join("release").join(&name);
    let of_target = triple.map(|triple| in_folder(target.join(triple)));
    of_target
        .filter(|program| program.is_file())
        .unwrap_or_else(|| in_folder(target.to_owned()))
}

/// The target folder this program was built into, `<target>/debug/xtask`: so the choice of `CARGO_TARGET_DIR` or of a
/// configuration file holds for the binary too.
fn target_folder(root: &Path) -> PathBuf {
    let here = env::current_exe().ok();
    let target = here.as_deref().and_then(|path| path.ancestors().nth(2));
    target.map_or_else(|| root.join("target"), Path::to_path_buf)
}

#[cfg(unix)]
fn hand_over(mut command: Command, program: &Path) -> Result<ExitCode, Failure> {
    use std::os::unix::process::CommandExt as _;
    let error = command.exec();
    Err(cannot_start(program, &error))
}

#[cfg(not(unix))]
fn hand_over(mut command: Command, program: &Path) -> Result<ExitCode, Failure> {
    let status = command.status().map_err(|error| cannot_start(program, &error))?;
    Ok(status
        .code()
        .and_then(|code| u8::try_from(code).ok())
        .map_or(ExitCode::FAILURE, ExitCode::from))
}

fn cannot_start(program: &Path, error: &std::io::Error) -> Failure {
    Failure::new(format!("cannot start `{}`: {error}", program.display()))
}

#[cfg(test)]
mod tests {
    use super::built;
    use std::{env, fs, process};

    #[test]
    fn the_binary_is_found_where_cargo_puts_it() {
        let target = env::temp_dir().join(format!("dynaprune-built-{}", process::id()));
        let triple = "x86_64-unknown-linux-gnu";
        let here = built(&target, Some(triple.as_ref()));
        assert_eq!(here.parent(), Some(&*target.join("release")));
        let there = target.join(triple).join("release");
        fs::create_dir_all(&there).unwrap();
        fs::write(there.join(here.file_name().unwrap()), "").unwrap();
        assert_eq!(built(&target, Some(triple.as_ref())).parent(), Some(&*there));
        fs::remove_dir_all(&target).unwrap();
    }
}
