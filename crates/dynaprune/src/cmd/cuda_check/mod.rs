//! `cuda-check`: whether this GPU computes what the CPU computes, and how fast.

mod operations;
mod page;
mod peer;
mod runs;
mod speed;
mod training;

use crate::machine::{self, Compute, Device};
use anyhow::{Context as _, Result, anyhow};
use operations::Comparison;
use runs::Run;
use serde::Serialize;
use speed::{Network, Speed};
use std::path::PathBuf;
use training::Equivalence;

/// The options of `cuda-check`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Where `cuda-check.json` and `cuda-check.md` go [default: the current folder]
    #[arg(long, value_name = "DIR", default_value = ".", hide_default_value = true)]
    out: PathBuf,
    /// A Python interpreter with PyTorch for this GPU, to be timed beside
    #[arg(long, value_name = "PATH", default_value = "python3")]
    peer_python: String,
    /// Time nothing beside PyTorch
    #[arg(long, conflicts_with = "peer_python")]
    no_peer: bool,
    /// Time nothing at all
    #[arg(long)]
    no_speed: bool,
    /// Only time: compare nothing
    #[arg(long, conflicts_with = "no_speed")]
    only_speed: bool,
    /// Time this network only
    #[arg(long, value_enum)]
    network: Option<Network>,
}

/// What was found.
#[derive(Debug, Serialize)]
struct Report {
    device: String,
    host: String,
    code_version: String,
    operations: Vec<Comparison>,
    training: Vec<Equivalence>,
    /// Why the two trainings could not be compared.
    training_failure: Option<String>,
    run: Option<Run>,
    /// Why the two runs could not be compared.
    run_failure: Option<String>,
    speed: Vec<Speed>,
    speed_failure: Option<String>,
}

impl Report {
    /// Whether nothing that was done went wrong.
    fn is_right(&self) -> bool {
        self.operations.iter().all(Comparison::is_right)
            && self.training_failure.is_none()
            && self.training.iter().all(Equivalence::is_right)
            && self.run_failure.is_none()
            && self.run.iter().all(Run::is_right)
            && self.speed_failure.is_none()
    }
}

/// Runs the verb.
pub(crate) fn run(args: &Args) -> Result<()> {
    let compute = Compute::on(Device::Cuda)?;
    std::fs::create_dir_all(&args.out).with_context(|| format!("cannot make `{}`", args.out.display()))?;
    let (mut operations, mut training, mut training_failure) = (Vec::new(), Vec::new(), None);
    let (mut run, mut run_failure) = (None, None);
    if !args.only_speed {
        eprintln!("{}: operations", compute.name);
        operations = operations::compare(&compute.device);
        eprintln!("training");
        match training::compare(&compute.device) {
            Ok(all) => training = all,
            Err(error) => training_failure = Some(format!("{error:#}")),
        }
        eprintln!("a run");
        match runs::compare(&compute.device) {
            Ok(compared) => run = Some(compared),
            Err(error) => run_failure = Some(format!("{error:#}")),
        }
    }
    let mut report = Report {
        device: compute.name.clone(),
        host: machine::cpu(),
        code_version: env!("DYNAPRUNE_CODE_VERSION").to_owned(),
        operations,
        training,
        training_failure,
        run,
        run_failure,
        speed: Vec::new(),
        speed_failure: None,
    };
    // What is known is kept, whatever becomes of the rest.
    write(args, &report)?;
    if !args.no_speed {
        eprintln!("speed");
        let python = (!args.no_peer).then_some(args.peer_python.as_str());
        let wanted = |network: &Network| args.network.is_none_or(|only| only == *network);
        for network in Network::ALL.into_iter().filter(wanted) {
            match speed::measure(&compute, network, python) {
                Ok(speed) => report.speed.push(speed),
                Err(error) => report.speed_failure = Some(format!("{error:#}")),
            }
            write(args, &report)?;
        }
    }
    print!("{}", page::markdown(&report));
    match report.is_right() {
        true => Ok(()),
        false => Err(anyhow!("not all is right on {}", report.device)),
    }
}

fn write(args: &Args, report: &Report) -> Result<()> {
    let json = serde_json::to_vec_pretty(report)?;
    let files = [
        ("cuda-check.json", json),
        ("cuda-check.md", page::markdown(report).into_bytes()),
    ];
    for (name, content) in files {
        dynaprune_files::write(&args.out.join(name), &content)?;
    }
    Ok(())
}

/// The largest of some errors; a NaN is not a small one.
fn largest(errors: &[f64]) -> f64 {
    let of_two = |largest: f64, &error: &f64| {
        if error > largest || error.is_nan() {
            error
        } else {
            largest
        }
    };
    errors.iter().fold(0.0, of_two)
}
