//! `bench worker`: our side of a measurement, in a process of its own.

use super::cases::{Network, Work};
use super::measure::median;
use super::memory;
use super::ours::{self, Subject};
use super::protocol::{Reply, Request};
use anyhow::{Result, anyhow, bail};
use std::io::{BufRead as _, Write as _, stdin, stdout};
use std::time::Instant;

/// Steps of a warm-up or a round, however long they take.
const LEAST_STEPS: usize = 3;

/// Answers requests until the last, or until nobody asks any more.
pub(super) fn run() -> Result<()> {
    let mut started = None;
    for line in stdin().lock().lines() {
        let request: Request = serde_json::from_str(&line?)?;
        let answer = match (request, &mut started) {
            (Request::Start { work, threads, warm_up }, None) => {
                rayon::ThreadPoolBuilder::new()
                    .num_threads(threads.get())
                    .build_global()?;
                Started::new(&work, warm_up).map(|(new, ready)| {
                    started = Some(new);
                    ready
                })
            }
            (Request::Run { seconds }, Some(started)) => started.round(seconds),
            (Request::Finish, Some(started)) => started.finish(),
            (request, _) => Err(anyhow!("not the time for {request:?}")),
        };
        let (reply, last) = match answer {
            Ok(reply) => {
                let last = matches!(reply, Reply::Finished { .. });
                (reply, last)
            }
            Err(error) => {
                let message = error.to_string();
                (Reply::Failed { message }, true)
            }
        };
        let mut stdout = stdout().lock();
        serde_json::to_writer(&mut stdout, &reply)?;
        stdout.write_all(b"\n")?;
        stdout.flush()?;
        if last {
            break;
        }
    }
    Ok(())
}

struct Started {
    subject: Box<dyn Subject>,
    resident_before: Option<u64>,
}

impl Started {
    fn new(work: &Work, warm_up: f64) -> Result<(Self, Reply)> {
        first_use()?;
        memory::forget_peak();
        let resident_before = memory::resident();
        let mut subject = ours::build(work)?;
        repeat(subject.as_mut(), warm_up)?;
        let ready = Reply::Ready {
            program: ours::program(),
            setting: None,
            parameters: subject.parameters(),
        };
        let started = Self {
            subject,
            resident_before,
        };
        Ok((started, ready))
    }

    fn round(&mut self, seconds: f64) -> Result<Reply> {
        let times = repeat(self.subject.as_mut(), seconds)?;
        Ok(Reply::Ran {
            steps: times.len() as u64,
            seconds_per_step: median(&times),
        })
    }

    fn finish(&self) -> Result<Reply> {
        if let Some(loss) = self.subject.loss()?
            && !loss.is_finite()
        {
            bail!("the loss became {loss}");
        }
        let grown = memory::peak().zip(self.resident_before);
        Ok(Reply::Finished {
            peak_memory: grown.map(|(peak, before)| peak.saturating_sub(before)),
        })
    }
}

/// What is loaded and started at first use (threads, code) is no memory of the network. The peer does the same.
fn first_use() -> Result<()> {
    let tiny = Network {
        model: "cnn".to_owned(),
        width: 4,
        batch: 2,
        side: 8,
        channels: 1,
        classes: 2,
    };
    ours::build(&Work::Step(tiny.clone()))?.once()?;
    ours::build(&Work::Inference(tiny))?.once()
}

/// Does it for about `seconds` and returns how long each time took.
fn repeat(subject: &mut dyn Subject, seconds: f64) -> Result<Vec<f64>> {
    let (started, mut times) = (Instant::now(), Vec::new());
    while times.len() < LEAST_STEPS || started.elapsed().as_secs_f64() < seconds {
        let begin = Instant::now();
        subject.once()?;
        times.push(begin.elapsed().as_secs_f64());
    }
    Ok(times)
}
