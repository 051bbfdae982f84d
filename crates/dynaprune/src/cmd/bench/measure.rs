//! Rounds that alternate between our worker and the peer's.

use super::cases::Work;
use super::ours;
use super::process::{Program, Worker};
use super::protocol::{Reply, Request};
use anyhow::{Result, bail};
use std::num::NonZeroUsize;
use std::thread;
use std::time::Duration;

/// OpenMP's threads spin for a while after their work (Intel's by default for 200 ms), which would take the processor
/// from us.
const PAUSE: Duration = Duration::from_millis(250);

/// Bytes below which memory is not compared: allocators keep as much of what was freed before, and use it again.
const LEAST_MEMORY: u64 = 4 << 20;

/// The longest warm-up.
const WARM_UP: f64 = 1.0;

/// How everything is measured.
#[derive(Clone, Debug)]
pub(super) struct Protocol {
    pub(super) ours: Program,
    pub(super) peer: Option<Program>,
    pub(super) threads: NonZeroUsize,
    pub(super) rounds: u32,
    /// Of a round of one side.
    pub(super) seconds: f64,
}

/// What was measured of one piece of work.
#[derive(Clone, Debug)]
pub(super) struct Measured {
    pub(super) work: Work,
    /// Floating-point operations of doing it once.
    pub(super) flops: f64,
    pub(super) ours: Side,
    pub(super) peer: Option<Peer>,
}

impl Measured {
    /// How fast a side is, in [`Self::unit`].
    pub(super) fn speed(&self, side: &Side) -> f64 {
        match self.work.network() {
            Some(network) => network.batch as f64 / side.seconds,
            None => self.gflops(side),
        }
    }

    /// The unit of the speed.
    pub(super) fn unit(&self) -> &'static str {
        match self.work.network() {
            Some(_) => "images/s",
            None => "GFLOP/s",
        }
    }

    /// How fast a side is, in operations.
    pub(super) fn gflops(&self, side: &Side) -> f64 {
        self.flops / side.seconds / 1e9
    }

    /// The fastest round of either side, in operations.
    pub(super) fn most_gflops(&self) -> f64 {
        let peer = self.peer.as_ref().map_or(f64::INFINITY, |peer| peer.side.least_seconds);
        self.flops / peer.min(self.ours.least_seconds) / 1e9
    }

    /// How many times less memory ours takes; `None` for little of it.
    pub(super) fn memory_ratio(&self) -> Option<f64> {
        let (ours, peer) = (self.ours.memory?, self.peer.as_ref()?.side.memory?);
        (ours.min(peer) >= LEAST_MEMORY).then(|| peer as f64 / ours as f64)
    }
}

/// One side.
#[derive(Clone, Debug)]
pub(super) struct Side {
    pub(super) program: String,
    pub(super) setting: Option<String>,
    /// Of doing the work once: the median of the rounds.
    pub(super) seconds: f64,
    /// In the fastest round.
    pub(super) least_seconds: f64,
    /// Bytes.
    pub(super) memory: Option<u64>,
}

/// The peer, and how many times faster than it we are.
#[derive(Clone, Debug)]
pub(super) struct Peer {
    pub(super) side: Side,
    pub(super) ratio: Spread,
}

/// Of the ratios of the rounds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Spread {
    pub(super) median: f64,
    pub(super) low: f64,
    pub(super) high: f64,
}

impl Protocol {
    /// Measures one piece of work with processes of its own.
    pub(super) fn measure(&self, work: &Work) -> Result<Measured> {
        let flops = ours::flops(work)?;
        // A peer that does not work is found out before we do any.
        let peer = self
            .peer
            .as_ref()
            .map(|peer| Runner::start(peer, work, self))
            .transpose()?;
        let mut ours = Runner::start(&self.ours, work, self)?;
        let Some(mut peer) = peer else {
            for _ in 0..self.rounds {
                ours.round(self.seconds)?;
            }
            return Ok(Measured {
                work: work.clone(),
                flops,
                ours: ours.finish()?,
                peer: None,
            });
        };
        if let (Some(a), Some(b)) = (ours.parameters, peer.parameters)
            && a != b
        {
            bail!("the networks differ: {a} parameters here, {b} of the peer");
        }
        for round in 0..self.rounds {
            // Whatever changes on the machine then meets both alike.
            let order = match round.is_multiple_of(2) {
                true => [&mut ours, &mut peer],
                false => [&mut peer, &mut ours],
            };
            for side in order {
                thread::sleep(PAUSE);
                side.round(self.seconds)?;
            }
        }
        let ratios: Vec<f64> = peer.times.iter().zip(&ours.times).map(|(p, o)| p / o).collect();
        Ok(Measured {
            work: work.clone(),
            flops,
            ours: ours.finish()?,
            peer: Some(Peer {
                side: peer.finish()?,
                ratio: Spread::of(&ratios),
            }),
        })
    }

    /// About how long a piece of work takes; what is built, and steps longer than a round, come on top.
    pub(super) fn seconds_of_work(&self) -> f64 {
        let sides = if self.peer.is_some() { 2.0 } else { 1.0 };
        let pause = if self.peer.is_some() { PAUSE.as_secs_f64() } else { 0.0 };
        sides * (self.warm_up() + f64::from(self.rounds) * (self.seconds + pause))
    }

    /// A quick look at a few steps need not warm up for longer than it takes.
    fn warm_up(&self) -> f64 {
        self.seconds.min(WARM_UP)
    }
}

/// A worker that has been started.
struct Runner {
    worker: Worker,
    program: String,
    setting: Option<String>,
    parameters: Option<u64>,
    /// Seconds of doing the work once, of each round.
    times: Vec<f64>,
}

impl Runner {
    fn start(program: &Program, work: &Work, protocol: &Protocol) -> Result<Self> {
        let mut worker = Worker::start(program, protocol.threads)?;
        let request = Request::Start {
            work: work.clone(),
            threads: protocol.threads,
            warm_up: protocol.warm_up(),
        };
        match worker.ask(&request)? {
            Reply::Ready {
                program,
                setting,
                parameters,
            } => Ok(Self {
                worker,
                program,
                setting,
                parameters,
                times: Vec::new(),
            }),
            reply => Err(worker.out_of_turn(&reply)),
        }
    }

    fn round(&mut self, seconds: f64) -> Result<()> {
        match self.worker.ask(&Request::Run { seconds })? {
            Reply::Ran { seconds_per_step, .. } if seconds_per_step > 0.0 => {
                self.times.push(seconds_per_step);
                Ok(())
            }
            reply => Err(self.worker.out_of_turn(&reply)),
        }
    }

    fn finish(mut self) -> Result<Side> {
        match self.worker.ask(&Request::Finish)? {
            Reply::Finished { peak_memory } => Ok(Side {
                program: self.program,
                setting: self.setting,
                seconds: median(&self.times),
                least_seconds: self.times.iter().copied().fold(f64::INFINITY, f64::min),
                memory: peak_memory,
            }),
            reply => Err(self.worker.out_of_turn(&reply)),
        }
    }
}

impl Spread {
    fn of(numbers: &[f64]) -> Self {
        Self {
            median: median(numbers),
            low: numbers.iter().copied().fold(f64::INFINITY, f64::min),
            high: numbers.iter().copied().fold(f64::NEG_INFINITY, f64::max),
        }
    }
}

/// The median; of an even count, the mean of the two in the middle. NaN of nothing.
pub(super) fn median(numbers: &[f64]) -> f64 {
    let mut sorted = numbers.to_vec();
    sorted.sort_by(f64::total_cmp);
    let middle = sorted.len() / 2;
    match sorted.len() {
        0 => f64::NAN,
        odd if odd % 2 == 1 => sorted[middle],
        _ => (sorted[middle - 1] + sorted[middle]) / 2.0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn medians() {
        assert_eq!(median(&[3.0, 1.0, 2.0]), 2.0);
        assert_eq!(median(&[4.0, 1.0, 2.0, 3.0]), 2.5);
        assert!(median(&[]).is_nan());
    }

    #[test]
    fn a_spread_holds_every_round() {
        let spread = Spread::of(&[1.5, 0.5, 1.0]);
        let expected = Spread {
            median: 1.0,
            low: 0.5,
            high: 1.5,
        };
        assert_eq!(spread, expected);
    }
}
