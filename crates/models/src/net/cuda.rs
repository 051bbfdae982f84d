//! What a network does on a GPU only: the parts of a step that can be captured and replayed for each batch of an epoch.

use super::{Mode, Net, Of};
use crate::error::Result;
use candle_core::Tensor;
use dynaprune_ops::cuda::{Mixed, Slot, copy_to};
use dynaprune_ops::{CrossEntropy, Sgd};
use half::bf16;

/// The learning rates of an epoch's steps, and the number (u32) of the step on the device.
type Schedule<'a> = (&'a Tensor, &'a Tensor);

impl Net {
    /// Makes room for a batch of `samples`, to be written to [`Net::batch`].
    ///
    /// # Errors
    /// If `samples` is 0 or above the capacity.
    pub fn begin_batch(&mut self, samples: usize) -> Result<()> {
        self.check_batch(samples)?;
        self.resize(samples)
    }

    /// Where the images [samples, h, w, c], with the channels that the device wants, and the labels `[samples]` of the batch
    /// lie.
    #[must_use]
    pub fn batch(&self) -> (&Tensor, &Tensor) {
        (&self.views.activations[0], &self.views.labels)
    }

    /// As [`Net::forward_backward`]; what the pass tells of the samples goes to the rows of `samples` that `slot` names.
    ///
    /// # Errors
    /// If an operation fails.
    pub fn forward_backward_in_epoch(&mut self, loss: CrossEntropy, (samples, slot): (&Tensor, Slot)) -> Result<()> {
        let logits = self.forward(Mode::Train)?.clone();
        if let Some((dlogits, _)) = self.views.gradients.first() {
            loss.forward_in_epoch(&logits, &self.views.labels, (samples, slot), dlogits)?;
        }
        self.backward(Of::Batch)
    }

    /// As [`Net::evaluate`], but what it tells of the samples goes to `to` [samples, columns].
    ///
    /// # Errors
    /// If an operation fails.
    pub fn evaluate_into(&mut self, loss: CrossEntropy, to: &Tensor) -> Result<()> {
        let logits = self.forward(Mode::Evaluate)?.clone();
        Ok(loss.forward(&logits, &self.views.labels, None, to, None)?)
    }

    /// An optimiser step whose learning rate is that of the schedule's step: the learning rates of an epoch's steps, and the
    /// number of the step (u32) on the device.
    ///
    /// # Errors
    /// If an operation fails.
    pub fn step_in_epoch(&mut self, sgd: &Sgd, schedule: Schedule) -> Result<()> {
        self.step_on_gpu(sgd, Some(schedule))
    }

    pub(super) fn step_on_gpu(&mut self, sgd: &Sgd, schedule: Option<Schedule>) -> Result<()> {
        let half = self.half.as_ref();
        let mixed = Mixed {
            half_gradient: half.map(|half| &half.gradients),
            working: half.map(|half| &half.working),
            schedule,
        };
        Ok(sgd.step_mixed(&self.parameters, &self.gradients, &self.momentum, mixed)?)
    }

    /// Fills the batch from numbers of the host.
    pub(super) fn load_to_gpu(&mut self, samples: usize, fill: impl FnOnce(&mut [f32], &mut [u32])) -> Result<()> {
        let (images, labels) = (&self.views.activations[0], &self.views.labels);
        let (own, stored) = (self.graph.input.channels, self.shapes[0].last().copied().unwrap_or(1));
        let pixels = images.elem_count() / stored;
        let mut numbers = vec![0.0; pixels * own];
        let mut classes = vec![0; samples];
        fill(&mut numbers, &mut classes);
        let mut padded = vec![0.0f32; pixels * stored];
        for (from, to) in numbers.chunks_exact(own).zip(padded.chunks_exact_mut(stored)) {
            to[..own].copy_from_slice(from);
        }
        match self.half {
            None => copy_to(images, &padded)?,
            Some(_) => copy_to(images, &padded.iter().copied().map(bf16::from_f32).collect::<Vec<_>>())?,
        }
        Ok(copy_to(labels, &classes)?)
    }
}
