//! `data verify`.

use super::DataDir;
use anyhow::{Result, bail};
use dynaprune_datasets::{DATASETS, DatasetInfo, Error, FileReport, FileState, find, verify};

/// The options of `data verify`.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Data sets that must be there [default: all those that are]
    names: Vec<String>,
    #[command(flatten)]
    place: DataDir,
}

/// Runs the verb.
pub(crate) fn run(args: &Args) -> Result<()> {
    let root = args.place.root()?;
    let named: Vec<&DatasetInfo> = args
        .names
        .iter()
        .map(|name| super::known(name))
        .collect::<Result<_>>()?;
    let asked_for = !named.is_empty();
    let infos = if asked_for { named } else { DATASETS.iter().collect() };

    println!("data root: {}", root.display());
    let mut failed = Vec::new();
    for info in infos {
        let verification = verify(info, &root);
        let files = || verification.layouts.iter().flat_map(|layout| &layout.files);
        let absent = !info.layouts.is_empty() && files().all(|file| file.state == FileState::Missing);
        let wrong = files().any(|file| matches!(file.state, FileState::Wrong { .. }));
        match &verification.content {
            Ok(checksum) => println!("\n{}: right, content {checksum}", info.name),
            Err(_) if absent => println!("\n{}: not here", info.name),
            Err(Error::NotFound { .. }) => println!("\n{}: incomplete", info.name),
            Err(error) => println!("\n{}: {error}", info.name),
        }
        if !absent {
            for layout in &verification.layouts {
                println!("  {}", layout.name);
                layout.files.iter().for_each(print_file);
            }
        }
        if wrong || verification.content.is_err() && (asked_for || !absent) {
            failed.push(info.name);
        }
    }
    if let [first, ..] = failed.as_slice() {
        bail!("not right: {}\n\n{}", failed.join(", "), find(first)?.how_to_get(&root));
    }
    Ok(())
}

fn print_file(file: &FileReport) {
    let state = match &file.state {
        FileState::Missing => "missing".to_owned(),
        FileState::Right { md5: true } => "right".to_owned(),
        FileState::Right { md5: false } => "right size, no MD5 sum published".to_owned(),
        FileState::Wrong { place, found, expected } => format!("{place}: found {found}, expected {expected}"),
    };
    println!("    {}: {state}", file.path.display());
}
