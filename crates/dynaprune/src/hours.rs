//! How long a grid takes on a GPU, before it is run.

use crate::work::Work;
use dynaprune_report::RunRow;
use indicatif::HumanDuration;
use std::time::Duration;

/// Floating-point operations a second that are assumed where no run was timed: a little less than `cuda-check` measures of
/// ResNet-18 on an H100 or H200.
const ASSUMED: f64 = 150e12;

/// Hours on one GPU, in words: at the speed of the profile's runs that were timed on one, else an assumed speed.
pub(crate) fn on_one_gpu(work: &Work, runs: &[RunRow]) -> String {
    let timed = runs
        .iter()
        .filter(|run| run.device.starts_with("cuda") && run.total_seconds.is_finite() && run.total_seconds > 0.0);
    let (mut flops, mut seconds, mut count) = (0.0, 0.0, 0);
    for run in timed {
        // What static methods' scores took is in neither: tables are made once for many runs.
        flops += run.training_flops + run.evaluation_flops;
        seconds += run.training_seconds + run.evaluation_seconds;
        count += 1;
    }
    if count > 0 && seconds > 0.0 {
        let rate = flops / seconds;
        return format!(
            "about {} on one GPU, at the {:.0} TFLOP/s of the {count} runs of this profile that were timed on one",
            in_words(work.flops / rate),
            rate / 1e12
        );
    }
    format!(
        "about {} on one GPU at {:.0} TFLOP/s: an assumption, no run of this profile was timed on one",
        in_words(work.flops / ASSUMED),
        ASSUMED / 1e12
    )
}

fn in_words(seconds: f64) -> HumanDuration {
    HumanDuration(Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_runs_it_says_that_it_assumes() {
        let work = Work {
            samples: 1,
            flops: 1.62e18,
        };
        let text = on_one_gpu(&work, &[]);
        assert!(
            text.starts_with("about 3 hours on one GPU at 150 TFLOP/s: an assumption"),
            "{text}"
        );
        let text = on_one_gpu(&Work { flops: 2.7e16, ..work }, &[]);
        assert!(text.starts_with("about 3 minutes on one GPU"), "{text}");
    }
}
