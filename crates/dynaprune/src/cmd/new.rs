//! `new`: a recipe of one's own, begun as a copy of another.

use crate::catalog::catalog;
use crate::failure::BadInput;
use crate::workspace::{ALL, RECIPE_SCHEMA, Workspace, spec_file};
use anyhow::{Result, anyhow};
use dynaprune_spec::Recipe;
use std::fs::{self, File};
use std::io::{ErrorKind, Write as _};

/// What stands before the title until somebody has written another.
const MARK: &str = "TO EDIT: ";

/// The comment by which editors find the schema of a file.
const SCHEMA: &str = "#:schema ";

/// The options of `new`.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// The new recipe's name: lower-case letters, digits, `-` and `_`
    name: String,
    /// The recipe to begin with, in `experiments/`, or the path of a TOML file
    #[arg(long, value_name = "RECIPE", default_value = "fig1")]
    from: String,
}

/// Runs the verb.
pub(crate) fn run(args: &Args) -> Result<()> {
    let workspace = Workspace::find()?;
    check(&args.name)?;
    let source = spec_file("recipe", &args.from, &workspace.experiments())?;
    // What cannot be run is no beginning.
    Recipe::load(&source, &catalog())?;
    let text = fs::read_to_string(&source).map_err(|error| anyhow!("cannot read `{}`: {error}", source.display()))?;
    let path = workspace.experiments().join(format!("{}.toml", args.name));
    let written = File::create_new(&path).and_then(|mut file| file.write_all(begun(&text).as_bytes()));
    match written {
        Ok(()) => {}
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {
            let message = format!("`{}` is there already, and is not overwritten", path.display());
            return Err(BadInput::new(message).into());
        }
        Err(error) => return Err(anyhow!("cannot write `{}`: {error}", path.display())),
    }
    let name = &args.name;
    eprintln!(
        "wrote {}, a copy of {}

next: edit its title, its claim and its grid. An editor with a TOML language server (taplo, Even Better TOML) completes
and checks it by its first line, `{SCHEMA}./{RECIPE_SCHEMA}`. Then

    cargo xtask reproduce {name} --profile smoke --dry-run    # what would be run
    cargo xtask reproduce {name} --profile smoke              # the runs and the figure",
        path.display(),
        args.from,
    );
    Ok(())
}

fn check(name: &str) -> Result<()> {
    let is_letter = |c: char| c.is_ascii_lowercase();
    let is_name = name.starts_with(is_letter)
        && name
            .chars()
            .all(|c| is_letter(c) || c.is_ascii_digit() || "-_".contains(c));
    if !is_name {
        let message = format!("`{name}` is no name for a recipe");
        let hint = "lower-case letters, digits, `-` and `_`, a letter first; without `.toml`";
        return Err(BadInput::new(message).hint(hint).into());
    }
    if name == ALL {
        return Err(BadInput::new(format!(
            "`{name}` stands for all recipes, and cannot be the name of one"
        ))
        .into());
    }
    Ok(())
}

/// The text of a recipe with a title to be edited, and the schema of this folder; all else as it is.
fn begun(text: &str) -> String {
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    if let Some(line) = lines.iter_mut().find(|line| is_title(line)) {
        let quotes = line.find(['"', '\'']).map(|at| {
            let quote = &line[at..=at];
            let long = quote.repeat(3);
            at + if line[at..].starts_with(&long) { 3 } else { 1 }
        });
        if let Some(at) = quotes {
            line.insert_str(at, MARK);
        }
    }
    lines.retain(|line| !line.starts_with(SCHEMA));
    lines.insert(0, format!("{SCHEMA}./{RECIPE_SCHEMA}"));
    lines.join("\n") + "\n"
}

fn is_title(line: &str) -> bool {
    let rest = line.strip_prefix("title");
    rest.is_some_and(|rest| rest.trim_start().starts_with('='))
}

#[cfg(test)]
mod tests {
    use super::begun;

    #[test]
    fn the_title_is_marked_and_the_rest_stays() {
        let body = "# Why.\nclaim = \"x\"  # how\nmethods = [\n    \"full\",\n]\n";
        let schema = "#:schema ./recipe.schema.json\n";
        for (before, after) in [
            ("title = \"A\"\n", "title = \"TO EDIT: A\"\n"),
            ("title='A'\n", "title='TO EDIT: A'\n"),
            ("title = \"\"\"A\nB\"\"\"\n", "title = \"\"\"TO EDIT: A\nB\"\"\"\n"),
            ("#:schema /elsewhere.json\ntitle = \"A\"\n", "title = \"TO EDIT: A\"\n"),
        ] {
            assert_eq!(begun(&format!("{before}{body}")), format!("{schema}{after}{body}"));
        }
    }
}
