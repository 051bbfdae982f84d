//! Watches one run: tells of its progress, keeps its checkpoints, and stops it when that is asked for.

use crate::lease::Lease;
use crate::progress::{Progress, RunWatch};
use crate::rows::Provenance;
use crate::signals::Stop;
use dynaprune_datasets::Dataset;
use dynaprune_train::checkpoint::Checkpoints;
use dynaprune_train::{EpochRecord, Error, Scores, Snapshot, Watch};
use std::time::{Duration, Instant};

/// Without another wish a checkpoint is kept at the end of an epoch if the last one is so old.
const INTERVAL: Duration = Duration::from_secs(60);

/// The watch of one run.
pub(crate) struct Keeper<'a> {
    watch: RunWatch,
    progress: &'a Progress,
    checkpoints: Checkpoints,
    every: Option<u32>,
    stop: &'a Stop,
    lease: &'a Lease,
    /// Who has made the run so far, and since when.
    made: Provenance,
    last: Instant,
    was_asked: bool,
}

/// What a state must be of to be gone on from: these specs, the same data, and the same scores made before training.
pub(crate) fn identity(specs: &[String], dataset: &Dataset, scores: Option<&Scores>) -> String {
    let mut lines = specs.to_vec();
    lines.push(format!("data {}", dataset.checksum));
    if let Some(scores) = scores {
        let mut hasher = blake3::Hasher::new();
        for score in scores.scores {
            hasher.update(&score.to_le_bytes());
        }
        lines.push(format!("scores {}", hasher.finalize().to_hex()));
    }
    lines.join("\n")
}

/// The specs in an [`identity`].
pub(crate) fn specs_of(identity: &str) -> impl Iterator<Item = &str> {
    identity.lines().filter(|line| line.starts_with('{'))
}

impl<'a> Keeper<'a> {
    /// `every` is the number of epochs between checkpoints, if one was asked for.
    pub(crate) fn new(
        watch: RunWatch,
        progress: &'a Progress,
        checkpoints: Checkpoints,
        every: Option<u32>,
        (stop, lease): (&'a Stop, &'a Lease),
        by: &Provenance,
    ) -> Self {
        Self {
            watch,
            progress,
            checkpoints,
            every,
            stop,
            lease,
            made: by.clone(),
            last: Instant::now(),
            was_asked: false,
        }
    }

    /// The run is over and its result stored: its checkpoints are not needed. Gives back the watch of its progress.
    pub(crate) fn close(self) -> RunWatch {
        self.checkpoints.clear();
        self.watch
    }

    /// The run has no result: its checkpoints stay. Gives back the watch of its progress.
    pub(crate) fn close_unfinished(self) -> RunWatch {
        self.watch
    }

    /// All who had a part in the run.
    pub(crate) fn made(&self) -> &Provenance {
        &self.made
    }
}

impl Watch for Keeper<'_> {
    fn epoch_finished(&mut self, record: &EpochRecord, epochs: u32) {
        self.watch.epoch_finished(record, epochs);
    }

    fn saved(&mut self) -> Option<Snapshot> {
        if std::mem::replace(&mut self.was_asked, true) {
            self.checkpoints.refuse();
        }
        let progress = self.progress;
        let tell = |error: &Error| progress.note(&format!("{error}; the one before it is used, if there is one"));
        let checkpoint = self.checkpoints.newest(tell)?;
        if let Ok(before) = serde_json::from_str(&checkpoint.note) {
            let now = std::mem::replace(&mut self.made, before);
            for maker in now.makers {
                if !self.made.makers.contains(&maker) {
                    self.made.makers.push(maker);
                }
            }
        }
        let Snapshot { epoch, step, .. } = checkpoint.snapshot;
        let label = self.watch.label();
        self.progress
            .note(&format!("{label}: goes on after {epoch} epochs and {step} steps"));
        Some(checkpoint.snapshot)
    }

    fn refused(&mut self, error: &Error) {
        self.progress.note(&format!("{error}: the checkpoint is not used"));
    }

    fn keeps(&mut self, epoch: u32) -> bool {
        match self.every {
            Some(every) => epoch.is_multiple_of(every),
            None => self.last.elapsed() >= INTERVAL,
        }
    }

    fn keep(&mut self, snapshot: Snapshot) {
        // Who took the run over keeps its state.
        if self.lease.is_lost() {
            return;
        }
        let note = serde_json::to_string(&self.made).unwrap_or_default();
        // The run needs none to go on.
        if let Err(error) = self.checkpoints.keep(&snapshot, &note) {
            self.progress
                .note(&format!("{error}: the run goes on without this checkpoint"));
        }
        self.last = Instant::now();
    }

    fn stops(&self) -> bool {
        self.stop.is_asked() || self.lease.is_lost()
    }
}
