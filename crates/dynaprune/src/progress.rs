//! How far it is: bars on a terminal, a line for each finished run elsewhere, or nothing.

use crate::work::Work;
use dynaprune_train::{EpochRecord, Watch};
use indicatif::{HumanDuration, MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::io::{IsTerminal as _, stderr};
use std::time::{Duration, Instant};

/// A bar counts work in units of a million operations.
const UNIT: f64 = 1e6;

/// Tells of runs, one after the other.
pub(crate) struct Progress {
    show: Show,
    bars: MultiProgress,
    /// Over the work of all runs.
    all: ProgressBar,
    finished: usize,
    runs: usize,
    started: Instant,
    /// Operations in all, and those of finished runs.
    work: f64,
    worked: f64,
}

#[derive(Clone, Copy, PartialEq)]
enum Show {
    Bars,
    Lines,
    Nothing,
}

impl Progress {
    /// For `runs` runs that together have this much work.
    pub(crate) fn new(runs: usize, work: Work, quiet: bool) -> Self {
        let show = match (quiet, stderr().is_terminal()) {
            (true, _) => Show::Nothing,
            (false, true) => Show::Bars,
            (false, false) => Show::Lines,
        };
        let work = work.flops;
        let bars = MultiProgress::with_draw_target(match show {
            Show::Bars => ProgressDrawTarget::stderr(),
            Show::Lines | Show::Nothing => ProgressDrawTarget::hidden(),
        });
        let all = bars.add(ProgressBar::new((work / UNIT) as u64));
        all.set_style(style("{prefix} {bar:30} {percent:>3} %  {elapsed} so far, {eta} to go"));
        Self {
            show,
            bars,
            all,
            finished: 0,
            runs,
            started: Instant::now(),
            work,
            worked: 0.0,
        }
    }

    /// A run begins; the answer watches it.
    pub(crate) fn begin(&self, label: String, epochs: u32, work: Work) -> RunWatch {
        self.all.set_prefix(format!("run {}/{}", self.finished + 1, self.runs));
        let epochs = self.bars.add(ProgressBar::new(u64::from(epochs)));
        epochs.set_style(style("{prefix}  epoch {pos}/{len}  {msg}"));
        epochs.set_prefix(label.clone());
        if self.show == Show::Bars {
            // Seconds tick while an epoch takes long.
            self.all.enable_steady_tick(Duration::from_millis(500));
            epochs.tick();
        }
        RunWatch {
            label,
            all: self.all.clone(),
            epochs,
            before: self.worked,
            work: work.flops,
            test_accuracy: None,
        }
    }

    /// The run has ended after so many seconds and its result is stored.
    pub(crate) fn end(&mut self, watch: RunWatch, outcome: &str, seconds: f64) {
        watch.epochs.finish_and_clear();
        self.bars.remove(&watch.epochs);
        self.finished += 1;
        self.worked += watch.work;
        self.all.set_position((self.worked / UNIT) as u64);
        let mut line = format!(
            "[{:>width$}/{}] {}: {outcome}{}",
            self.finished,
            self.runs,
            watch.label,
            // Not kept, if other work ran beside.
            if seconds.is_finite() {
                format!(", {seconds:.1} s")
            } else {
                String::new()
            },
            width = self.runs.to_string().len()
        );
        // Work that was not counted says nothing of the rest.
        if self.show == Show::Lines && self.finished < self.runs && self.worked > 0.0 {
            let left = self.started.elapsed().as_secs_f64() * ((self.work - self.worked) / self.worked).max(0.0);
            let left = Duration::try_from_secs_f64(left).unwrap_or(Duration::MAX);
            line += &format!(" (about {} to go)", HumanDuration(left));
        }
        self.say(&line);
    }

    /// The run has failed: there is no result. [`Progress::skip`] counts it.
    pub(crate) fn fail(&mut self, watch: RunWatch, reason: &str) {
        watch.epochs.finish_and_clear();
        self.bars.remove(&watch.epochs);
        self.worked += watch.work;
        self.say(&format!("{}: failed: {reason}", watch.label));
    }

    /// A run is left to others, or left out: its work is not ours.
    pub(crate) fn skip(&mut self, work: Work) {
        self.finished += 1;
        self.worked += work.flops;
        self.all.set_position((self.worked / UNIT) as u64);
    }

    /// Something to know about the run that begins next.
    pub(crate) fn note(&self, text: &str) {
        self.say(&format!("note: {text}"));
    }

    /// All is done.
    pub(crate) fn close(self) {
        self.all.finish_and_clear();
    }

    fn say(&self, line: &str) {
        match self.show {
            // Above the bars. A terminal that is gone is no reason to stop.
            Show::Bars => drop(self.bars.println(line)),
            Show::Lines => eprintln!("{line}"),
            Show::Nothing => {}
        }
    }
}

/// Watches one run.
pub(crate) struct RunWatch {
    label: String,
    all: ProgressBar,
    epochs: ProgressBar,
    /// Operations of the runs before, and of this one.
    before: f64,
    work: f64,
    test_accuracy: Option<f64>,
}

impl RunWatch {
    /// The run as a person would call it.
    pub(crate) fn label(&self) -> &str {
        &self.label
    }
}

impl Watch for RunWatch {
    fn epoch_finished(&mut self, record: &EpochRecord, epochs: u32) {
        self.test_accuracy = record.test_accuracy.or(self.test_accuracy);
        let test = self
            .test_accuracy
            .map_or(String::new(), |test| format!(", test {:.2} %", 100.0 * test));
        let message = format!(
            "loss {:.4}, train {:.2} %{test}",
            record.train_loss,
            100.0 * record.train_accuracy
        );
        self.epochs.set_length(u64::from(epochs));
        self.epochs.set_position(u64::from(record.epoch));
        self.epochs.set_message(message);
        let here = self.work * f64::from(record.epoch) / f64::from(epochs);
        self.all.set_position(((self.before + here) / UNIT) as u64);
    }
}

/// Without colours: they would carry nothing.
fn style(template: &str) -> ProgressStyle {
    let style = ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
    style.progress_chars("█▉▊▋▌▍▎▏ ")
}
