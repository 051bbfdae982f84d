//! Passes on a GPU: the data set lives there, batches are made there, and the host reads once a pass.
//!
//! A training step is captured as a graph and replayed. What differs from step to step (which samples, which learning rate, where
//! the results go) it finds on the device, by the number of the step. The last, smaller batch of an epoch is launched as it is.

use super::{Passes, Sample, Split, Steps};
use crate::error::{Error, Result};
use candle_core::{DType, Device, Tensor};
use dynaprune_datasets::{Augmentation, Dataset, Draw, Images, Normalization};
use dynaprune_models::{Gradients, Net};
use dynaprune_ops::cuda::{
    Graph, Order, ResidentImages, Slot, View, advance, copy_from, copy_to, fill_zero, synchronize,
};
use dynaprune_ops::{CrossEntropy, Sgd, column, scale};
use rayon::prelude::*;
use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};

/// Batches that are queued before the host waits for them, so that an order to stop is heard within some. The wait costs some
/// microseconds.
const QUEUED: usize = 64;

/// Samples of a pass that only looks: enough to fill a GPU.
const LOOK: usize = 1024;

/// The largest crop padding that a packed view has room for.
const LARGEST_PADDING: usize = 16_383;

/// The largest batch that a network is made for.
pub(super) fn capacity(batch_size: usize, largest: usize) -> usize {
    batch_size.max(LOOK.min(largest))
}

/// What training steps have in common, and the learning rate of each.
pub(super) struct Recipe {
    pub(super) loss: CrossEntropy,
    pub(super) sgd: Sgd,
    pub(super) rates: Vec<f32>,
}

/// A data set on a GPU, and the memory through which passes over it are told what to do and tell what they found.
pub(super) struct Resident {
    train: ResidentImages,
    test: ResidentImages,
    largest: usize,
    batch: usize,
    /// Of the pass at hand: its images, a view of each, the learning rate of each step, and the number of the next step.
    order: Tensor,
    views: Tensor,
    rates: Tensor,
    step: Tensor,
    /// What the pass tells of each sample: its columns, or its gradient's norm.
    samples: Tensor,
    graph: Captured,
    device: Device,
}

/// The step of a whole batch.
enum Captured {
    /// It has not run yet, so that kernels may lack.
    Cold,
    /// It has run.
    Warm,
    Ready(Graph),
}

impl Resident {
    pub(super) fn new(
        dataset: &Dataset,
        normalization: &Normalization,
        largest: usize,
        batch: usize,
        device: &Device,
    ) -> Result<Self> {
        let on_device = |images: &Images| {
            let labels: Vec<u32> = images.labels.iter().map(|&label| u32::from(label)).collect();
            ResidentImages::new(&images.pixels, &labels, images.shape(), normalization.tables(), device)
        };
        let numbers = |len: usize, dtype| Tensor::zeros(len, dtype, device);
        Ok(Self {
            train: on_device(&dataset.train)?,
            test: on_device(&dataset.test)?,
            largest,
            batch,
            order: numbers(largest, DType::U32)?,
            views: numbers(largest, DType::U32)?,
            rates: numbers(largest.div_ceil(batch), DType::F32)?,
            step: numbers(1, DType::U32)?,
            samples: numbers(largest * column::COLUMNS, DType::F32)?,
            graph: Captured::Cold,
            device: device.clone(),
        })
    }

    /// Does what a run does with a network that is thrown away: once in a process for each `kind` of runs, so that what is done
    /// once (kernels are loaded, cuDNN decides how to compute a shape, a first graph is captured) is no part of a run's seconds.
    pub(super) fn warm_up(
        &mut self,
        kind: String,
        passes: Passes,
        net: impl FnOnce() -> dynaprune_models::Result<Net>,
    ) -> Result<()> {
        static DONE: Mutex<BTreeSet<String>> = Mutex::new(BTreeSet::new());
        let done = || DONE.lock().unwrap_or_else(PoisonError::into_inner);
        if done().contains(&kind) {
            return Ok(());
        }
        let mut net = net()?;
        let first = |samples: usize, images: &ResidentImages| -> Vec<u32> {
            (0..samples as u32).map(|i| i % images.len() as u32).collect()
        };
        let draw = Draw {
            augmentation: Augmentation {
                crop_padding: 0,
                horizontal_flip: false,
            },
            seed: 0,
            epoch: 0,
        };
        let recipe = Recipe {
            loss: CrossEntropy::default(),
            sgd: Sgd {
                learning_rate: 0.0,
                momentum: 0.0,
                nesterov: false,
                weight_decay: 0.0,
            },
            rates: vec![0.0],
        };
        // A whole batch that is launched, one that is captured, one that is only replayed; and the batches that are left over.
        let whole = self.batch;
        let rest = [passes.train % whole, passes.kept % whole];
        for samples in [whole; 3].into_iter().chain(rest.into_iter().filter(|&rest| rest > 0)) {
            let steps = Steps {
                indices: &first(samples, &self.train),
                factors: &[1.0],
                epoch: 0,
            };
            self.train(&mut net, steps, &draw, &recipe, &|| false, &mut |_| Ok(()))?;
        }
        for (split, samples) in [(Split::Train, passes.train), (Split::Test, passes.test)] {
            // As many as make one batch of each size that there is.
            let samples = samples.min(net.capacity() + samples % net.capacity());
            let indices = first(samples, self.images(split));
            self.look(&mut net, split, &indices, recipe.loss, &|| false, |_| {})?;
        }
        // It names the memory of this network.
        self.graph = Captured::Cold;
        done().insert(kind);
        Ok(())
    }

    /// See [`super::Engine::train`].
    pub(super) fn train(
        &mut self,
        net: &mut Net,
        steps: Steps,
        draw: &Draw,
        recipe: &Recipe,
        stops: &dyn Fn() -> bool,
        done: &mut dyn FnMut(&[[f32; column::COLUMNS]]) -> Result<()>,
    ) -> Result<usize> {
        self.check(steps.indices, &self.train)?;
        if draw.augmentation.crop_padding > LARGEST_PADDING {
            return Err(Error::Option {
                name: "training".to_owned(),
                option: "crop_padding".to_owned(),
                reason: format!(
                    "found {}, a GPU has room for {LARGEST_PADDING}",
                    draw.augmentation.crop_padding
                ),
            });
        }
        let views = steps
            .indices
            .par_iter()
            .with_min_len(256)
            .map(|&index| packed(draw, index));
        copy_to(&self.order, steps.indices)?;
        copy_to(&self.views, &views.collect::<Vec<u32>>())?;
        copy_to(&self.rates, &recipe.rates)?;
        fill_zero(&self.step)?;
        let (mut taken, mut looked_at) = (0, 0);
        for (indices, _) in steps.each(self.batch) {
            if stops() {
                break;
            }
            self.step(net, indices.len(), recipe)?;
            taken += 1;
            if taken % QUEUED == 0 {
                synchronize(&self.device)?;
            }
            looked_at += indices.len();
        }
        let samples = self.read(looked_at)?;
        for samples in samples.chunks(self.batch) {
            done(samples)?;
        }
        Ok(taken)
    }

    fn step(&mut self, net: &mut Net, samples: usize, recipe: &Recipe) -> Result<()> {
        net.begin_batch(samples)?;
        if samples < self.batch {
            return self.launch(net, samples, recipe);
        }
        if let Captured::Cold = self.graph {
            self.launch(net, samples, recipe)?;
            self.graph = Captured::Warm;
            return Ok(());
        }
        if let Captured::Warm = self.graph {
            let mut launched = Ok(());
            let graph = Graph::capture(&self.device, || {
                launched = self.launch(net, samples, recipe);
                Ok(())
            });
            launched?;
            self.graph = Captured::Ready(graph?);
        }
        match &self.graph {
            Captured::Ready(graph) => Ok(graph.launch()?),
            Captured::Cold | Captured::Warm => Ok(()),
        }
    }

    /// Launches all work of a training step.
    fn launch(&self, net: &mut Net, samples: usize, recipe: &Recipe) -> Result<()> {
        debug_assert!(samples <= self.batch);
        let slot = Slot {
            step: &self.step,
            batch: self.batch,
        };
        let order = Order {
            indices: &self.order,
            views: Some(&self.views),
            slot: Some(slot),
        };
        let (images, labels) = net.batch();
        self.train.load(&order, images, labels)?;
        net.forward_backward_in_epoch(recipe.loss, (&self.samples, slot))?;
        net.step_in_epoch(&recipe.sgd, (&self.rates, &self.step))?;
        Ok(advance(&self.step)?)
    }

    /// See [`super::Engine::look`].
    pub(super) fn look(
        &mut self,
        net: &mut Net,
        split: Split,
        indices: &[u32],
        loss: CrossEntropy,
        stops: &dyn Fn() -> bool,
        mut each: impl FnMut(Sample),
    ) -> Result<bool> {
        self.check(indices, self.images(split))?;
        copy_to(&self.order, indices)?;
        let mut first = 0;
        for batch in indices.chunks(net.capacity()) {
            if stops() {
                return Ok(false);
            }
            self.load(net, split, first, batch.len())?;
            let columns = column::COLUMNS;
            let to = self.samples.narrow(0, first * columns, batch.len() * columns)?;
            net.evaluate_into(loss, &to.reshape((batch.len(), columns))?)?;
            first += batch.len();
        }
        self.read(indices.len())?.iter().for_each(&mut each);
        Ok(true)
    }

    /// See [`super::Engine::gradient_norms`].
    pub(super) fn gradient_norms(
        &mut self,
        net: &mut Net,
        indices: &[u32],
        of: Gradients,
        stops: &dyn Fn() -> bool,
        mut each: impl FnMut(f32),
    ) -> Result<bool> {
        self.check(indices, &self.train)?;
        copy_to(&self.order, indices)?;
        let mut first = 0;
        for batch in indices.chunks(net.capacity()) {
            if stops() {
                return Ok(false);
            }
            self.load(net, Split::Train, first, batch.len())?;
            let to = self.samples.narrow(0, first, batch.len())?;
            scale(net.gradient_norms(of)?, 1.0, &to, false)?;
            first += batch.len();
        }
        if first > 0 {
            copy_from::<f32>(&self.samples.narrow(0, 0, first)?)?
                .into_iter()
                .for_each(&mut each);
        }
        Ok(true)
    }

    fn images(&self, split: Split) -> &ResidentImages {
        match split {
            Split::Train => &self.train,
            Split::Test => &self.test,
        }
    }

    /// Loads the images from the `first` of the order on, as they are.
    fn load(&self, net: &mut Net, split: Split, first: usize, samples: usize) -> Result<()> {
        net.begin_batch(samples)?;
        let indices = self.order.narrow(0, first, samples)?;
        let order = Order {
            indices: &indices,
            views: None,
            slot: None,
        };
        let (images, labels) = net.batch();
        Ok(self.images(split).load(&order, images, labels)?)
    }

    /// What the pass told of its first samples.
    fn read(&self, samples: usize) -> Result<Vec<[f32; column::COLUMNS]>> {
        if samples == 0 {
            return Ok(Vec::new());
        }
        let numbers: Vec<f32> = copy_from(&self.samples.narrow(0, 0, samples * column::COLUMNS)?)?;
        Ok(numbers.as_chunks().0.to_vec())
    }

    /// The device does not check what it is told.
    fn check(&self, indices: &[u32], images: &ResidentImages) -> Result<()> {
        let beyond = indices.iter().find(|&&index| index as usize >= images.len());
        match (beyond, indices.len() > self.largest) {
            (None, false) => Ok(()),
            _ => Err(Error::Dataset {
                dataset: "on the GPU".to_owned(),
                reason: format!(
                    "expected at most {} indices below {}, found {} and {beyond:?}",
                    self.largest,
                    images.len(),
                    indices.len()
                ),
            }),
        }
    }
}

fn packed(draw: &Draw, index: u32) -> u32 {
    let view = draw.view(index);
    View {
        top: view.top as i32,
        left: view.left as i32,
        flip: view.flip,
    }
    .pack()
}
