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
            let label = format!(
                "{} {} s={} seed {}",
                run.dataset, run.method_label, run.pruned_fraction, run.seed
            );
            lines.push((
                state,
                run.run_id,
                profile.clone(),
                label,
                what,
                seconds(run.total_seconds),
            ));
        }
        for (id, failure) in Failures::new(results.folder()).all() {
            let error = failure.error.lines().next().unwrap_or_default().to_owned();
            lines.push((
                State::Failed,
                id,
                profile.clone(),
                failure.run,
                format!("failed: {error}"),
                String::new(),
            ));
        }
        for (id, holder) in lease::holders(results.folder()) {
            let state = if holder.is_gone() {
                "given up by"
            } else {
                "being made by"
            };
            let by = format!("{state} process {} on {}", holder.pid, holder.host);
            lines.push((State::Running, id, profile.clone(), String::new(), by, String::new()));
        }
    }
    lines.retain(|(state, id, profile, label, what, _)| {
        let line = format!("{id} {profile} {label} {what}");
        args.state.is_none_or(|wanted| wanted == *state)
            && args.matching.iter().all(|text| line.contains(text.as_str()))
    });
    let width = |of: fn(&(State, String, String, String, String, String)) -> &str| {
        lines.iter().map(|line| of(line).chars().count()).max().unwrap_or(0)
    };
    let (ids, profiles, labels) = (width(|l| &l.1), width(|l| &l.2), width(|l| &l.3));
    let mut text = String::new();
    for (_, id, profile, label, what, time) in &lines {
        let line = format!("{id:<ids$}  {profile:<profiles$}  {label:<labels$}  {what:<13}  {time}");
        text += line.trim_end();
        text.push('\n');
    }
    print(&text)?;
    eprintln!("{} runs", lines.len());
    Ok(())
}
