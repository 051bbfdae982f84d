//! One network on one data set: training passes and passes that only look.

#[cfg(feature = "cuda")]
mod gpu;

use crate::error::{Error, Result};
use crate::snapshot::Snapshot;
use candle_core::Device;
use dynaprune_datasets::{Augmentation, Dataset, Draw, Images, Normalization, fill_batch};
use dynaprune_models::{Batch, Gradients, Input, Mode, Net, Precision, find};
use dynaprune_ops::{CrossEntropy, Sgd, column, read};
use dynaprune_spec::{Cell, Precision as Asked};

/// What one pass tells of one sample; see [`column`].
pub(crate) type Sample<'a> = &'a [f32; column::COLUMNS];

/// A network with the data it is trained and tested on.
pub(crate) struct Engine<'a> {
    net: Net,
    place: Place,
    batch_size: usize,
    dataset: &'a Dataset,
    normalization: Normalization,
    augmentation: Augmentation,
    seed: u64,
    loss: CrossEntropy,
    sgd: Sgd,
    /// The learning rate that the schedule multiplies.
    learning_rate: f64,
}

/// Where batches are made.
enum Place {
    Cpu(Ahead),
    #[cfg(feature = "cuda")]
    Gpu(gpu::Resident),
}

/// The batch that is filled while the network computes on another, and what it holds: these images, drawn for this.
struct Ahead {
    batch: Batch,
    held: Vec<u32>,
    held_for: Option<(Split, Option<u64>)>,
}

/// How many samples the passes of a run are over.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Passes {
    /// All that a run trains on.
    pub(crate) train: usize,
    /// Those that it keeps of them.
    #[cfg_attr(
        not(feature = "cuda"),
        expect(dead_code, reason = "a CPU prepares no sizes of batches")
    )]
    pub(crate) kept: usize,
    pub(crate) test: usize,
}

impl Passes {
    /// The length of the longest.
    fn largest(self) -> usize {
        self.train.max(self.test)
    }
}

/// Training steps of one epoch that follow each other.
#[derive(Clone, Copy)]
pub(crate) struct Steps<'s> {
    /// The images, a batch after the other.
    pub(crate) indices: &'s [u32],
    /// For each step, the factor on the learning rate.
    pub(crate) factors: &'s [f64],
    /// The epoch, the first being 0: it names the augmentation.
    pub(crate) epoch: u32,
}

impl<'s> Steps<'s> {
    /// The images of each step, and the factor on its learning rate.
    fn each(&self, batch: usize) -> impl Iterator<Item = (&'s [u32], f64)> {
        self.indices.chunks(batch).zip(self.factors.iter().copied())
    }
}

/// Which images a pass looks at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Split {
    Train,
    Test,
}

impl<'a> Engine<'a> {
    pub(crate) fn new(cell: &Cell, dataset: &'a Dataset, passes: Passes, device: &Device) -> Result<Self> {
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
        let batch_size = (training.batch_size as usize).min(passes.largest());
        let precision = match training.precision {
            Asked::F32 => Precision::F32,
            Asked::Tf32 => Precision::Tf32,
            Asked::Bf16 => Precision::Bf16,
        };
        let normalization = Normalization::of(&dataset.train);
        let net = |capacity| Net::with_precision(graph.clone(), capacity, cell.seed, device, precision);
        #[cfg(feature = "cuda")]
        let (net, place) = if device.is_cuda() {
            let mut resident = gpu::Resident::new(dataset, &normalization, passes.largest(), batch_size, device)?;
            let capacity = gpu::capacity(batch_size, passes.largest());
            let kind = format!("{:?}", (&cell.model, input, precision, batch_size, passes));
            resident.warm_up(kind, passes, || net(capacity))?;
            (net(capacity)?, Place::Gpu(resident))
        } else {
            let net = net(batch_size)?;
            let ahead = Ahead::new(&net)?;
            (net, Place::Cpu(ahead))
        };
        #[cfg(not(feature = "cuda"))]
        let (net, place) = {
            let net = net(batch_size)?;
            let ahead = Ahead::new(&net)?;
            (net, Place::Cpu(ahead))
        };
        Ok(Self {
            net,
            place,
            batch_size,
            dataset,
            normalization,
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

    /// Samples of a training step.
    pub(crate) fn batch_size(&self) -> usize {
        self.batch_size
    }

    /// Training steps; `done` gets what the forward pass of each told of its samples, in order. Gives how many were taken:
    /// before each, `stops` is asked.
    ///
    /// On a GPU `done` is called when all have been taken, so that none waits for the host.
    pub(crate) fn train(
        &mut self,
        steps: Steps,
        stops: &dyn Fn() -> bool,
        done: &mut dyn FnMut(&[[f32; column::COLUMNS]]) -> Result<()>,
    ) -> Result<usize> {
        let draw = Draw {
            augmentation: self.augmentation,
            seed: self.seed,
            epoch: u64::from(steps.epoch),
        };
        #[cfg(feature = "cuda")]
        if let Place::Gpu(resident) = &mut self.place {
            let rates = steps.factors.iter().map(|factor| (self.learning_rate * factor) as f32);
            let recipe = gpu::Recipe {
                loss: self.loss,
                sgd: self.sgd,
                rates: rates.collect(),
            };
            return resident.train(&mut self.net, steps, &draw, &recipe, stops, done);
        }
        let loss = self.loss;
        let mut taken = 0;
        let mut batches = steps.each(self.batch_size).peekable();
        while let Some((indices, factor)) = batches.next() {
            if stops() {
                break;
            }
            let next = batches.peek().map_or(&[][..], |(next, _)| next);
            let sgd = Sgd {
                learning_rate: (self.learning_rate * factor) as f32,
                ..self.sgd
            };
            let samples = self.pass(Split::Train, indices, next, Some(&draw), |net| {
                let samples = net.forward_backward(loss)?.clone();
                net.step(&sgd)?;
                Ok(samples)
            })?;
            taken += 1;
            let mut told = Ok(());
            read(&samples, |samples: &[f32]| {
                told = done(samples.as_chunks().0);
                Ok(())
            })?;
            told?;
        }
        Ok(taken)
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
        #[cfg(feature = "cuda")]
        if let Place::Gpu(resident) = &mut self.place {
            return resident.look(&mut self.net, split, indices, self.loss, stops, each);
        }
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
        #[cfg(feature = "cuda")]
        if let Place::Gpu(resident) = &mut self.place {
            return resident.gradient_norms(&mut self.net, indices, of, stops, each);
        }
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
        #[cfg_attr(not(feature = "cuda"), allow(irrefutable_let_patterns))]
        let Place::Cpu(ahead) = &mut self.place else {
            return Err(Error::Candle(candle_core::Error::Msg(
                "batches are made on the GPU".to_owned(),
            )));
        };
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
        if ahead.held != indices || ahead.held_for != purpose {
            load(indices, &mut ahead.batch)?;
        }
        self.net.exchange(&mut ahead.batch)?;
        ahead.held_for = None;
        ahead.held.clear();
        let (net, batch) = (&mut self.net, &mut ahead.batch);
        let (result, loaded) = rayon::join(
            || compute(net),
            || if next.is_empty() { Ok(()) } else { load(next, batch) },
        );
        loaded?;
        ahead.held.extend(next);
        ahead.held_for = purpose;
        result
    }
}

impl Ahead {
    fn new(net: &Net) -> Result<Self> {
        Ok(Self {
            batch: net.spare_batch()?,
            held: Vec::with_capacity(net.capacity()),
            held_for: None,
        })
    }
}

fn report(samples: &candle_core::Tensor, mut each: impl FnMut(Sample)) -> Result<()> {
    Ok(read(samples, |samples: &[f32]| {
        samples.as_chunks().0.iter().for_each(&mut each);
        Ok(())
    })?)
}
