//! Reproduces and extends dynamic data pruning experiments.
//!
//! `main` reads the command line and hands over to a verb, one file each under `cmd/`.
#![forbid(unsafe_code)]

mod adapted;
mod agreement;
mod catalog;
mod cluster;
mod cmd;
mod counts;
mod crew;
mod failure;
mod failures;
mod figure;
mod hours;
mod keeper;
mod lease;
mod library;
mod machine;
mod output;
mod plan;
mod profiles;
mod progress;
mod published;
mod rows;
mod score_store;
mod shard;
mod signals;
mod sweep;
mod work;
mod workspace;

use clap::{Parser, Subcommand};
use std::process::ExitCode;

/// Reproduces experiments on dynamic data pruning, from a TOML spec to a figure
#[derive(Parser)]
#[command(name = "dynaprune", version = env!("DYNAPRUNE_CODE_VERSION"))]
struct Cli {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    /// Runs what a recipe needs and draws its figure
    Reproduce(cmd::reproduce::Args),
    /// Writes the pages of all figures and the gallery from the results there are, or checks them
    Report(cmd::report::Args),
    /// Lists, shows, removes or exports single runs
    #[command(subcommand)]
    Runs(cmd::runs::Verb),
    /// Begins a recipe of one's own as a copy of another
    New(cmd::new::Args),
    /// Writes the JSON Schemas with which editors check recipes and profiles, or checks them
    Schema(cmd::schema::Args),
    /// Lists, checks or fetches data sets
    #[command(subcommand)]
    Data(cmd::data::Verb),
    /// Makes score tables: what static methods rank samples by
    Score(cmd::score::Args),
    /// Works with score tables that are there
    #[command(subcommand)]
    Scores(cmd::scores::Verb),
    /// Submits the cells of a recipe to a cluster, as an array job of Slurm or an Indexed Job of Kubernetes
    Submit(cmd::submit::Args),
    /// Says how far the cells of a recipe are, and what became of the jobs that were submitted for them
    Status(cmd::status::Args),
    /// Starts a Slurm of one node in a temporary folder, disturbs a submitted grid, and compares its results with a local run
    #[cfg(target_os = "linux")]
    TestSlurm(cmd::test_slurm::Args),
    /// Measures how fast training is here, alone or against PyTorch
    Bench(cmd::bench::Args),
    /// Checks that this GPU computes what the CPU computes, and measures how fast
    CudaCheck(cmd::cuda_check::Args),
}

fn main() -> ExitCode {
    let verb = Cli::parse().verb;
    if let Err(error) = machine::check_simd() {
        return failure::report(&error);
    }
    let result = match verb {
        Verb::Reproduce(args) => cmd::reproduce::run(&args),
        Verb::Report(args) => cmd::report::run(&args),
        Verb::Runs(verb) => cmd::runs::run(&verb),
        Verb::New(args) => cmd::new::run(&args),
        Verb::Schema(args) => cmd::schema::run(&args),
        Verb::Data(verb) => cmd::data::run(&verb),
        Verb::Score(args) => cmd::score::run(&args),
        Verb::Scores(verb) => cmd::scores::run(&verb),
        Verb::Submit(args) => cmd::submit::run(&args),
        Verb::Status(args) => cmd::status::run(&args),
        #[cfg(target_os = "linux")]
        Verb::TestSlurm(args) => cmd::test_slurm::run(&args),
        Verb::Bench(args) => cmd::bench::run(&args),
        Verb::CudaCheck(args) => cmd::cuda_check::run(&args),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => failure::report(&error),
    }
}
