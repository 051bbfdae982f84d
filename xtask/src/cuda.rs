//! When a build for CUDA is wanted, what it is built with, and what must be there to run it.

use crate::toolchain;
use std::env;
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// What a GPU's driver brings.
pub(crate) const DRIVER: &str = "libcuda.so.1";

/// The folder of the toolchain in a target folder.
pub(crate) fn toolchain_folder(target: &Path) -> PathBuf {
    target.join("cuda-toolchain")
}

/// Whether a build for CUDA is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wish {
    /// By name: it is an error if it cannot be had.
    Demanded,
    /// If a GPU and something to build with are there.
    IfPossible,
    No,
}

/// What the command line and `DYNAPRUNE_FEATURES` ask for.
pub(crate) fn wish(arguments: &[OsString], features: Option<&OsStr>) -> Wish {
    let texts: Vec<_> = arguments.iter().map(|argument| argument.to_string_lossy()).collect();
    let device = texts
        .iter()
        .enumerate()
        .find_map(|(i, text)| match text.strip_prefix("--device=") {
            Some(device) => Some(device.to_owned()),
            None if text == "--device" => texts.get(i + 1).map(|device| device.clone().into_owned()),
            None => None,
        });
    let by_feature = features.is_some_and(|features| {
        let features = features.to_string_lossy();
        features.split([',', ' ']).any(|feature| feature == "cuda")
    });
    // What is submitted runs elsewhere.
    let verb = texts.first().map_or("", |verb| verb);
    match device.as_deref() {
        _ if by_feature || verb == "cuda-check" => Wish::Demanded,
        _ if verb == "submit" => Wish::No,
        Some("cuda") => Wish::Demanded,
        Some("cpu") => Wish::No,
        _ => Wish::IfPossible,
    }
}

/// What to build with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Compiler {
    /// A CUDA that is installed: `nvcc`, which is on the path.
    Installed(PathBuf),
    /// What `cuda-toolchain` has set up.
    Ours(PathBuf),
}

/// What there is to build with.
pub(crate) fn compiler(target: &Path) -> Option<Compiler> {
    let ours = toolchain_folder(target);
    if toolchain::is_complete(&ours) {
        return Some(Compiler::Ours(ours));
    }
    let path = env::var_os("PATH").unwrap_or_default();
    let nvcc = env::split_paths(&path).map(|folder| folder.join("nvcc"));
    nvcc.into_iter().find(|nvcc| nvcc.is_file()).map(Compiler::Installed)
}

/// Why a build that nobody demanded is not tried with what there is.
pub(crate) fn unfit(compiler: Option<&Compiler>) -> Option<String> {
    match compiler {
        None => Some("no `nvcc` on the path".to_owned()),
        Some(Compiler::Ours(_)) => None,
        Some(Compiler::Installed(nvcc)) => {
            let output = Command::new(nvcc).arg("--version").output();
            let text = output.map(|output| String::from_utf8_lossy(&output.stdout).into_owned());
            match release(&text.unwrap_or_default()) {
                Some(release) if release.split('.').next() == Some("13") => None,
                Some(release) => Some(format!("`{}` is of CUDA {release}, expected 13", nvcc.display())),
                None => Some(format!("`{} --version` does not tell a release", nvcc.display())),
            }
        }
    }
}

/// The release in what `nvcc --version` prints.
fn release(text: &str) -> Option<&str> {
    let (_, rest) = text.split_once("release ")?;
    rest.split([',', ' ', '\n']).next()
}

impl Compiler {
    /// The environment of the build.
    pub(crate) fn environment(&self) -> Vec<(&'static str, OsString)> {
        // Kernels that are compiled ahead run on every GPU from this capability on.
        let capability = env::var_os("CUDA_COMPUTE_CAP").unwrap_or_else(|| OsString::from("80"));
        let mut all = vec![("CUDA_COMPUTE_CAP", capability)];
        if let Self::Ours(folder) = self {
            let cuda = folder.join("nvidia/cu13");
            for name in ["CUDA_HOME", "CUDA_PATH", "CUDA_ROOT"] {
                all.push((name, cuda.clone().into_os_string()));
            }
            all.push(("PATH", before(&[cuda.join("bin")], "PATH")));
            all.push((
                "LIBRARY_PATH",
                before(&[folder.join("links"), folder.join("stub")], "LIBRARY_PATH"),
            ));
        }
        all
    }

    /// Where the programs that it builds find their libraries, before what `LD_LIBRARY_PATH` holds. Stubs are not among them:
    /// they would hide the driver.
    pub(crate) fn libraries(&self) -> Option<OsString> {
        let folders = match self {
            Self::Ours(folder) => vec![folder.join("nvidia/cu13/lib"), folder.join("nvidia/cudnn/lib")],
            Self::Installed(nvcc) => {
                // The name on the path may be a link to where CUDA is.
                let nvcc = nvcc.canonicalize().unwrap_or_else(|_| nvcc.clone());
                let root = nvcc.ancestors().nth(2).unwrap_or(Path::new("/"));
                let folders = ["lib64", "targets/x86_64-linux/lib", "targets/sbsa-linux/lib"];
                folders
                    .map(|folder| root.join(folder))
                    .into_iter()
                    .filter(|folder| folder.is_dir())
                    .collect()
            }
        };
        (!folders.is_empty()).then(|| before(&folders, "LD_LIBRARY_PATH"))
    }
}

/// A list of folders, followed by what the variable holds.
fn before(folders: &[PathBuf], variable: &str) -> OsString {
    let rest = env::var_os(variable).filter(|rest| !rest.is_empty());
    let rest: Vec<PathBuf> = rest.iter().flat_map(env::split_paths).collect();
    env::join_paths(folders.iter().chain(&rest)).unwrap_or_default()
}

/// Whether a GPU answers, and programs may see one.
pub(crate) fn has_gpu() -> bool {
    if env::var_os("CUDA_VISIBLE_DEVICES").is_some_and(|visible| shows_nothing(&visible)) {
        return false;
    }
    let output = Command::new("nvidia-smi").arg("-L").stderr(Stdio::null()).output();
    output.is_ok_and(|output| output.status.success() && output.stdout.starts_with(b"GPU"))
}

/// Whether `CUDA_VISIBLE_DEVICES` hides all GPUs: nothing is in it, or no number comes first.
fn shows_nothing(visible: &OsStr) -> bool {
    let visible = visible.to_string_lossy();
    visible.trim().is_empty() || visible.trim().starts_with('-')
}

/// Whether the driver's library can be loaded.
pub(crate) fn has_driver() -> bool {
    let listed = ["LD_LIBRARY_PATH"].into_iter().filter_map(env::var_os);
    let mut folders: Vec<PathBuf> = listed
        .flat_map(|list| env::split_paths(&list).collect::<Vec<_>>())
        .collect();
    folders.extend(
        [
            "/usr/lib/x86_64-linux-gnu",
            "/usr/lib/aarch64-linux-gnu",
            "/usr/lib64",
            "/usr/lib",
            "/usr/local/nvidia/lib64",
            "/usr/lib/wsl/lib",
        ]
        .map(PathBuf::from),
    );
    if folders.iter().any(|folder| folder.join(DRIVER).is_file()) {
        return true;
    }
    let cache = Command::new("ldconfig").arg("-p").stderr(Stdio::null()).output();
    cache.is_ok_and(|cache| String::from_utf8_lossy(&cache.stdout).contains(DRIVER))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wished(line: &str, features: Option<&str>) -> Wish {
        let arguments: Vec<OsString> = line.split_whitespace().map(OsString::from).collect();
        wish(&arguments, features.map(OsStr::new))
    }

    #[test]
    fn a_device_is_wished_for_by_name() {
        assert_eq!(wished("reproduce fig1 --device cuda", None), Wish::Demanded);
        assert_eq!(wished("reproduce fig1 --device=cuda", None), Wish::Demanded);
        assert_eq!(wished("reproduce fig1 --device cpu", None), Wish::No);
        assert_eq!(wished("reproduce fig1 --device auto", None), Wish::IfPossible);
        assert_eq!(wished("reproduce fig1", None), Wish::IfPossible);
        assert_eq!(wished("reproduce fig1 --device", None), Wish::IfPossible);
        assert_eq!(wished("cuda-check", None), Wish::Demanded);
        assert_eq!(wished("submit fig1 --device cuda", None), Wish::No);
    }

    #[test]
    fn a_feature_is_a_wish_too() {
        assert_eq!(wished("reproduce fig1", Some("hub,cuda")), Wish::Demanded);
        assert_eq!(wished("reproduce fig1", Some("hub")), Wish::IfPossible);
        assert_eq!(wished("reproduce fig1 --device cpu", Some("cuda")), Wish::Demanded);
    }

    #[test]
    fn the_toolchain_is_built_with_but_its_stub_not_run_with() {
        let ours = Compiler::Ours(PathBuf::from("/toolchain"));
        let environment = ours.environment();
        let value = |name: &str| {
            environment
                .iter()
                .find(|(of, _)| *of == name)
                .map(|(_, value)| value.to_string_lossy())
        };
        assert!(
            value("LIBRARY_PATH")
                .unwrap()
                .starts_with("/toolchain/links:/toolchain/stub")
        );
        assert!(value("PATH").unwrap().starts_with("/toolchain/nvidia/cu13/bin:"));
        assert_eq!(value("CUDA_HOME").unwrap(), "/toolchain/nvidia/cu13");
        assert!(!ours.libraries().unwrap().to_string_lossy().contains("stub"));
    }

    #[test]
    #[cfg(unix)]
    fn an_installed_cuda_has_its_libraries_beside_it() {
        let root = env::temp_dir().join(format!("dynaprune-xtask-{}", std::process::id()));
        for folder in ["cuda-13.0/bin", "cuda-13.0/lib64", "bin"] {
            std::fs::create_dir_all(root.join(folder)).unwrap();
        }
        std::fs::write(root.join("cuda-13.0/bin/nvcc"), "").unwrap();
        std::os::unix::fs::symlink("../cuda-13.0/bin/nvcc", root.join("bin/nvcc")).unwrap();
        let libraries = Compiler::Installed(root.join("bin/nvcc")).libraries();
        let expected = root.canonicalize().unwrap().join("cuda-13.0/lib64");
        std::fs::remove_dir_all(&root).unwrap();
        assert!(env::split_paths(&libraries.unwrap()).next() == Some(expected));
        assert_eq!(
            Compiler::Installed(PathBuf::from("/nowhere/bin/nvcc")).libraries(),
            None
        );
    }

    #[test]
    fn only_a_cuda_of_the_right_release_is_built_with_unasked() {
        let text = "Cuda compilation tools, release 12.4, V12.4.131\nBuild cuda_12.4\n";
        assert_eq!(release(text), Some("12.4"));
        assert_eq!(release("command not found"), None);
        assert!(unfit(None).is_some() && unfit(Some(&Compiler::Installed(PathBuf::from("/nowhere/nvcc")))).is_some());
        assert_eq!(unfit(Some(&Compiler::Ours(PathBuf::from("/toolchain")))), None);
    }

    #[test]
    fn hidden_gpus_are_none() {
        for (visible, nothing) in [
            ("", true),
            (" ", true),
            ("-1", true),
            ("0", false),
            ("GPU-8f2a,1", false),
        ] {
            assert_eq!(shows_nothing(OsStr::new(visible)), nothing, "{visible:?}");
        }
    }
}
