//! `runs rebuild`.

use super::Where;
use anyhow::Result;

/// The options of `runs rebuild`.
#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    place: Where,
}

/// Runs the verb.
pub(crate) fn run(args: &Args) -> Result<()> {
    for (profile, results) in args.place.all()? {
        // A profile whose results came as Parquet alone has nothing to make them from.
        if args.place.profile.is_none() && !results.folder().join("cells").is_dir() {
            continue;
        }
        let (runs, damaged) = results.rebuild()?;
        eprintln!("{profile}: {runs} runs");
        for error in damaged {
            eprintln!("note: {profile}: {error}");
        }
    }
    Ok(())
}
