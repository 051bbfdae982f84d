//! The peer: PyTorch in an interpreter, running a script that this program carries.

use super::install;
use super::process::Program;
use crate::failure::BadInput;
use anyhow::Result;
use std::path::{Path, PathBuf};

const SCRIPT: &str = include_str!("peer.py");

/// Where the peer's PyTorch is to come from.
#[derive(Clone, Copy, Debug)]
pub(super) enum Source<'a> {
    /// An interpreter that has it.
    Interpreter(&'a Path),
    /// A place of our own, below this folder or the default one; what is missing is installed.
    Ours(Option<&'a Path>),
}

/// The peer, installed if need be.
pub(super) fn find(source: Source) -> Result<Program> {
    let interpreter = match source {
        Source::Interpreter(path) if !path.is_file() => {
            return Err(BadInput::new(format!("no such file: `{}`", path.display()))
                .hint("`--peer-python` takes the path of a Python interpreter that has PyTorch")
                .into());
        }
        Source::Interpreter(path) => absolute(path),
        Source::Ours(folder) => install::interpreter(folder)?,
    };
    Ok(Program {
        name: "the peer".to_owned(),
        path: interpreter,
        arguments: vec!["-c".into(), SCRIPT.into()],
    })
}

/// A path without a folder in it would be looked for among the commands.
fn absolute(path: &Path) -> PathBuf {
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned())
}
