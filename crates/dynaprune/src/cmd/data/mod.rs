//! `data`: the data sets on this machine.

mod fetch;
mod list;
mod verify;

use crate::failure::BadInput;
use crate::workspace::Workspace;
use anyhow::Result;
use dynaprune_datasets::{DatasetInfo, find};
use std::path::PathBuf;

/// What to do with data sets.
#[derive(clap::Subcommand)]
pub(crate) enum Verb {
    /// Lists the data sets, and whether their files are there
    List(DataDir),
    /// Checks every file that is there: size, MD5 sum, records, labels
    Verify(verify::Args),
    /// Downloads a data set, or takes it from elsewhere, checks and unpacks it
    Fetch(fetch::Args),
}

/// Where data sets are.
#[derive(clap::Args)]
pub(crate) struct DataDir {
    /// Where data sets are [default: $DYNAPRUNE_DATA, or `data` in the workspace]
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,
}

impl DataDir {
    fn root(&self) -> Result<PathBuf> {
        Ok(match &self.data_dir {
            Some(folder) => folder.clone(),
            None => Workspace::find()?.data(None),
        })
    }
}

/// Runs the verb.
pub(crate) fn run(verb: &Verb) -> Result<()> {
    match verb {
        Verb::List(place) => list::run(place),
        Verb::Verify(args) => verify::run(args),
        Verb::Fetch(args) => fetch::run(args),
    }
}

/// The data set called `name`, as the user typed it.
fn known(name: &str) -> Result<&'static DatasetInfo> {
    find(name).map_err(|error| BadInput::new(error.to_string()).into())
}
