//! `bench`: how fast training is on this machine, alone or against PyTorch.
//!
//! Everything is measured in worker processes: `bench worker` is ours, `peer.py` the peer's. They speak one protocol
//! (`protocol.rs`), and the rounds alternate between them (`measure.rs`).

mod cases;
mod install;
mod measure;
mod memory;
mod ours;
mod page;
mod peer;
mod process;
mod protocol;
mod row;
mod table;
mod worker;

use crate::failure::{BadInput, paint};
use crate::workspace::Workspace;
use anyhow::{Result, anyhow};
use cases::Work;
use measure::{Measured, Protocol};
use page::Page;
use peer::Source;
use process::Program;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::time::Duration;

/// The options of `bench`.
#[derive(clap::Args)]
#[command(args_conflicts_with_subcommands = true, override_usage = "dynaprune bench [OPTIONS]")]
pub(crate) struct Args {
    #[command(subcommand)]
    verb: Option<Verb>,
    /// Measure PyTorch too, turn by turn; it is installed where it is not yet
    #[arg(long)]
    peer: bool,
    /// A Python interpreter that has PyTorch, so that nothing is installed; implies `--peer`
    #[arg(long, value_name = "PATH")]
    peer_python: Option<PathBuf>,
    /// Where PyTorch is installed [default: `peer` in the target folder]
    #[arg(long, value_name = "DIR", conflicts_with = "peer_python")]
    peer_dir: Option<PathBuf>,
    /// Measure only what has this in its name; may be repeated
    #[arg(long, value_name = "SUBSTRING")]
    only: Vec<String>,
    /// CPU threads, of both [default: one for each core]
    #[arg(long, value_name = "N")]
    threads: Option<NonZeroUsize>,
    /// Rounds, of which the median counts
    #[arg(long, value_name = "N", default_value_t = ROUNDS, value_parser = clap::value_parser!(u32).range(1..=1000))]
    rounds: u32,
    /// Length of a round of one side; a round has at least 3 steps
    #[arg(long, value_name = "R", default_value_t = SECONDS, value_parser = seconds)]
    seconds: f64,
    /// Print one JSON object a row
    #[arg(long)]
    json: bool,
    /// Put the tables into `performance.md` in the docs
    #[arg(long, conflicts_with = "only")]
    write: bool,
    /// Where the docs are [default: `docs` in the workspace]
    #[arg(long, value_name = "DIR", requires = "write")]
    docs: Option<PathBuf>,
}

const ROUNDS: u32 = 7;
const SECONDS: f64 = 2.0;

#[derive(clap::Subcommand)]
enum Verb {
    /// Does the work that the bench asks for
    #[command(hide = true)]
    Worker,
}

/// Runs the verb.
pub(crate) fn run(args: &Args) -> Result<()> {
    if let Some(Verb::Worker) = args.verb {
        return worker::run();
    }
    let asked = chosen(&args.only)?;
    // Before anything that takes long.
    let page = match args.write {
        true => Some(Page::open(&docs(args)?)?),
        false => None,
    };
    let protocol = Protocol {
        ours: Program {
            name: "our worker".to_owned(),
            path: std::env::current_exe()?,
            arguments: vec!["bench".into(), "worker".into()],
        },
        peer: peer(args)?,
        threads: match args.threads {
            Some(threads) => threads,
            None => std::thread::available_parallelism()?,
        },
        rounds: args.rounds,
        seconds: args.seconds,
    };
    let (all, peak) = measure(&asked, &protocol, args.json)?;
    let tables = table::tables(&all, peak);
    if !args.json {
        let texts: Vec<String> = tables.iter().map(table::Table::to_text).collect();
        print!("{}", texts.join("\n"));
    }
    if let Some(page) = page {
        let text = page::text(&all, &tables, peak, &protocol, &command(args));
        eprintln!("wrote {}", page.write(&text)?.display());
    }
    Ok(())
}

/// Measures what is asked for, in order; and the machine's peak in GFLOP/s, which is measured first in any case.
fn measure(asked: &[Work], protocol: &Protocol, json: bool) -> Result<(Vec<Measured>, f64)> {
    let reference = cases::all()
        .into_iter()
        .find(|work| matches!(work, Work::Product { .. }));
    let reference = reference.ok_or_else(|| anyhow!("nothing to compare with"))?;
    let reference = measure_one(&reference, protocol)?;
    let peak = reference.most_gflops();
    let about = Duration::from_secs_f64((asked.len() as f64 * protocol.seconds_of_work()).ceil());
    eprintln!(
        "peak {} GFLOP/s with {} threads; {} to measure, {} or more",
        table::figures(peak),
        protocol.threads,
        asked.len(),
        humantime::format_duration(about)
    );
    let mut all = Vec::new();
    for (i, work) in asked.iter().enumerate() {
        let measured = match *work == reference.work {
            true => reference.clone(),
            false => measure_one(work, protocol)?,
        };
        let width = asked.len().to_string().len();
        eprintln!("[{:>width$}/{}] {}", i + 1, asked.len(), summary(&measured));
        if json {
            for row in row::rows(&measured, peak, protocol) {
                println!("{}", serde_json::to_string(&row)?);
            }
        }
        all.push(measured);
    }
    Ok((all, peak))
}

fn measure_one(work: &Work, protocol: &Protocol) -> Result<Measured> {
    protocol
        .measure(work)
        .map_err(|error| anyhow!("`{}`: {error}", work.name()))
}

fn summary(measured: &Measured) -> String {
    let speed = table::figures(measured.speed(&measured.ours));
    let mut text = format!("{}: {speed} {}", measured.work.name(), measured.unit());
    if let Some(peer) = &measured.peer {
        let theirs = table::figures(measured.speed(&peer.side));
        let ratio = format!("{:.2}", peer.ratio.median);
        text += &format!(", peer {theirs}, ratio {}", paint(&ratio, "1"));
    }
    text
}

/// What has one of the names in its own.
fn chosen(only: &[String]) -> Result<Vec<Work>> {
    let names = |work: &Work| [Some(work.name()), work.memory_name()].into_iter().flatten();
    let fits = |work: &Work, asked: &String| names(work).any(|name| name.contains(asked.as_str()));
    let mut all = cases::all();
    if let Some(unknown) = only.iter().find(|asked| !all.iter().any(|work| fits(work, asked))) {
        let known: Vec<String> = all.iter().map(Work::name).collect();
        let message = format!("nothing to measure has `{unknown}` in its name");
        return Err(BadInput::new(message)
            .hint(format!("there are\n\n  {}", known.join("\n  ")))
            .into());
    }
    all.retain(|work| only.is_empty() || only.iter().any(|asked| fits(work, asked)));
    Ok(all)
}

fn peer(args: &Args) -> Result<Option<Program>> {
    let source = match (&args.peer_python, args.peer) {
        (Some(path), _) => Source::Interpreter(path),
        (None, true) => Source::Ours(args.peer_dir.as_deref()),
        (None, false) => return Ok(None),
    };
    peer::find(source).map(Some)
}

fn docs(args: &Args) -> Result<PathBuf> {
    Ok(match &args.docs {
        Some(folder) => folder.clone(),
        None => Workspace::find()?.docs(None),
    })
}

/// The command that makes the same tables again. Where the peer is is left out: it is another place elsewhere.
fn command(args: &Args) -> String {
    let mut command = "cargo xtask bench".to_owned();
    if args.peer || args.peer_python.is_some() {
        command += " --peer";
    }
    if let Some(threads) = args.threads {
        command += &format!(" --threads {threads}");
    }
    if args.rounds != ROUNDS {
        command += &format!(" --rounds {}", args.rounds);
    }
    if args.seconds != SECONDS {
        command += &format!(" --seconds {}", args.seconds);
    }
    command + " --write"
}

fn seconds(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(seconds) if seconds > 0.0 && seconds <= 3600.0 => Ok(seconds),
        Ok(_) => Err("not between 0 and 3600".to_owned()),
        Err(error) => Err(error.to_string()),
    }
}
