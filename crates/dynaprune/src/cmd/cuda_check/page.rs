//! What was found, as a page.

use super::Report;
use super::peer::Peer;
use super::speed::Speed;
use std::fmt::Write as _;

/// The page in Markdown.
pub(super) fn markdown(report: &Report) -> String {
    let mut page = format!(
        "# CUDA check\n\n{} beside {}, dynaprune {}: {}.\n",
        report.device,
        report.host,
        report.code_version,
        match (report.is_right(), report.operations.is_empty()) {
            (true, true) => "only timed, nothing was compared",
            (true, false) => "all is right",
            (false, _) => "**not all is right**",
        }
    );
    if !report.operations.is_empty() {
        operations(report, &mut page);
        training(report, &mut page);
        run(report, &mut page);
    }
    speed(report, &mut page);
    page
}

fn operations(report: &Report, page: &mut String) {
    let right = report
        .operations
        .iter()
        .filter(|comparison| comparison.is_right())
        .count();
    let all = report.operations.len();
    let _ = write!(
        page,
        "\n## Operations\n\n{right} of {all} as on the CPU. The error is ‖GPU − CPU‖ / ‖CPU‖ of the result that is furthest off.\n\n\
         | operation | precision | error | allowed | twice the same bits | |\n|---|---|---|---|---|---|\n"
    );
    for comparison in &report.operations {
        let _ = writeln!(
            page,
            "| {} | {} | {} | {:e} | {} | {} |",
            comparison.operation,
            comparison.precision,
            comparison.error.map_or("-".to_owned(), |error| format!("{error:.1e}")),
            comparison.tolerance,
            yes(comparison.reproducible),
            match &comparison.failure {
                Some(failure) => failure.replace(['\n', '|'], " "),
                None if comparison.is_right() => String::new(),
                None => "**wrong**".to_owned(),
            }
        );
    }
}

fn training(report: &Report, page: &mut String) {
    page.push_str("\n## Training, step by step beside the CPU in f32\n\n");
    if let Some(failure) = &report.training_failure {
        let _ = writeln!(page, "Failed: {failure}");
        return;
    }
    page.push_str(
        "| network | precision | steps | loss on the CPU, first and last | largest error of a loss, first steps | allowed | all \
         steps | allowed | error of the parameters | allowed |\n|---|---|---|---|---|---|---|---|---|---|\n",
    );
    for row in &report.training {
        let _ = writeln!(
            page,
            "| {} | {} | {} | {:.3}, {:.3} | {:.1e} | {:e} | {:.1e} | {:e} | {:.1e} | {:e} |",
            row.network,
            row.precision,
            row.steps,
            row.first_loss,
            row.last_loss,
            row.first_loss_error,
            row.first_loss_tolerance,
            row.loss_error,
            row.loss_tolerance,
            row.parameter_error,
            row.parameter_tolerance
        );
    }
}

fn run(report: &Report, page: &mut String) {
    page.push_str("\n## A run as sweeps make it, beside the CPU\n\n");
    if let Some(failure) = &report.run_failure {
        let _ = writeln!(page, "Failed: {failure}");
    }
    let Some(run) = &report.run else { return };
    let _ = write!(
        page,
        "{} on {} digits, {} epochs, batches of {}, {}. The CPU's loss of the first and the last epoch: {:.3}, {:.3}. Twice \
         on the GPU, the same bits: {}.\n\n| | largest error | allowed |\n|---|---|---|\n",
        run.network,
        run.samples,
        run.epochs,
        run.batch_size,
        run.precision,
        run.first_loss,
        run.last_loss,
        yes(run.reproducible),
    );
    for (what, error, tolerance) in [
        (
            "loss of the first epoch",
            run.first_loss_error,
            run.first_loss_tolerance,
        ),
        ("all losses", run.loss_error, run.loss_tolerance),
        ("accuracies, absolute", run.accuracy_error, run.accuracy_tolerance),
        ("GraNd before training", run.norm_errors[0], run.norm_tolerances[0]),
        ("GraNd after an epoch", run.norm_errors[1], run.norm_tolerances[1]),
    ] {
        let _ = writeln!(page, "| {what} | {error:.1e} | {tolerance:e} |");
    }
}

fn speed(report: &Report, page: &mut String) {
    if report.speed_failure.is_some() || !report.speed.is_empty() {
        page.push_str("\n## Speed\n");
    }
    if let Some(failure) = &report.speed_failure {
        let _ = write!(page, "\nFailed: {failure}\n");
    }
    report.speed.iter().for_each(|speed| one_speed(speed, page));
}

fn one_speed(speed: &Speed, page: &mut String) {
    let steps = speed.samples.div_ceil(speed.batch_size as usize) as f64;
    let _ = write!(
        page,
        "\n{}, {} images of 32 x 32, batches of {}, {}: medians of epochs without the first.\n\n\
         | | seconds of an epoch | milliseconds of a step |\n|---|---|---|\n\
         | all samples | {:.3} | {:.3} |\n| random-dynamic, s = 0.5 | {:.3} | {:.3} |\n| ucb, s = 0.5, training only | {:.3} | {:.3} |\n",
        speed.network,
        speed.samples,
        speed.batch_size,
        speed.precision,
        speed.full,
        1e3 * speed.full / steps,
        speed.half,
        2e3 * speed.half / steps,
        speed.ucb,
        2e3 * speed.ucb / steps,
    );
    for peer in &speed.peers {
        let _ = writeln!(page, "{}", peer_row(peer, steps));
    }
    let _ = write!(
        page,
        "\nSelection, and what is recorded of an epoch: {:.2} % of the epochs of random-dynamic, {:.2} % of those of ucb; of the \
         latter its passes over all samples take {:.1} %, with the averages that the host keeps. What the host does with each \
         sample of an epoch's training counts as training. Saving at s = 0.5: {:.3} of the ideal. {:.0} TFLOP/s.\n",
        100.0 * speed.bookkeeping,
        100.0 * speed.ucb_bookkeeping,
        100.0 * speed.ucb_scoring,
        speed.realised,
        speed.flops_per_second / 1e12
    );
    for peer in &speed.peers {
        if let Some(step) = peer.step {
            let ratio = step * steps / 1e3 / speed.full;
            let _ = writeln!(page, "\nAgainst {}: {ratio:.2} times as fast.", peer.name);
        }
    }
}

fn peer_row(peer: &Peer, steps: f64) -> String {
    match (peer.step, &peer.failure) {
        (Some(step), _) => format!("| {} | {:.3} | {step:.3} |", peer.name, step * steps / 1e3),
        (None, failure) => {
            let why = failure.as_deref().unwrap_or("no answer").replace(['\n', '|'], " ");
            format!("| {} | - | {why} |", peer.name)
        }
    }
}

fn yes(is: bool) -> &'static str {
    if is { "yes" } else { "**no**" }
}
