//! One network on one data set: training passes and passes that only look.

use crate::error::{Error, Result};
use crate::snapshot::Snapshot;
use candle_core::Device;
use dynaprune_datasets::{Augmentation, Dataset, Draw, Images, Normalization, fill_batch};
use dynaprune_models::{Batch, Gradients, Input, Mode, Net, find};
use dynaprune_ops::{CrossEntropy, Sgd, column, read};
use dynaprune_spec::Cell;

/// What one pass tells of one sample; see [`column`].
pub(crate) type Sample<'a> = &'a [f32; column::COLUMNS];

/// A network with the data it is trained and tested on.
pub(crate) struct Engine<'a> {
    net: Net,
    /// The batch that is filled while the network computes on another, and what it holds: these images, drawn for this.
    next: Batch,
    held: Vec<u32>,
    held_for: Option<(Split, Option<u64>)>,
    dataset: &'a Dataset,
    normalization: Normalization,
    augmentation: Augmentation,
    seed: u64,
    loss: CrossEntropy,
    sgd: Sgd,
    /// The learning rate that the schedule multiplies.
    learning_rate: f64,
}

/// Which images a pass looks at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Split {
    Train,
    Test,
}

impl<'a> Engine<'a> {
    /// `largest` is the length of the longest list of samples that a pass will be over.
    pub(crate) fn new(cell: &Cell, dataset: &'a Dataset, largest: usize) -> Result<Self> {
        let name = &cell.model.name;
        let model = find(name).ok_or_else(|| Error::UnknownModel {
            name: name.clone(),
            known: dynaprune_models::MODELS
                .iter()
                .map(|m| m.name)
                .collect::<Vec<_>>()
                .join(", "),
        })?;
        let width = cell.model.int("width").map_err(|e| Error::Option {
            name: name.clone(),
            option: "width".to_owned(),
            reason: e.to_string(),
        })?;
        let [height, image_width, channels] = dataset.train.shape();
        let input = Input {
            height,
            width: image_width,
            channels,
            classes: dataset.classes.len(),
        };
        let graph = (model.build)(input, usize::try_from(width).unwrap_or(0))?;
        let training = &cell.training;
        // No pass is longer than the longest list of samples.
        let capacity = (training.batch_size as usize).min(largest);
        let net = Net::new(graph, capacity, cell.seed, &Device::Cpu)?;
        Ok(Self {
            next: net.spare_batch()?,
            held: Vec::with_capacity(capacity),
            held_for: None,
            net,
            dataset,
            normalization: Normalization::of(&dataset.train),
            augmentation: Augmentation {
                crop_padding: training.crop_padding as usize,
                horizontal_flip: training.horizontal_flip,
            },
            seed: cell.seed,
            loss: CrossEntropy {
                label_smoothing: training.label_smoothing as f32,
            },
            sgd: Sgd {
                learning_rate: training.learning_rate as f32,
                momentum: training.momentum as f32,
                nesterov: training.nesterov,
                weight_decay: training.weight_decay as f32,
            },
            learning_rate: training.learning_rate,
        })
    }

    pub(crate) fn net(&self) -> &Net {
        &self.net
    }

    /// Writes what training has changed into `snapshot`.
    pub(crate) fn save(&self, snapshot: &mut Snapshot) -> Result<()> {
        for (name, numbers) in self.net.state()? {
            snapshot.put(name, numbers);
        }
        Ok(())
    }

    /// Goes on from what was saved.
    pub(crate) fn restore(&mut self, snapshot: &Snapshot) -> Result<()> {
        Ok(self.net.restore(|name| snapshot.f32s(name).ok())?)
    }

    pub(crate) fn batch_size(&self) -> usize {
        self.net.capacity()
    }

    /// One training step on the images `indices`, augmented as epoch `epoch` has it, with `factor`
    /// times the learning rate; `each` gets what the forward pass tells of each, in order.
    ///
    /// The images `next` are loaded meanwhile: they must be those of the next step, or none.
    pub(crate) fn train(
        &mut self,
        indices: &[u32],
        next: &[u32],
        epoch: u32,
        factor: f64,
        each: impl FnMut(Sample),
    ) -> Result<()> {
        let draw = Draw {
            augmentation: self.augmentation,
            seed: self.seed,
            epoch: u64::from(epoch),
        };
        self.sgd.learning_rate = (self.learning_rate * factor) as f32;
        let (loss, sgd) = (self.loss, self.sgd);
        let samples = self.pass(Split::Train, indices, next, Some(&draw), |net| {
            let samples = net.forward_backward(loss)?.clone();
            net.step(&sgd)?;
            Ok(samples)
        })?;
        report(&samples, each)
    }

    /// A pass in evaluation mode and without augmentation over the images `indices`; `each` gets
    /// what it tells of each, in order. Says whether it came to its end: before every batch `stops` is asked.
    pub(crate) fn look(
        &mut self,
        split: Split,
        indices: &[u32],
        stops: &dyn Fn() -> bool,
        mut each: impl FnMut(Sample),
    ) -> Result<bool> {
        let loss = self.loss;
        let mut batches = indices.chunks(self.batch_size()).peekable();
        while let Some(batch) = batches.next() {
            if stops() {
                return Ok(false);
            }
            let next = batches.peek().copied().unwrap_or_default();
            let samples = self.pass(split, batch, next, None, |net| {
                Ok(net.evaluate(loss, Mode::Evaluate)?.clone())
            })?;
            report(&samples, &mut each)?;
        }
        Ok(true)
    }

    /// The norm of the gradient of each training image's cross-entropy, in evaluation mode and without augmentation, in
    /// order. Says whether it came to its end, as [`Engine::look`].
    pub(crate) fn gradient_norms(
        &mut self,
        indices: &[u32],
        of: Gradients,
        stops: &dyn Fn() -> bool,
        mut each: impl FnMut(f32),
    ) -> Result<bool> {
        let mut batches = indices.chunks(self.batch_size()).peekable();
        while let Some(batch) = batches.next() {
            if stops() {
                return Ok(false);
            }
            let next = batches.peek().copied().unwrap_or_default();
            let norms = self.pass(Split::Train, batch, next, None, |net| {
                Ok(net.gradient_norms(of)?.clone())
            })?;
            read(&norms, |norms: &[f32]| {
                norms.iter().for_each(|&norm| each(norm));
                Ok(())
            })?;
        }
        Ok(true)
    }

    /// Calls `compute` on the images `indices`, while the images `next` are loaded.
    fn pass<R: Send>(
        &mut self,
        split: Split,
        indices: &[u32],
        next: &[u32],
        draw: Option<&Draw>,
        compute: impl FnOnce(&mut Net) -> Result<R> + Send,
    ) -> Result<R> {
        let images: &Images = match split {
            Split::Train => &self.dataset.train,
            Split::Test => &self.dataset.test,
        };
        let normalization = &self.normalization;
        let load = |indices: &[u32], batch: &mut Batch| -> Result<()> {
            Ok(batch.fill(indices.len(), |pixels, labels| {
                fill_batch(images, indices, normalization, draw, pixels);
                for (label, &index) in labels.iter_mut().zip(indices) {
                    *label = u32::from(images.labels[index as usize]);
                }
            })?)
        };
        let purpose = Some((split, draw.map(|draw| draw.epoch)));
        if self.held != indices || self.held_for != purpose {
            load(indices, &mut self.next)?;
        }
        self.net.exchange(&mut self.next)?;
        self.held_for = None;
        self.held.clear();
        let (net, batch) = (&mut self.net, &mut self.next);
        let (result, loaded) = rayon::join(
            || compute(net),
            || if next.is_empty() { Ok(()) } else { load(next, batch) },
        );
        loaded?;
        self.held.extend(next);
        self.held_for = purpose;
        result
    }
}

fn report(samples: &candle_core::Tensor, mut each: impl FnMut(Sample)) -> Result<()> {
    Ok(read(samples, |samples: &[f32]| {
        samples.as_chunks().0.iter().for_each(&mut each);
        Ok(())
    })?)
}
