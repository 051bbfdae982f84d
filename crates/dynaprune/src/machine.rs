//! What this machine is.

use crate::failure::BadInput;
use anyhow::Result;
use clap::ValueEnum;
use dynaprune_ops::simd::Level;
use dynaprune_spec::Precision;
use std::fs;
use std::process::Command;

/// What is asked to compute.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Device {
    /// CUDA if the program and the machine have it, else the CPU.
    Auto,
    /// The CPU.
    Cpu,
    /// A GPU; an error if there is none.
    Cuda,
}

/// What runs are computed on.
#[derive(Clone, Debug)]
pub(crate) struct Compute {
    pub(crate) device: candle_core::Device,
    /// As results name it.
    pub(crate) name: String,
}

impl Compute {
    /// The CPU.
    pub(crate) fn cpu() -> Self {
        Self {
            device: candle_core::Device::Cpu,
            name: cpu(),
        }
    }

    /// What was asked for: by `auto` a GPU if there is one that can compute.
    pub(crate) fn on(asked: Device) -> Result<Self> {
        check_device(asked)?;
        #[cfg(feature = "cuda")]
        if asked != Device::Cpu {
            let started = match without_cuda() {
                None => Self::gpu(),
                Some(reason) => Err(anyhow::anyhow!(reason)),
            };
            match started {
                Err(error) if asked == Device::Auto => {
                    eprintln!("note: computes on the CPU: {}", first_line(&error.to_string()));
                }
                started => return started,
            }
        }
        Ok(Self::cpu())
    }

    /// The first GPU, started once in a process. It is never given back: a GPU that has failed cannot be closed either.
    #[cfg(feature = "cuda")]
    fn gpu() -> Result<Self> {
        static STARTED: std::sync::OnceLock<Compute> = std::sync::OnceLock::new();
        if let Some(started) = STARTED.get() {
            return Ok(started.clone());
        }
        let device = dynaprune_ops::cuda::device(0)?;
        let name = format!("cuda: {}", dynaprune_ops::cuda::name(&device)?);
        Ok(STARTED.get_or_init(|| Self { device, name }).clone())
    }

    /// Why this process can compute nothing more, if that is so: a GPU answers all that comes after a wrong address or a fault
    /// of its own with the same error, whatever it is asked.
    pub(crate) fn lost(&self) -> Option<String> {
        #[cfg(feature = "cuda")]
        if self.device.is_cuda() {
            // The first answer may be about memory that was freed before; an error that stays is in the second too.
            let wait = || dynaprune_ops::cuda::synchronize(&self.device);
            return wait()
                .or_else(|_| wait())
                .err()
                .map(|error| first_line(&error.to_string()));
        }
        None
    }

    /// Refuses a precision that the device does not compute in.
    pub(crate) fn check(&self, precision: Precision) -> Result<()> {
        if precision == Precision::F32 || self.device.is_cuda() {
            return Ok(());
        }
        let error = BadInput::new(format!(
            "precision `{}` needs a GPU, and this is a CPU",
            precision.word()
        ));
        Err(error
            .hint("a copy of the profile with `precision = \"f32\"` runs here, if slowly")
            .into())
    }
}

/// How many GPUs this program can compute on.
pub(crate) fn gpus() -> usize {
    #[cfg(feature = "cuda")]
    {
        match without_cuda() {
            None => dynaprune_ops::cuda::count().unwrap_or(0),
            Some(_) => 0,
        }
    }
    #[cfg(not(feature = "cuda"))]
    0
}

/// What `CUDA_VISIBLE_DEVICES` is to be for a process that should see the `gpu`-th of this process's GPUs.
pub(crate) fn visible_gpu(gpu: usize) -> String {
    let own = std::env::var("CUDA_VISIBLE_DEVICES").unwrap_or_default();
    own.split(',')
        .filter(|name| !name.trim().is_empty())
        .nth(gpu)
        .map_or_else(|| gpu.to_string(), |name| name.trim().to_owned())
}

/// Why this program cannot compute on a GPU, if it cannot.
pub(crate) fn without_cuda() -> Option<String> {
    #[cfg(feature = "cuda")]
    {
        match dynaprune_ops::cuda::count() {
            Ok(0) => Some("no GPU was found".to_owned()),
            Ok(_) => dynaprune_ops::cuda::check(0)
                .err()
                .map(|error| first_line(&error.to_string())),
            Err(error) => Some(first_line(&error.to_string())),
        }
    }
    #[cfg(not(feature = "cuda"))]
    Some("this build has no CUDA support".to_owned())
}

/// Behind it there may be a backtrace.
#[cfg(feature = "cuda")]
fn first_line(error: &str) -> String {
    error.lines().next().unwrap_or_default().to_owned()
}

/// Refuses a device that is asked for by name and not there.
pub(crate) fn check_device(device: Device) -> Result<()> {
    match without_cuda().filter(|_| device == Device::Cuda) {
        Some(reason) => {
            let error = BadInput::new(format!("`--device cuda` is not possible: {reason}"));
            Err(error.hint("leave it out, or use `--device cpu`").into())
        }
        None => Ok(()),
    }
}

/// The most threads that may be asked for.
pub(crate) const MOST_THREADS: i64 = 1024;

/// Computes on so many threads, if a number is given. To be called before anything uses the pool.
pub(crate) fn use_threads(threads: Option<u16>) -> Result<()> {
    if let Some(threads) = threads {
        rayon::ThreadPoolBuilder::new()
            .num_threads(threads.into())
            .build_global()?;
    }
    Ok(())
}

/// Refuses vector instructions that do not exist: the results of others would be taken for theirs.
pub(crate) fn check_simd() -> Result<()> {
    match Level::asked() {
        Ok(_) => Ok(()),
        Err(found) => {
            let message = format!("`DYNAPRUNE_SIMD` is `{found}`: expected `portable`, `avx2` or `avx512`");
            Err(BadInput::new(message).into())
        }
    }
}

/// The processor, as results name it: `cpu: Intel(R) Xeon(R) Platinum 8481C`, or only `cpu` where it does not tell. With fewer
/// vector instructions than it has it is another one: it rounds differently, and takes longer.
pub(crate) fn cpu() -> String {
    let mut name = match model().filter(|model| !model.is_empty()) {
        Some(model) => format!("cpu: {model}"),
        None => "cpu".to_owned(),
    };
    if Level::is_lowered() {
        name += &format!(", {:?} only", Level::detect());
    }
    name
}

/// Whether a device is told apart from others by its name, so that its seconds can be compared with those of its like.
pub(crate) fn is_known(device: &str) -> bool {
    device != "cpu"
}

/// What the system calls the processor.
fn model() -> Option<String> {
    if cfg!(target_os = "macos") {
        let output = Command::new("sysctl").args(["-n", "machdep.cpu.brand_string"]).output();
        return Some(String::from_utf8_lossy(&output.ok()?.stdout).trim().to_owned());
    }
    model_in(&fs::read_to_string("/proc/cpuinfo").ok()?)
}

/// The name in `/proc/cpuinfo`; on ARM the numbers that stand for one.
fn model_in(info: &str) -> Option<String> {
    let value = |key: &str| {
        let line = info.lines().find(|line| line.starts_with(key))?;
        Some(line.split_once(':')?.1.trim().to_owned())
    };
    value("model name").or_else(|| {
        let (implementer, part) = (value("CPU implementer")?, value("CPU part")?);
        Some(format!("ARM {implementer} {part}"))
    })
}

#[cfg(test)]
mod tests {
    #[test]
    fn processors_have_names_or_numbers() {
        let model = |info| super::model_in(info).unwrap_or_default();
        let x86 = "processor\t: 0\nmodel\t\t: 143\nmodel name\t: Intel(R) Xeon(R) Platinum 8481C\nstepping\t: 8\n";
        assert_eq!(model(x86), "Intel(R) Xeon(R) Platinum 8481C");
        let arm = "processor\t: 0\nCPU implementer\t: 0x41\nCPU architecture: 8\nCPU part\t: 0xd40\n";
        assert_eq!(model(arm), "ARM 0x41 0xd40");
        assert_eq!(model("processor\t: 0\n"), "");
    }

    #[test]
    fn the_processor_is_named() {
        let cpu = super::cpu();
        assert!(cpu == "cpu" || cpu.starts_with("cpu: ") && cpu.trim() == cpu, "{cpu}");
    }
}
