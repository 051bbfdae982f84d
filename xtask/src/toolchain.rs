//! `cargo xtask cuda-toolchain`: what building for CUDA needs, without a GPU and without root.
//!
//! NVIDIA's own packages for Python hold the compiler, the headers and the libraries. The linker wants the libraries without
//! version numbers in their names, and a driver, which a stub stands in for.

use crate::cuda;
use crate::failure::Failure;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The packages, exact versions with their sums, as pip reads them.
const WHEELS: &str = include_str!("../cuda-wheels.txt");

/// The functions of the driver that programs may be linked with: those that cudarc 0.19 knows.
const DRIVER_FUNCTIONS: &str = include_str!("../cuda-driver-functions.txt");

/// Libraries by the names that the linker looks for, and where they are.
const LINKS: [(&str, &str); 6] = [
    ("libcublas.so", "../nvidia/cu13/lib/libcublas.so.13"),
    ("libcublasLt.so", "../nvidia/cu13/lib/libcublasLt.so.13"),
    ("libcudart.so", "../nvidia/cu13/lib/libcudart.so.13"),
    ("libcurand.so", "../nvidia/cu13/lib/libcurand.so.10"),
    ("libnvrtc.so", "../nvidia/cu13/lib/libnvrtc.so.13"),
    ("libcudnn.so", "../nvidia/cudnn/lib/libcudnn.so.9"),
];

/// Sets the toolchain up, or prints the environment of a build with it.
pub(crate) fn run(target: &Path, arguments: &[OsString]) -> Result<(), Failure> {
    match arguments {
        [] => set_up(target),
        [flag] if flag == "--env" => {
            let ours = cuda::Compiler::Ours(cuda::toolchain_folder(target));
            for (name, value) in ours.environment() {
                println!("export {name}='{}'", value.display());
            }
            Ok(())
        }
        _ => Err(Failure::usage(
            "expected `cuda-toolchain`, or `cuda-toolchain --env`".to_owned(),
        )),
    }
}

/// Sets the toolchain up in `target`, if it is not there.
fn set_up(target: &Path) -> Result<(), Failure> {
    let folder = cuda::toolchain_folder(target);
    if is_complete(&folder) {
        println!("{} is set up", folder.display());
        return Ok(());
    }
    if !cfg!(all(target_os = "linux", target_arch = "x86_64")) {
        return Err(Failure::usage(
            "the toolchain is for 64-bit Linux: elsewhere, install CUDA 13.0".to_owned(),
        ));
    }
    let partial = target.join(format!("cuda-toolchain.{}", std::process::id()));
    let result = fill(&partial).and_then(|()| {
        remove(&folder)?;
        fs::rename(&partial, &folder).map_err(|error| Failure::io("rename", &partial, &error))
    });
    if result.is_err() {
        let _ = fs::remove_dir_all(&partial);
    }
    result?;
    println!(
        "{} is set up: `DYNAPRUNE_FEATURES=cuda cargo xtask ...` builds with it",
        folder.display()
    );
    Ok(())
}

/// Whether a toolchain was set up whole, of the packages that are wanted now.
pub(crate) fn is_complete(folder: &Path) -> bool {
    fs::read_to_string(folder.join("complete")).is_ok_and(|made| made == mark())
}

/// What a toolchain is made of.
fn mark() -> String {
    format!("{WHEELS}{}", DRIVER_FUNCTIONS.len())
}

fn fill(folder: &Path) -> Result<(), Failure> {
    remove(folder)?;
    make(folder)?;
    let list = folder.join("wheels.txt");
    write(&list, WHEELS)?;
    println!(
        "fetching {} packages (1.2 GB)",
        WHEELS.lines().filter(|line| line.contains("==")).count()
    );
    let mut pip = Command::new("python3");
    pip.args([
        "-m",
        "pip",
        "install",
        "--quiet",
        "--disable-pip-version-check",
        "--no-deps",
        "--only-binary=:all:",
    ])
    .args(["--require-hashes", "--target"])
    .arg(folder)
    .arg("--requirement")
    .arg(&list);
    call(
        pip,
        "python3 -m pip",
        "Python with pip fetches NVIDIA's packages: install python3-pip, or CUDA 13.0 itself",
    )?;

    let links = folder.join("links");
    make(&links)?;
    for (name, to) in LINKS {
        if !links.join(to).is_file() {
            return Err(Failure::new(format!(
                "expected `{}`, which the packages do not hold",
                links.join(to).display()
            )));
        }
        link(to, &links.join(name))?;
    }
    let stub = folder.join("stub");
    make(&stub)?;
    let source = stub.join("stub.c");
    write(&source, &stub_source())?;
    let mut compiler = Command::new("cc");
    compiler
        .args(["-shared", "-fPIC", "-Wl,-soname,libcuda.so.1", "-o"])
        .arg(stub.join("libcuda.so"))
        .arg(&source);
    call(
        compiler,
        "cc",
        "a C compiler makes the driver's stub, and links Rust programs: install one",
    )?;
    link("libcuda.so", &stub.join("libcuda.so.1"))?;
    write(&folder.join("complete"), &mark())
}

/// A driver that has no GPU.
fn stub_source() -> String {
    let mut source =
        String::from("/* Programs are linked with this where there is no driver. CUDA_ERROR_NO_DEVICE is 100. */\n");
    for function in DRIVER_FUNCTIONS.lines() {
        match function {
            "cuGetErrorName" | "cuGetErrorString" => {
                let text = "no driver: this is the stub that programs are linked with";
                source.push_str(&format!(
                    "int {function}(int error, const char **text) {{ *text = \"{text}\"; return 0; }}\n"
                ));
            }
            _ => source.push_str(&format!("int {function}(void) {{ return 100; }}\n")),
        }
    }
    source
}

fn call(mut command: Command, name: &str, hint: &str) -> Result<(), Failure> {
    match command.status() {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(Failure::new(format!(
            "`{name}` failed ({status}): nothing was set up\n\nhint: {hint}"
        ))),
        Err(error) => Err(Failure::new(format!("cannot start `{name}`: {error}\n\nhint: {hint}"))),
    }
}

fn make(folder: &Path) -> Result<(), Failure> {
    fs::create_dir_all(folder).map_err(|error| Failure::io("make", folder, &error))
}

fn remove(folder: &Path) -> Result<(), Failure> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(Failure::io("remove", folder, &error)),
        _ => Ok(()),
    }
}

fn write(path: &Path, text: &str) -> Result<(), Failure> {
    fs::write(path, text).map_err(|error| Failure::io("write", path, &error))
}

#[cfg(unix)]
fn link(to: &str, name: &PathBuf) -> Result<(), Failure> {
    std::os::unix::fs::symlink(to, name).map_err(|error| Failure::io("link", name, &error))
}

#[cfg(not(unix))]
fn link(_to: &str, name: &PathBuf) -> Result<(), Failure> {
    Err(Failure::new(format!("cannot link `{}` here", name.display())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_package_has_a_version_and_a_sum() {
        let packages: Vec<&str> = WHEELS.lines().filter(|line| !line.starts_with('#')).collect();
        assert!(packages.len() >= 9);
        for package in packages {
            let (name, rest) = package.split_once("==").unwrap();
            let (version, sum) = rest.split_once(" --hash=sha256:").unwrap();
            assert!(
                name.starts_with("nvidia-") && version.split('.').count() >= 3,
                "{package}"
            );
            assert!(
                sum.len() == 64 && sum.chars().all(|c| c.is_ascii_hexdigit()),
                "{package}"
            );
        }
    }

    #[test]
    fn a_toolchain_of_other_packages_is_not_complete() {
        let folder = std::env::temp_dir().join(format!("dynaprune-toolchain-{}", std::process::id()));
        make(&folder).unwrap();
        assert!(!is_complete(&folder));
        write(&folder.join("complete"), &mark().replace("13.0", "12.9")).unwrap();
        assert!(!is_complete(&folder));
        write(&folder.join("complete"), &mark()).unwrap();
        assert!(is_complete(&folder));
        remove(&folder).unwrap();
    }

    #[test]
    fn the_stub_has_each_function_once() {
        let source = stub_source();
        for function in ["cuInit", "cuMemAlloc_v2", "cuLaunchKernel", "cuGetErrorName"] {
            assert_eq!(source.matches(&format!(" {function}(")).count(), 1, "{function}");
        }
    }
}
