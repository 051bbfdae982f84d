//! A network that runs: parameters, the memory of a training step, and the two passes.
//!
//! All memory is taken when the network is made, for batches of up to `capacity` samples, and used
//! again by every step. Parameters, gradients and the momentum are one flat vector each, so that an
//! optimiser step is a single pass.

use crate::error::{Error, Result};
use crate::graph::{Graph, Init, Node, NodeId, Op, Parameter};
use crate::precision::Precision;
use crate::storage::{Storage, check_for_gpu, gpu_channels};
use candle_core::{DType, Device, Tensor};
use dynaprune_ops::{CrossEntropy, GlobalMean, Linear, Sgd, column, read, scale, write, zeros};
use dynaprune_random::{Purpose, Stream};

const INIT: Purpose = Purpose::new("init");

/// How batch norm takes its statistics.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// From the batch; the running statistics are updated.
    Train,
    /// From the running statistics.
    Evaluate,
}

/// The parameters that [`Net::gradient_norms`] takes gradients of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Gradients {
    /// All: GraNd as it was defined.
    All,
    /// Weight and bias of the last fully connected layer: one forward pass and hardly more.
    LastLayer,
}

/// Images and labels outside a network: one batch is filled while another is computed on; see [`Net::exchange`].
#[derive(Debug)]
pub struct Batch {
    samples: usize,
    /// Numbers of an image.
    image: usize,
    images: Tensor,
    labels: Tensor,
}

impl Batch {
    /// Lets `fill` write `samples` images [samples, h, w, c], normalised, and as many labels.
    ///
    /// # Errors
    /// If `samples` is 0 or above the capacity of the network that it was made for.
    pub fn fill(&mut self, samples: usize, fill: impl FnOnce(&mut [f32], &mut [u32])) -> Result<()> {
        let capacity = self.labels.elem_count();
        if samples == 0 || samples > capacity {
            return Err(Error::Batch { capacity, samples });
        }
        self.samples = 0;
        write(&self.images, |images| {
            write(&self.labels, |labels| {
                fill(&mut images[..samples * self.image], &mut labels[..samples]);
                Ok(())
            })
        })?;
        self.samples = samples;
        Ok(())
    }
}

/// A network with its parameters and working memory.
#[derive(Debug)]
pub struct Net {
    graph: Graph,
    precision: Precision,
    capacity: usize,
    /// Of one sample at each node: as described, but for the channels of images on a GPU.
    shapes: Vec<Vec<usize>>,
    storage: Storage,
    parameters: Tensor,
    gradients: Tensor,
    momentum: Tensor,
    half: Option<Half>,
    statistics: Tensor,
    layers: Vec<Layer>,
    plan: Vec<Backward>,
    /// Of each node; those of [`Net::transient`] nodes are the same memory.
    activations: Vec<Tensor>,
    transient: Vec<bool>,
    slots: Vec<Tensor>,
    labels: Tensor,
    samples: Tensor,
    norms: Tensor,
    views: Views,
}

/// What training in bf16 has beside the f32 numbers, in the order of the parameters.
#[derive(Debug)]
struct Half {
    /// The weights that the passes use.
    working: Tensor,
    /// The gradients of the convolutions' weights; all others are in the f32 vector.
    gradients: Tensor,
}

/// The views of the flat vectors that an operation uses.
#[derive(Debug, Default)]
struct Layer {
    weight: Option<Tensor>,
    bias: Option<Tensor>,
    dweight: Option<Tensor>,
    dbias: Option<Tensor>,
    running: Option<Tensor>,
    saved: Option<Tensor>,
}

/// What the backward pass does at a node: where the gradient of its output lies, and for each input
/// that needs one, where its gradient goes and whether it is added to what is there.
#[derive(Debug)]
struct Backward {
    node: usize,
    slot: usize,
    inputs: Vec<Target>,
}

#[derive(Clone, Copy, Debug)]
struct Target {
    input: NodeId,
    slot: usize,
    accumulate: bool,
}

/// Views of the working memory for the current number of samples.
#[derive(Debug)]
struct Views {
    samples: usize,
    activations: Vec<Tensor>,
    /// For each step of the plan: the gradient of the output, and those of the inputs.
    gradients: Vec<(Tensor, Vec<Tensor>)>,
    labels: Tensor,
    statistics: Tensor,
    norms: Tensor,
}

/// What a backward pass takes gradients of.
#[derive(Clone, Copy)]
enum Of {
    /// The batch's loss, after a training forward pass: it writes them to the gradients.
    Batch,
    /// Each sample's loss, after a forward pass in evaluation: it adds their squares to the norms.
    Samples(Gradients),
}

impl Net {
    /// A network for batches of up to `capacity` samples, initialised from `seed`, that computes in f32.
    ///
    /// # Errors
    /// If `capacity` is 0 or the memory cannot be had; on a GPU as [`Net::with_precision`].
    pub fn new(graph: Graph, capacity: usize, seed: u64, device: &Device) -> Result<Self> {
        Self::with_precision(graph, capacity, seed, device, Precision::F32)
    }

    /// A network for batches of up to `capacity` samples, initialised from `seed`. It begins with the same numbers on every
    /// device and in every precision.
    ///
    /// # Errors
    /// If `capacity` is 0, the memory cannot be had, the device does not compute in this precision, or it is a GPU and something
    /// else than convolutions reads the images.
    pub fn with_precision(
        graph: Graph,
        capacity: usize,
        seed: u64,
        device: &Device,
        precision: Precision,
    ) -> Result<Self> {
        if capacity == 0 {
            return Err(Error::Batch { capacity, samples: 0 });
        }
        if !device.is_cuda() && !precision.runs_on_cpu() {
            return Err(Error::Precision { precision });
        }
        if device.is_cuda() {
            check_for_gpu(&graph)?;
        }
        let storage = match device.is_cuda() {
            true => Storage::for_gpu(&graph),
            false => Storage::described(&graph.parameters),
        };
        let parameters = flat(&storage, &initial(&graph.parameters, seed), device)?;
        let statistics = Storage::described(&graph.statistics);
        let statistics = flat(&statistics, &initial(&graph.statistics, seed), device)?;
        let gradients = parameters.zeros_like()?;
        let momentum = parameters.zeros_like()?;
        let half = match precision {
            Precision::F32 | Precision::Tf32 => None,
            Precision::Bf16 => Some(Half {
                working: Tensor::zeros(storage.len(), DType::BF16, device)?,
                gradients: Tensor::zeros(storage.len(), DType::BF16, device)?,
            }),
        };
        let vectors = Vectors {
            storage: &storage,
            parameters: &parameters,
            gradients: &gradients,
            statistics: &statistics,
            half: half.as_ref(),
        };
        let layers = layers(&graph, &vectors, device)?;
        let (plan, slot_sizes) = plan(&graph);
        // A GPU has the memory, and would rather read once more than compute.
        let transient = match device.is_cuda() {
            true => vec![false; graph.nodes.len()],
            false => transient(&graph),
        };
        let shapes = shapes(&graph, device);
        let size = |node: usize| shapes[node].iter().product::<usize>() * capacity;
        let memory = |len: usize| match device.is_cuda() {
            true => Tensor::zeros(len.max(1), precision.activations(), device),
            false => zeros(len, device),
        };
        let passing = (0..graph.nodes.len()).filter(|&node| transient[node]).map(size);
        let shared = memory(passing.max().unwrap_or(0))?;
        let mut activations = Vec::with_capacity(graph.nodes.len());
        for (i, node) in graph.nodes.iter().enumerate() {
            activations.push(match node.op {
                // A view of its input, made with the batch.
                Op::Flatten { .. } => memory(0)?,
                _ if transient[i] => shared.clone(),
                _ => memory(size(i))?,
            });
        }
        let slots = slot_sizes.iter().map(|size| memory(size * capacity));
        let slots = slots.collect::<candle_core::Result<Vec<_>>>()?;
        let labels = Tensor::zeros(capacity, DType::U32, device)?;
        let samples = Tensor::zeros(capacity * column::COLUMNS, DType::F32, device)?;
        let norms = Tensor::zeros(capacity, DType::F32, device)?;
        let views = Views {
            samples: 0,
            activations: Vec::new(),
            gradients: Vec::new(),
            labels: labels.clone(),
            statistics: samples.clone(),
            norms: norms.clone(),
        };
        let mut net = Self {
            graph,
            precision,
            capacity,
            shapes,
            storage,
            parameters,
            gradients,
            momentum,
            half,
            statistics,
            layers,
            plan,
            activations,
            transient,
            slots,
            labels,
            samples,
            norms,
            views,
        };
        net.resize(capacity)?;
        net.refresh_working()?;
        Ok(net)
    }

    /// What it computes with.
    #[must_use]
    pub fn precision(&self) -> Precision {
        self.precision
    }

    /// The device it computes on.
    #[must_use]
    pub fn device(&self) -> &Device {
        self.parameters.device()
    }

    /// The network's description.
    #[must_use]
    pub fn graph(&self) -> &Graph {
        &self.graph
    }

    /// The largest batch.
    #[must_use]
    pub fn capacity(&self) -> usize {
        self.capacity
    }

    /// Each parameter's name and a view of its numbers, in the order of the flat vector. On a GPU the weight of the first
    /// convolution has further input channels, of zeros.
    ///
    /// # Errors
    /// If candle cannot make a view.
    pub fn parameters(&self) -> Result<Vec<(&str, Tensor)>> {
        self.views_of(&self.parameters)
    }

    fn views_of(&self, flat: &Tensor) -> Result<Vec<(&str, Tensor)>> {
        let names = self.graph.parameters.iter().map(|parameter| parameter.name.as_str());
        Ok(names.zip(self.storage.views(flat)?).collect())
    }

    /// Each parameter's name and its gradient, as the last backward pass left it; views of it, except in bf16. As for
    /// [`Net::parameters`] there may be further channels.
    ///
    /// # Errors
    /// If candle cannot make a view.
    pub fn gradients(&self) -> Result<Vec<(&str, Tensor)>> {
        match &self.half {
            None => self.views_of(&self.gradients),
            Some(half) => self.views_of(&(half.gradients.to_dtype(DType::F32)? + &self.gradients)?),
        }
    }

    /// Each running statistic's name and a view of its numbers.
    ///
    /// # Errors
    /// If candle cannot make a view.
    pub fn statistics(&self) -> Result<Vec<(&str, Tensor)>> {
        views(&self.graph.statistics, &self.statistics)
    }

    /// All numbers that training changes, by name: `parameters.<name>`, `momentum.<name>` and `statistics.<name>`. They are
    /// the same on every device.
    ///
    /// # Errors
    /// If they cannot be read.
    pub fn state(&self) -> Result<Vec<(String, Vec<f32>)>> {
        let mut state = Vec::new();
        for (group, list, flat, storage) in self.groups() {
            read(flat, |flat: &[f32]| {
                let numbers = |(i, parameter): (usize, &Parameter)| {
                    (format!("{group}.{}", parameter.name), storage.gather(i, flat))
                };
                state.extend(list.iter().enumerate().map(numbers));
                Ok(())
            })?;
        }
        Ok(state)
    }

    /// Goes on from numbers that [`Net::state`] gave, on whatever device: `saved` gets each name.
    ///
    /// # Errors
    /// If `saved` knows no numbers of a name or not as many as the network has; some may have been taken over then.
    pub fn restore<'a>(&mut self, saved: impl Fn(&str) -> Option<&'a [f32]>) -> Result<()> {
        for (group, list, flat, storage) in self.groups() {
            let mut problem = None;
            write(flat, |flat: &mut [f32]| {
                for (i, parameter) in list.iter().enumerate() {
                    let name = format!("{group}.{}", parameter.name);
                    let (expected, numbers) = (parameter.len(), saved(&name));
                    match numbers.filter(|numbers| numbers.len() == expected) {
                        Some(numbers) => storage.scatter(i, numbers, flat),
                        None => {
                            let found = numbers.map(<[f32]>::len);
                            problem.get_or_insert(Error::State { name, found, expected });
                        }
                    }
                }
                Ok(())
            })?;
            if let Some(problem) = problem {
                return Err(problem);
            }
        }
        self.refresh_working()
    }

    /// What training changes: a name, the parameters, where they lie.
    fn groups(&self) -> [(&'static str, &[Parameter], &Tensor, Storage); 3] {
        let (parameters, statistics) = (&self.graph.parameters, &self.graph.statistics);
        [
            ("parameters", parameters, &self.parameters, self.storage.clone()),
            ("momentum", parameters, &self.momentum, self.storage.clone()),
            (
                "statistics",
                statistics,
                &self.statistics,
                Storage::described(statistics),
            ),
        ]
    }

    /// Rounds the parameters anew for the passes, where these have others.
    fn refresh_working(&self) -> Result<()> {
        #[cfg(feature = "cuda")]
        if let Some(half) = &self.half {
            dynaprune_ops::cuda::to_bf16(&self.parameters, &half.working)?;
        }
        Ok(())
    }

    /// Lets `fill` write the next batch: `samples` images [samples, h, w, c], normalised, and as
    /// many labels.
    ///
    /// # Errors
    /// If `samples` is 0 or above the capacity.
    pub fn load(&mut self, samples: usize, fill: impl FnOnce(&mut [f32], &mut [u32])) -> Result<()> {
        self.check_batch(samples)?;
        self.resize(samples)?;
        #[cfg(feature = "cuda")]
        if self.device().is_cuda() {
            return self.load_to_gpu(samples, fill);
        }
        let Views {
            activations, labels, ..
        } = &self.views;
        write(&activations[0], |images| {
            write(labels, |labels| {
                fill(images, labels);
                Ok(())
            })
        })?;
        Ok(())
    }

    fn check_batch(&self, samples: usize) -> Result<()> {
        let capacity = self.capacity;
        match samples == 0 || samples > capacity {
            true => Err(Error::Batch { capacity, samples }),
            false => Ok(()),
        }
    }

    /// Memory for a batch beside the one that the network computes on, on the CPU.
    ///
    /// # Errors
    /// If the memory cannot be had.
    pub fn spare_batch(&self) -> Result<Batch> {
        let device = self.labels.device();
        let image = self.graph.nodes[0].shape.iter().product::<usize>();
        Ok(Batch {
            samples: 0,
            image,
            images: zeros(image * self.capacity, device)?,
            labels: Tensor::zeros(self.capacity, DType::U32, device)?,
        })
    }

    /// Takes the images and labels of `batch`, and gives it the memory of those before, to be filled anew. Nothing is
    /// copied.
    ///
    /// # Errors
    /// If nothing was filled in, or the batch is of another size than this network's.
    pub fn exchange(&mut self, batch: &mut Batch) -> Result<()> {
        let (expected, found) = (self.activations[0].elem_count(), batch.images.elem_count());
        if expected != found || batch.labels.elem_count() != self.capacity {
            return Err(Error::OtherBatch { expected, found });
        }
        if batch.samples == 0 {
            return Err(Error::Batch {
                capacity: self.capacity,
                samples: 0,
            });
        }
        std::mem::swap(&mut self.activations[0], &mut batch.images);
        std::mem::swap(&mut self.labels, &mut batch.labels);
        let samples = std::mem::take(&mut batch.samples);
        if self.views.samples != samples {
            return self.resize(samples);
        }
        self.views.activations[0] = self.view(&self.activations[0], 0, samples)?;
        self.views.labels = self.labels.narrow(0, 0, samples)?;
        Ok(())
    }

    /// The forward pass over the loaded batch; gives the logits [samples, classes], which the next
    /// pass overwrites.
    ///
    /// # Errors
    /// If an operation fails.
    pub fn forward(&mut self, mode: Mode) -> Result<&Tensor> {
        #[cfg(feature = "cuda")]
        if self.device().is_cuda() {
            dynaprune_ops::cuda::allow_tf32(self.device(), self.precision == Precision::Tf32)?;
        }
        let at = &self.views.activations;
        for (i, (node, layer)) in self.graph.nodes.iter().zip(&self.layers).enumerate() {
            let y = &at[i];
            match &node.op {
                Op::Input | Op::Flatten { .. } => {}
                Op::Conv { x, conv, .. } => conv.forward(&at[x.0], weight(layer)?, y)?,
                Op::BatchNorm {
                    x, residual, settings, ..
                } => {
                    let (x, residual) = (&at[x.0], residual.map(|r| &at[r.0]));
                    let (affine, running) = (weight(layer)?, held(layer.running.as_ref())?);
                    match mode {
                        Mode::Train => {
                            settings.forward_train(x, residual, affine, running, held(layer.saved.as_ref())?, y)?;
                        }
                        Mode::Evaluate => settings.forward_eval(x, residual, affine, running, y)?,
                    }
                }
                Op::Add { a, b } => {
                    scale(&at[a.0], 1.0, y, false)?;
                    scale(&at[b.0], 1.0, y, true)?;
                }
                Op::Scale { x, factor } => scale(&at[x.0], *factor, y, false)?,
                Op::MaxPool { x, pool } => pool.forward(&at[x.0], y)?,
                Op::GlobalMean { x } => GlobalMean.forward(&at[x.0], y)?,
                Op::Linear { x, .. } => Linear.forward(&at[x.0], weight(layer)?, layer.bias.as_ref(), y)?,
            }
        }
        Ok(&at[at.len() - 1])
    }

    /// A forward pass and what it tells of each sample: [samples, [`column::COLUMNS`]], overwritten
    /// by the next pass.
    ///
    /// # Errors
    /// If an operation fails.
    pub fn evaluate(&mut self, loss: CrossEntropy, mode: Mode) -> Result<&Tensor> {
        self.on_pool(|net| net.forward_and_loss(loss, mode))?;
        Ok(&self.views.statistics)
    }

    fn forward_and_loss(&mut self, loss: CrossEntropy, mode: Mode) -> Result<()> {
        let logits = self.forward(mode)?.clone();
        let Views { labels, statistics, .. } = &self.views;
        Ok(loss.forward(&logits, labels, None, statistics, None)?)
    }

    /// A training forward pass and the gradients of the batch's mean loss; gives what it tells of
    /// each sample, as [`Self::evaluate`].
    ///
    /// # Errors
    /// If an operation fails.
    pub fn forward_backward(&mut self, loss: CrossEntropy) -> Result<&Tensor> {
        self.on_pool(|net| net.both_passes(loss))?;
        Ok(&self.views.statistics)
    }

    fn both_passes(&mut self, loss: CrossEntropy) -> Result<()> {
        let logits = self.forward(Mode::Train)?.clone();
        let Views {
            labels,
            statistics,
            gradients,
            ..
        } = &self.views;
        loss.forward(&logits, labels, None, statistics, gradients.first().map(|g| &g.0))?;
        self.backward(Of::Batch)
    }

    /// GraNd of each loaded sample: the L2 norm of the gradient of its cross-entropy (no label smoothing, no mean over the
    /// batch), batch norm in evaluation mode. Paul, Ganguli and Dziugaite 2021 (arXiv 2107.07075), definition 2.1, for one
    /// network.
    ///
    /// Gives `[samples]`, which the next call overwrites. A sample's number has the same bits whatever the rest of its batch;
    /// a label outside the classes has NaN. Parameters, momentum, statistics and [`Self::gradients`] stay as they are.
    ///
    /// # Errors
    /// If an operation fails.
    pub fn gradient_norms(&mut self, of: Gradients) -> Result<&Tensor> {
        self.on_pool(|net| net.norms_of_samples(of))?;
        Ok(&self.views.norms)
    }

    fn norms_of_samples(&mut self, of: Gradients) -> Result<()> {
        let logits = self.forward(Mode::Evaluate)?.clone();
        let Views {
            labels,
            norms,
            gradients,
            ..
        } = &self.views;
        if let Some((dlogits, _)) = gradients.first() {
            CrossEntropy::default().sample_gradients(&logits, labels, dlogits)?;
        }
        fill_zero(norms)?;
        self.backward(Of::Samples(of))?;
        Ok(square_roots(norms)?)
    }

    /// One optimiser step with the gradients of the last backward pass.
    ///
    /// # Errors
    /// If an operation fails.
    pub fn step(&mut self, sgd: &Sgd) -> Result<()> {
        #[cfg(feature = "cuda")]
        if self.device().is_cuda() {
            return self.step_on_gpu(sgd, None);
        }
        Ok(sgd.step(&self.parameters, &self.gradients, &self.momentum)?)
    }

    fn backward(&self, of: Of) -> Result<()> {
        let (at, squares) = (&self.views.activations, &self.views.norms);
        for (step, (dy, targets)) in self.plan.iter().zip(&self.views.gradients) {
            let (node, layer) = (&self.graph.nodes[step.node], &self.layers[step.node]);
            let target = |i: usize| step.inputs.get(i).map(|t| (&targets[i], t.accumulate));
            match &node.op {
                Op::Input | Op::Flatten { .. } => {}
                Op::Conv { x, conv, .. } => {
                    if self.transient[x.0] {
                        self.normalize_again(x.0, of)?;
                    }
                    match of {
                        Of::Batch => conv.grad_weight(&at[x.0], dy, held(layer.dweight.as_ref())?)?,
                        Of::Samples(_) => conv.weight_gradient_squares(&at[x.0], dy, weight(layer)?.dims(), squares)?,
                    }
                    if let Some((dx, accumulate)) = target(0) {
                        conv.grad_input(dy, weight(layer)?, dx, accumulate)?;
                    }
                }
                Op::BatchNorm {
                    x, residual, settings, ..
                } => {
                    // The gradient of the input takes the place of that of the output.
                    let to = step.inputs.iter().position(|t| Some(t.input) == *residual);
                    let to = to.and_then(target);
                    let (x, y, affine) = (&at[x.0], residual.map(|_| &at[step.node]), weight(layer)?);
                    match of {
                        Of::Batch => {
                            let (saved, daffine) = (held(layer.saved.as_ref())?, held(layer.dweight.as_ref())?);
                            settings.backward(dy, x, y, affine, saved, daffine, to)?;
                        }
                        Of::Samples(_) => {
                            let running = held(layer.running.as_ref())?;
                            settings.backward_eval(dy, x, y, affine, running, squares, to)?;
                        }
                    }
                }
                Op::Add { .. } => {
                    for (dx, target) in targets.iter().zip(&step.inputs) {
                        scale(dy, 1.0, dx, target.accumulate)?;
                    }
                }
                Op::Scale { factor, .. } => {
                    if let Some((dx, accumulate)) = target(0) {
                        scale(dy, *factor, dx, accumulate)?;
                    }
                }
                Op::MaxPool { x, pool } => {
                    if let Some((dx, _)) = target(0) {
                        pool.backward(&at[x.0], dy, dx)?;
                    }
                }
                Op::GlobalMean { .. } => {
                    if let Some((dx, _)) = target(0) {
                        GlobalMean.backward(dy, dx)?;
                    }
                }
                Op::Linear { x, .. } => {
                    let (x, w, dx) = (&at[x.0], weight(layer)?, target(0).map(|t| t.0));
                    match of {
                        Of::Batch => {
                            let dw = held(layer.dweight.as_ref())?;
                            Linear.backward(x, w, dy, dw, layer.dbias.as_ref(), dx)?;
                        }
                        Of::Samples(gradients) => {
                            Linear.gradient_squares(x, dy, layer.bias.is_some(), squares)?;
                            if gradients == Gradients::LastLayer {
                                return Ok(());
                            }
                            if let Some(dx) = dx {
                                Linear.grad_input(dy, w, dx)?;
                            }
                        }
                    }
                }
            }
        }
        Ok(())
    }

    /// Computes the output of a transient node once more.
    fn normalize_again(&self, node: usize, of: Of) -> Result<()> {
        let Op::BatchNorm { x, settings, .. } = &self.graph.nodes[node].op else {
            return Ok(());
        };
        let (at, layer) = (&self.views.activations, &self.layers[node]);
        let (x, affine, y) = (&at[x.0], weight(layer)?, &at[node]);
        match of {
            Of::Batch => settings.forward_again(x, None, affine, held(layer.saved.as_ref())?, y)?,
            Of::Samples(_) => settings.forward_eval(x, None, affine, held(layer.running.as_ref())?, y)?,
        }
        Ok(())
    }

    /// Runs a pass on a thread of the current pool: a caller outside it would be sent to sleep and woken at each operation. A
    /// GPU's work is launched by the calling thread.
    fn on_pool<R: Send>(&mut self, pass: impl FnOnce(&mut Self) -> R + Send) -> R {
        match self.device().is_cuda() {
            true => pass(self),
            false => rayon::join(|| pass(self), || ()).0,
        }
    }

    /// The part of a flat tensor that holds a node's numbers for `samples` samples.
    fn view(&self, flat: &Tensor, node: usize, samples: usize) -> candle_core::Result<Tensor> {
        let shape = [&[samples], self.shapes[node].as_slice()].concat();
        flat.narrow(0, 0, shape.iter().product())?.reshape(shape)
    }

    /// Makes the views for batches of `samples`.
    fn resize(&mut self, samples: usize) -> Result<()> {
        if self.views.samples == samples {
            return Ok(());
        }
        let mut activations: Vec<Tensor> = Vec::with_capacity(self.graph.nodes.len());
        for (i, node) in self.graph.nodes.iter().enumerate() {
            activations.push(match node.op {
                Op::Flatten { x } => activations[x.0].reshape((samples, node.shape[0]))?,
                _ => self.view(&self.activations[i], i, samples)?,
            });
        }
        let mut gradients = Vec::with_capacity(self.plan.len());
        for step in &self.plan {
            let inputs = step
                .inputs
                .iter()
                .map(|t| self.view(&self.slots[t.slot], t.input.0, samples));
            let inputs = inputs.collect::<candle_core::Result<Vec<_>>>()?;
            gradients.push((self.view(&self.slots[step.slot], step.node, samples)?, inputs));
        }
        let labels = self.labels.narrow(0, 0, samples)?;
        let columns = column::COLUMNS;
        let statistics = self
            .samples
            .narrow(0, 0, samples * columns)?
            .reshape((samples, columns))?;
        self.views = Views {
            samples,
            activations,
            gradients,
            labels,
            statistics,
            norms: self.norms.narrow(0, 0, samples)?,
        };
        Ok(())
    }
}

/// Fills a tensor with zeros.
fn fill_zero(tensor: &Tensor) -> candle_core::Result<()> {
    #[cfg(feature = "cuda")]
    if tensor.device().is_cuda() {
        return dynaprune_ops::cuda::fill_zero(tensor);
    }
    write(tensor, |numbers: &mut [f32]| {
        numbers.fill(0.0);
        Ok(())
    })
}

/// Replaces numbers by their square roots.
fn square_roots(tensor: &Tensor) -> candle_core::Result<()> {
    #[cfg(feature = "cuda")]
    if tensor.device().is_cuda() {
        return dynaprune_ops::cuda::square_roots(tensor);
    }
    write(tensor, |numbers: &mut [f32]| {
        numbers.iter_mut().for_each(|number| *number = number.sqrt());
        Ok(())
    })
}

fn weight(layer: &Layer) -> Result<&Tensor> {
    held(layer.weight.as_ref())
}

/// What the constructor put there for every operation of this kind.
fn held(tensor: Option<&Tensor>) -> Result<&Tensor> {
    tensor.ok_or_else(|| Error::Candle(candle_core::Error::Msg("an operation lacks its parameters".to_owned())))
}

fn views<'a>(list: &'a [Parameter], flat: &Tensor) -> Result<Vec<(&'a str, Tensor)>> {
    list.iter()
        .map(|p| Ok((p.name.as_str(), view(flat, p.offset, &p.shape)?)))
        .collect()
}

fn view(flat: &Tensor, offset: usize, shape: &[usize]) -> candle_core::Result<Tensor> {
    flat.narrow(0, offset, shape.iter().product())?.reshape(shape)
}

/// Freshly initialised numbers of each parameter, one behind the other. Each draws from a stream of its own.
fn initial(list: &[Parameter], seed: u64) -> Vec<f32> {
    let mut numbers = Vec::new();
    for (index, parameter) in list.iter().enumerate() {
        let mut stream = Stream::new(seed, INIT, index as u64);
        numbers.extend((0..parameter.len()).map(|_| match parameter.init {
            Init::Constant(value) => value,
            Init::Uniform { fan_in } => {
                let bound = 1.0 / (fan_in as f64).sqrt();
                ((2.0 * stream.uniform_f64() - 1.0) * bound) as f32
            }
        }));
    }
    numbers
}

/// A flat vector with the numbers at their places.
fn flat(storage: &Storage, numbers: &[f32], device: &Device) -> Result<Tensor> {
    // A GPU gives no memory of no size.
    let mut stored = vec![0.0; storage.len().max(1)];
    storage.scatter_all(numbers, &mut stored);
    let len = stored.len();
    // candle does not wait for its copies, and not every GPU copies pageable memory before the call returns.
    #[cfg(feature = "cuda")]
    if device.is_cuda() {
        let tensor = Tensor::zeros(len, DType::F32, device)?;
        dynaprune_ops::cuda::copy_to(&tensor, &stored)?;
        return Ok(tensor);
    }
    Ok(Tensor::from_vec(stored, len, device)?)
}

/// The shape of one sample at each node.
fn shapes(graph: &Graph, device: &Device) -> Vec<Vec<usize>> {
    let shape = |node: &Node| match (&node.op, node.shape.as_slice()) {
        (Op::Input, &[h, w, c]) if device.is_cuda() => vec![h, w, gpu_channels(c)],
        (_, shape) => shape.to_vec(),
    };
    graph.nodes.iter().map(shape).collect()
}

/// The flat vectors that operations have views of.
struct Vectors<'a> {
    storage: &'a Storage,
    parameters: &'a Tensor,
    gradients: &'a Tensor,
    statistics: &'a Tensor,
    half: Option<&'a Half>,
}

fn layers(graph: &Graph, vectors: &Vectors, device: &Device) -> Result<Vec<Layer>> {
    let Vectors {
        storage,
        parameters,
        gradients,
        statistics,
        half,
    } = *vectors;
    let working = half.map_or(parameters, |half| &half.working);
    let mut layers = Vec::with_capacity(graph.nodes.len());
    for node in &graph.nodes {
        let mut layer = Layer::default();
        match node.op {
            Op::Conv { weight, .. } => {
                layer.weight = Some(storage.view(working, weight)?);
                let gradients = half.map_or(gradients, |half| &half.gradients);
                layer.dweight = Some(storage.view(gradients, weight)?);
            }
            Op::BatchNorm {
                affine,
                running,
                channels,
                ..
            } => {
                // Weight and bias, mean and variance are neighbours in their flat vectors.
                layer.weight = Some(storage.pair(parameters, affine, channels)?);
                layer.dweight = Some(storage.pair(gradients, affine, channels)?);
                layer.running = Some(view(statistics, running, &[2, channels])?);
                layer.saved = Some(Tensor::zeros((2, channels), DType::F32, device)?);
            }
            Op::Linear { weight, bias, .. } => {
                layer.weight = Some(storage.view(working, weight)?);
                layer.dweight = Some(storage.view(gradients, weight)?);
                if let Some(bias) = bias {
                    layer.bias = Some(storage.view(parameters, bias)?);
                    layer.dbias = Some(storage.view(gradients, bias)?);
                }
            }
            _ => {}
        }
        layers.push(layer);
    }
    Ok(layers)
}

/// The nodes whose output is not kept for the backward pass: batch norms without a residual whose output only the next node
/// reads. A convolution has it computed a second time, which costs little beside the convolution; as a residual it is not
/// needed again.
fn transient(graph: &Graph) -> Vec<bool> {
    let alone = |i: usize| {
        let readers = graph.nodes.iter().filter(|node| node.op.inputs().contains(&NodeId(i)));
        readers.count() == 1
    };
    let next = |i: usize| match graph.nodes.get(i + 1).map(|node| &node.op) {
        Some(Op::Conv { x, .. }) => x.0 == i,
        Some(Op::BatchNorm { residual, .. }) => *residual == Some(NodeId(i)),
        _ => false,
    };
    let norm = |node: &Node| matches!(node.op, Op::BatchNorm { residual: None, .. });
    let nodes = graph.nodes.iter().enumerate();
    nodes.map(|(i, node)| norm(node) && next(i) && alone(i)).collect()
}

/// Plans the backward pass, last node first, so that gradients share few slots: the plan, and the
/// numbers that each slot holds for one sample.
fn plan(graph: &Graph) -> (Vec<Backward>, Vec<usize>) {
    let mut plan = Vec::new();
    let mut sizes: Vec<usize> = Vec::new();
    let mut free: Vec<usize> = Vec::new();
    let mut slot_of: Vec<Option<usize>> = vec![None; graph.nodes.len()];
    let mut take = |size: usize, free: &mut Vec<usize>| {
        let fit = (0..free.len())
            .filter(|&i| sizes[free[i]] >= size)
            .min_by_key(|&i| sizes[free[i]]);
        let slot = match fit.or_else(|| free.len().checked_sub(1)) {
            Some(i) => free.swap_remove(i),
            None => {
                sizes.push(0);
                sizes.len() - 1
            }
        };
        sizes[slot] = sizes[slot].max(size);
        slot
    };
    let size = |node: usize| graph.nodes[node].shape.iter().product::<usize>();
    let last = graph.nodes.len() - 1;
    slot_of[last] = Some(take(size(last), &mut free));
    for node in (1..graph.nodes.len()).rev() {
        // A node that nothing reads has no gradient and no step.
        let Some(slot) = slot_of[node] else { continue };
        let mut inputs = Vec::new();
        let mut in_place = false;
        let op = &graph.nodes[node].op;
        for (i, input) in op.inputs().into_iter().enumerate() {
            if input.0 == 0 {
                continue;
            }
            let accumulate = slot_of[input.0].is_some();
            let inherits = matches!(op, Op::BatchNorm { .. } | Op::Flatten { .. }) && i == 0;
            let to = match slot_of[input.0] {
                Some(slot) => slot,
                None if inherits => {
                    in_place = true;
                    slot
                }
                None => take(size(input.0), &mut free),
            };
            slot_of[input.0] = Some(to);
            inputs.push(Target {
                input,
                slot: to,
                accumulate,
            });
        }
        if !in_place {
            free.push(slot);
        }
        plan.push(Backward { node, slot, inputs });
    }
    (plan, sizes)
}

#[cfg(feature = "cuda")]
mod cuda;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::graph::Input;
    use crate::registry::MODELS;

    const INPUT: Input = Input {
        height: 16,
        width: 16,
        channels: 3,
        classes: 10,
    };

    /// No step may overwrite a gradient that a later step still reads or adds to.
    #[test]
    fn a_slot_is_never_taken_while_its_gradient_is_needed() {
        for model in MODELS {
            let graph = (model.build)(INPUT, 4).unwrap();
            let (plan, sizes) = plan(&graph);
            let mut holds: Vec<Option<usize>> = vec![None; sizes.len()];
            holds[plan[0].slot] = Some(graph.nodes.len() - 1);
            for step in &plan {
                assert_eq!(
                    holds[step.slot],
                    Some(step.node),
                    "{}: the gradient is gone",
                    model.name
                );
                for target in &step.inputs {
                    let expected = if target.accumulate { Some(target.input.0) } else { None };
                    let inherited = target.slot == step.slot;
                    assert!(inherited || holds[target.slot] == expected, "{}", model.name);
                    holds[target.slot] = Some(target.input.0);
                }
                if holds[step.slot] == Some(step.node) {
                    holds[step.slot] = None;
                }
            }
        }
    }

    #[test]
    fn every_parameter_starts_within_its_bound_and_by_its_seed() {
        let net = |seed| Net::new((MODELS[0].build)(INPUT, 8).unwrap(), 2, seed, &Device::Cpu).unwrap();
        let flat = |net: &Net| net.parameters.to_vec1::<f32>().unwrap();
        assert_eq!(flat(&net(3)), flat(&net(3)));
        assert_ne!(flat(&net(3)), flat(&net(4)));
        let net = net(3);
        for (parameter, (name, values)) in net.graph.parameters.iter().zip(net.parameters().unwrap()) {
            let values = values.flatten_all().unwrap().to_vec1::<f32>().unwrap();
            match parameter.init {
                Init::Constant(c) => assert!(values.iter().all(|v| *v == c), "{name}"),
                Init::Uniform { fan_in } => {
                    let bound = 1.0 / (fan_in as f32).sqrt();
                    let largest = values.iter().fold(0f32, |m, v| m.max(v.abs()));
                    assert!(
                        largest <= bound && largest > 0.5 * bound,
                        "{name}: {largest} of {bound}"
                    );
                }
            }
        }
    }

    /// A residual of the images has no gradient, but it decides where the ReLU behind it lets one pass.
    #[test]
    fn images_may_be_a_residual() {
        let input = Input {
            height: 4,
            width: 4,
            channels: 2,
            classes: 2,
        };
        let mut b = crate::graph::Builder::new(input);
        let x = b.conv("conv", b.images(), 2, 3, 1, 1);
        let x = b.batch_norm("bn", x, Some(b.images()), true);
        let x = b.global_mean(x);
        b.linear("fc", x, 2, true);
        let mut net = Net::new(b.finish("residual").unwrap(), 3, 5, &Device::Cpu).unwrap();
        let load = |net: &mut Net| {
            net.load(3, |images, labels| {
                images
                    .iter_mut()
                    .enumerate()
                    .for_each(|(i, x)| *x = (i as f32 * 0.7).sin());
                labels.copy_from_slice(&[0, 1, 1]);
            })
        };
        let loss = |net: &mut Net| -> f64 {
            load(net).unwrap();
            let samples = net.evaluate(CrossEntropy::default(), Mode::Train).unwrap();
            let samples = samples.to_vec2::<f32>().unwrap();
            samples.iter().map(|s| f64::from(s[column::LOSS])).sum::<f64>() / 3.0
        };
        load(&mut net).unwrap();
        net.forward_backward(CrossEntropy::default()).unwrap();
        let gradient = net.gradients.to_vec1::<f32>().unwrap();
        for (i, expected) in gradient.iter().enumerate() {
            let moved = |net: &mut Net, by: f32| {
                write(&net.parameters, |p: &mut [f32]| {
                    p[i] += by;
                    Ok(())
                })
                .unwrap();
            };
            const STEP: f32 = 1e-2;
            moved(&mut net, STEP);
            let up = loss(&mut net);
            moved(&mut net, -2.0 * STEP);
            let down = loss(&mut net);
            moved(&mut net, STEP);
            let slope = (up - down) / (2.0 * f64::from(STEP));
            assert!(
                (slope - f64::from(*expected)).abs() < 2e-3,
                "parameter {i}: {slope} {expected}"
            );
        }
    }

    #[test]
    fn a_state_is_taken_over_whole_or_refused() {
        let net = |width, seed| Net::new((MODELS[0].build)(INPUT, width).unwrap(), 2, seed, &Device::Cpu).unwrap();
        let (from, mut to, mut other) = (net(8, 1), net(8, 2), net(4, 1));
        let state: std::collections::BTreeMap<_, _> = from.state().unwrap().into_iter().collect();
        let saved = |name: &str| state.get(name).map(Vec::as_slice);
        to.restore(saved).unwrap();
        assert_eq!(to.state().unwrap(), from.state().unwrap());
        let error = other.restore(saved).unwrap_err().to_string();
        assert!(error.starts_with("saved network: expected 108 numbers"), "{error}");
        let error = to.restore(|_| None).unwrap_err().to_string();
        assert!(error.ends_with("found none"), "{error}");
    }

    #[test]
    fn a_batch_of_another_network_is_refused() {
        let net = |samples| Net::new((MODELS[0].build)(INPUT, 8).unwrap(), samples, 0, &Device::Cpu).unwrap();
        let (mut net, other) = (net(2), net(3));
        let error = net.exchange(&mut other.spare_batch().unwrap()).unwrap_err();
        assert!(error.to_string().contains("made for 2304"), "{error}");
        let error = net.exchange(&mut net.spare_batch().unwrap()).unwrap_err();
        assert_eq!(error.to_string(), "expected a batch of 1 to 2 samples, found 0");
    }

    #[test]
    fn a_batch_beyond_the_capacity_is_refused() {
        let mut net = Net::new((MODELS[0].build)(INPUT, 8).unwrap(), 2, 0, &Device::Cpu).unwrap();
        for samples in [0, 3] {
            let error = net.load(samples, |_, _| {}).unwrap_err();
            assert_eq!(
                error.to_string(),
                format!("expected a batch of 1 to 2 samples, found {samples}")
            );
        }
    }
}
