//! The Markdown page beside a picture.

use std::fmt::Write as _;

use super::data::{Data, OPERATIONS, SECONDS, dataset_title, is_reduced, joined, percent};
use super::findings::with_half_width;
use super::kind;
use super::{Drawing, provenance};
use crate::RunRow;

/// The last words of every page.
pub(crate) const ORIGIN: &str = "---\n\nA reconstruction from the abstract of \
    [arXiv 2111.12621](https://arxiv.org/abs/2111.12621), \"Accelerating Deep Learning with Dynamic Data Pruning\" \
    (Raju, Daruwalla, Lipasti, 2021): the choice of plot, grid and protocol is this project's, and no number here is \
    the paper's.\n";

pub(super) fn markdown(data: &Data, drawing: &Drawing) -> String {
    let input = data.input;
    let title = data.title();
    let mut page = format!("# {title}\n\n");
    page += &scale(input.profile, input.profile_summary);
    let _ = writeln!(page, "**Claim.** {}\n", data.text(input.claim).trim());
    let numbers = format!("[CSV]({0}.csv) and [Parquet]({0}.parquet)", input.id);
    if drawing.scene.is_some() {
        let _ = writeln!(page, "![{title}]({}.png)\n", input.id);
        // The kind is known: it has drawn this.
        let column = match kind(input.kind).is_ok_and(|kind| kind.fits_a_column) {
            true => format!(
                "; for a column of a paper as [vectors]({0}.column.svg) and as [pixels]({0}.column.png)",
                input.id
            ),
            false => String::new(),
        };
        let _ = writeln!(
            page,
            "The same plot as [vectors]({}.svg){column}; its numbers as {numbers}.\n",
            input.id
        );
    } else {
        let _ = writeln!(page, "The same table as {numbers}.\n");
    }
    let machines = data.mixed_machines().filter(|_| has_full(data));
    for warning in data.gaps().into_iter().chain(machines) {
        let _ = writeln!(page, "**{warning}**\n");
    }
    let _ = writeln!(page, "## How to read it\n\n{}\n", data.text(input.how_to_read).trim());
    let _ = writeln!(page, "## What it shows here\n\n{}\n", findings(drawing));
    let _ = writeln!(page, "## The numbers\n\n{}", points(data));
    let _ = writeln!(page, "## How it was made\n\n| | |\n|---|---|");
    for (what, value) in provenance::facts(data) {
        let _ = writeln!(page, "| {what} | {} |", value.replace('|', "\\|"));
    }
    let _ = writeln!(page, "\nTo make it again:\n\n```\n{}\n```\n", input.command.trim());
    page + ORIGIN
}

/// What is said under "what it shows".
pub(super) fn findings(drawing: &Drawing) -> &str {
    match drawing.findings.trim() {
        "" => "Nothing to compare yet.",
        findings => findings,
    }
}

/// What the drawn runs took, where, and by which code, in a sentence.
pub(super) fn made(data: &Data) -> String {
    let all = |of: fn(&RunRow) -> String| joined(data.runs().map(of));
    let mut text = format!(
        "{}, on {} with {} threads; code {}.",
        provenance::time(data),
        all(|run| run.device.clone()),
        all(provenance::threads),
        all(|run| run.code_version.clone()),
    );
    for gap in data.gaps() {
        let _ = write!(text, " **{gap}**");
    }
    text
}

/// What profile it is and, unless that is the full protocol, that it is not.
pub(crate) fn scale(profile: &str, summary: &str) -> String {
    let summary = match summary.trim().trim_end_matches('.') {
        "" => String::new(),
        summary => format!(": {summary}"),
    };
    if is_reduced(profile) {
        format!(
            "> **Reduced scale.** This is the `{profile}` profile{summary}. It is not the full protocol: what fails here may \
             hold at full scale, and the other way round.\n\n"
        )
    } else {
        format!("Profile `{profile}`{summary}.\n\n")
    }
}

/// Whether there are runs on full data, to which costs are relative.
fn has_full(data: &Data) -> bool {
    data.datasets.iter().any(|dataset| data.full(dataset).is_some())
}

/// The table of all points of all lines.
fn points(data: &Data) -> String {
    let mut text = String::from(
        "*s*: the share of the samples that each epoch leaves out. Accuracies in percent, mean over n seeds ± half of the 95 % t interval. *Last* is after the last epoch; *best* was \
         chosen on the test set; *train* is on all training samples after the last epoch, not augmented. *Full epochs*: samples \
         trained on, divided by the training samples. *Seconds*: the whole run, evaluation included; ? where it was not timed.",
    );
    let has_full = has_full(data);
    text += match has_full {
        true => {
            " *Relative*: scoring, selection and training over those of full data, seconds over those of the same seed; ? where \
             they were not timed, or on another machine.\n\n\
             | data set | method | s | n | last | best | train | full epochs | seconds | relative time | relative operations |\n\
             |---|---|---|---|---|---|---|---|---|---|---|\n"
        }
        false => {
            "\n\n| data set | method | s | n | last | best | train | full epochs | seconds |\n\
             |---|---|---|---|---|---|---|---|---|\n"
        }
    };
    for line in &data.lines {
        let full = data.full(line.dataset);
        for point in &line.points {
            let mean = |of: fn(&RunRow) -> f64| point.summary(of).mean;
            let relative = |cost| {
                let relative = full.and_then(|full| point.relative(full, cost));
                relative.map_or_else(|| "?".to_owned(), |relative| format!("{:.2}", relative.mean))
            };
            let seconds = mean(|run| run.total_seconds);
            let seconds = if seconds.is_finite() {
                format!("{seconds:.1}")
            } else {
                "?".to_owned()
            };
            let _ = write!(
                text,
                "| {} | {} | {} % | {} | {} | {:.2} | {:.2} | {:.1} | {seconds} |",
                dataset_title(line.dataset),
                line.label,
                percent(point.pruned_fraction),
                point.runs.len(),
                with_half_width(&point.accuracy(), 2),
                100.0 * mean(|run| run.test_accuracy_best),
                100.0 * mean(|run| run.train_accuracy_last),
                mean(RunRow::full_epoch_equivalents),
            );
            if has_full {
                let _ = write!(text, " {} | {} |", relative(SECONDS), relative(OPERATIONS));
            }
            text.push('\n');
        }
    }
    text
}
