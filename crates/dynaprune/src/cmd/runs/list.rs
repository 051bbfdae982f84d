//! `runs list`.

use super::{Where, seconds};
use crate::failures::Failures;
use crate::lease;
use crate::output::print;
use anyhow::Result;
use clap::ValueEnum;

/// The options of `runs list`.
#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    place: Where,
    /// Only runs in this state
    #[arg(long, value_enum)]
    state: Option<State>,
    /// Only runs whose line has this in it: a data set, a method, `s=0.7`, the beginning of an id
    #[arg(long, value_name = "TEXT")]
    matching: Vec<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum State {
    Finished,
    Diverged,
    Failed,
    Running,
}

/// What is said of a run.
struct Line {
    state: State,
    id: String,
    profile: String,
    label: String,
    what: String,
    time: String,
}

/// Runs the verb.
pub(crate) fn run(args: &Args) -> Result<()> {
    let mut lines = Vec::new();
    for (profile, results) in args.place.all()? {
        for run in results.runs()? {
            let (state, what) = match run.diverged {
                true => (State::Diverged, "diverged".to_owned()),
                false => (
                    State::Finished,
                    format!("test {:6.2} %", 100.0 * run.test_accuracy_last),
                ),
            };
            let (s, seed) = (run.pruned_fraction, run.seed);
            lines.push(Line {
                state,
                id: run.run_id,
                profile: profile.clone(),
                label: format!("{} {} s={s} seed {seed}", run.dataset, run.method_label),
                what,
                time: seconds(run.total_seconds),
            });
        }
        for (id, failure) in Failures::new(results.folder()).all() {
            let error = failure.error.lines().next().unwrap_or_default();
            lines.push(Line {
                state: State::Failed,
                id,
                profile: profile.clone(),
                label: failure.run.clone(),
                what: format!("failed: {error}"),
                time: String::new(),
            });
        }
        for (id, holder) in lease::holders(results.folder()) {
            let by = if holder.is_gone() {
                "given up by"
            } else {
                "being made by"
            };
            lines.push(Line {
                state: State::Running,
                id,
                profile: profile.clone(),
                label: String::new(),
                what: format!("{by} {holder}"),
                time: String::new(),
            });
        }
    }
    lines.retain(|line| {
        let text = format!("{} {} {} {}", line.id, line.profile, line.label, line.what);
        let is_wanted = args.state.is_none_or(|wanted| wanted == line.state);
        is_wanted && args.matching.iter().all(|part| text.contains(part.as_str()))
    });
    let width = |of: fn(&Line) -> &str| lines.iter().map(|line| of(line).chars().count()).max().unwrap_or(0);
    let (ids, profiles, labels) = (
        width(|line| &line.id),
        width(|line| &line.profile),
        width(|line| &line.label),
    );
    let mut text = String::new();
    for Line {
        id,
        profile,
        label,
        what,
        time,
        ..
    } in &lines
    {
        let line = format!("{id:<ids$}  {profile:<profiles$}  {label:<labels$}  {what:<13}  {time}");
        text += line.trim_end();
        text.push('\n');
    }
    print(&text)?;
    eprintln!("{} runs", lines.len());
    Ok(())
}
