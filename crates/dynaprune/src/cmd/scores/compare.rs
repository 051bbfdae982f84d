//! `scores compare`.

use crate::agreement::{Comparison, FRACTIONS};
use crate::workspace::Workspace;
use anyhow::Result;
use std::path::{Path, PathBuf};

/// The options of `scores compare`.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Score tables of the same samples: two or more
    #[arg(required = true, num_args = 2.., value_name = "FILE")]
    tables: Vec<PathBuf>,
    /// The pruned fractions whose kept sets are compared, with commas between them [default: 0.3,0.5,0.7]
    #[arg(long, value_name = "S,...", value_delimiter = ',', default_values_t = FRACTIONS, hide_default_value = true, value_parser = fraction)]
    pruned_fractions: Vec<f64>,
    /// Write plot, numbers and page too: a path without extension [default: only print]
    #[arg(long, value_name = "STEM")]
    out: Option<PathBuf>,
    /// Print only the names of the files written
    #[arg(long, short)]
    quiet: bool,
}

/// Runs the verb.
pub(crate) fn run(args: &Args) -> Result<()> {
    let comparison = Comparison::read(&args.tables, &args.pruned_fractions)?;
    if !args.quiet {
        comparison.print();
    }
    if let Some(stem) = &args.out {
        let agreement = comparison.render(&Workspace::find()?, &command(args, stem), stem)?;
        let files = agreement.write()?;
        for file in files.png.iter().chain([&files.page]) {
            println!("wrote {}", file.display());
        }
    }
    Ok(())
}

/// The command that makes the same page again.
fn command(args: &Args, out: &Path) -> String {
    let mut words: Vec<String> = args.tables.iter().map(|path| path.display().to_string()).collect();
    if args.pruned_fractions != FRACTIONS {
        let fractions: Vec<String> = args.pruned_fractions.iter().map(f64::to_string).collect();
        words.push(format!("--pruned-fractions {}", fractions.join(",")));
    }
    words.push(format!("--out {}", out.display()));
    format!("cargo xtask scores compare {}", words.join(" \\\n    "))
}

fn fraction(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(s) if (0.0..1.0).contains(&s) => Ok(s),
        _ => Err("expected a number from 0 to below 1".to_owned()),
    }
}
