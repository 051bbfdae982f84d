//! How long a grid takes on a GPU, before it is run.

use crate::work::Work;
use dynaprune_report::RunRow;

/// Floating-point operations a second that are assumed where nothing was measured: an epoch of ResNet-18 on CIFAR-10 in 2.1
/// seconds, the goal for one H100.
const ASSUMED: f64 = 80e12;

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
        let hours = work.flops / rate / 3600.0;
        return format!(
            "about {hours:.1} hours on one GPU, at the {:.0} TFLOP/s of the {count} runs of this profile that were timed on one",
            rate / 1e12
        );
    }
    format!(
        "about {:.1} hours on one GPU at {:.0} TFLOP/s: an assumption, no run of this profile was timed on one",
        work.flops / ASSUMED / 3600.0,
        ASSUMED / 1e12
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_runs_it_says_that_it_assumes() {
        let work = Work {
            samples: 1,
            flops: 2.88e17,
        };
        let text = on_one_gpu(&work, &[]);
        assert!(
            text.starts_with("about 1.0 hours on one GPU at 80 TFLOP/s: an assumption"),
            "{text}"
        );
    }
}
