//! A network that runs: parameters, the memory of a training step, and the two passes.
//!
//! All memory is taken when the network is made, for batches of up to `capacity` samples, and used
//! again by every step. Parameters, gradients and the momentum are one flat vector each, so that an
//! optimiser step is a single pass.

use crate::error::{Error, Result};
use crate::graph::{Graph, Init, Node, NodeId, Op, Parameter};
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
    capacity: usize,
    parameters: Tensor,
    gradients: Tensor,
    momentum: Tensor,
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
    /// A network for batches of up to `capacity` samples, initialised from `seed`.
    ///
    /// # Errors
    /// If `capacity` is 0 or the memory cannot be had.
    pub fn new(graph: Graph, capacity: usize, seed: u64, device: &Device) -> Result<Self> {
        if capacity == 0 {
            return Err(Error::Batch { capacity, samples: 0 });
        }
        let parameters = initial(&graph.parameters, seed, device)?;
        let statistics = initial(&graph.statistics, seed, device)?;
        let gradients = parameters.zeros_like()?;
        let momentum = parameters.zeros_like()?;
        let layers = layers(&graph, &parameters, &gradients, &statistics, device)?;
        let (plan, slot_sizes) = plan(&graph);
        let transient = transient(&graph);
        let size = |node: &Node| node.shape.iter().product::<usize>() * capacity;
        let passing = graph
            .nodes
            .iter()
            .zip(&transient)
            .filter(|(_, t)| **t)
            .map(|(node, _)| size(node));
        let shared = zeros(passing.max().unwrap_or(0), device)?;
        let mut activations = Vec::with_capacity(graph.nodes.len());
        for (node, &transient) in graph.nodes.iter().zip(&transient) {
            activations.push(match node.op {
                // A view of its input, made with the batch.
                Op::Flatten { .. } => zeros(0, device)?,
                _ if transient => shared.clone(),
                _ => zeros(size(node), device)?,
            });
        }
        let slots = slot_sizes.iter().map(|size| zeros(size * capacity, device));
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
            capacity,
            parameters,
            gradients,
            momentum,
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
        Ok(net)
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

    /// Each parameter's name and a view of its numbers, in the order of the flat vector.
    ///
    /// # Errors
    /// If candle cannot make a view.
    pub fn parameters(&self) -> Result<Vec<(&str, Tensor)>> {
        views(&self.graph.parameters, &self.parameters)
    }

    /// Each parameter's name and a view of its gradient, as the last backward pass left it.
    ///
    /// # Errors
    /// If candle cannot make a view.
    pub fn gradients(&self) -> Result<Vec<(&str, Tensor)>> {
        views(&self.graph.parameters, &self.gradients)
    }

    /// Each running statistic's name and a view of its numbers.
    ///
    /// # Errors
    /// If candle cannot make a view.
    pub fn statistics(&self) -> Result<Vec<(&str, Tensor)>> {
        views(&self.graph.statistics, &self.statistics)
    }

    /// All numbers that training changes, by name: `parameters.<name>`, `momentum.<name>` and `statistics.<name>`.
    ///
    /// # Errors
    /// If candle cannot make a view or read it.
    pub fn state(&self) -> Result<Vec<(String, Vec<f32>)>> {
        let mut state = Vec::new();
        for (name, view) in self.state_views()? {
            state.push((name, read(&view, |numbers: &[f32]| Ok(numbers.to_vec()))?));
        }
        Ok(state)
    }

    /// Goes on from numbers that [`Net::state`] gave: `saved` gets each name.
    ///
    /// # Errors
    /// If `saved` knows no numbers of a name or not as many as the network has; some may have been taken over then.
    pub fn restore<'a>(&mut self, saved: impl Fn(&str) -> Option<&'a [f32]>) -> Result<()> {
        for (name, view) in self.state_views()? {
            let (expected, numbers) = (view.elem_count(), saved(&name));
            match numbers.filter(|numbers| numbers.len() == expected) {
                Some(numbers) => write(&view, |to: &mut [f32]| {
                    to.copy_from_slice(numbers);
                    Ok(())
                })?,
                None => {
                    let found = numbers.map(<[f32]>::len);
                    return Err(Error::State { name, found, expected });
                }
            }
        }
        Ok(())
    }

    fn state_views(&self) -> Result<Vec<(String, Tensor)>> {
        let (parameters, statistics) = (&self.graph.parameters, &self.graph.statistics);
        let groups = [
            ("parameters", views(parameters, &self.parameters)?),
            ("momentum", views(parameters, &self.momentum)?),
            ("statistics", views(statistics, &self.statistics)?),
        ];
        let named = groups.into_iter().flat_map(|(group, views)| {
            let named = views.into_iter();
            named.map(move |(name, view)| (format!("{group}.{name}"), view))
        });
        Ok(named.collect())
    }

    /// Lets `fill` write the next batch: `samples` images [samples, h, w, c], normalised, and as
    /// many labels.
    ///
    /// # Errors
    /// If `samples` is 0 or above the capacity.
    pub fn load(&mut self, samples: usize, fill: impl FnOnce(&mut [f32], &mut [u32])) -> Result<()> {
        if samples == 0 || samples > self.capacity {
            return Err(Error::Batch {
                capacity: self.capacity,
                samples,
            });
        }
        self.resize(samples)?;
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

    /// Memory for a batch beside the one that the network computes on.
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
        on_pool(|| self.forward_and_loss(loss, mode))?;
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
        on_pool(|| self.both_passes(loss))?;
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
        on_pool(|| self.norms_of_samples(of))?;
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
        write(norms, |squares: &mut [f32]| {
            squares.fill(0.0);
            Ok(())
        })?;
        self.backward(Of::Samples(of))?;
        write(norms, |squares: &mut [f32]| {
            squares.iter_mut().for_each(|square| *square = square.sqrt());
            Ok(())
        })?;
        Ok(())
    }

    /// One optimiser step with the gradients of the last backward pass.
    ///
    /// # Errors
    /// If an operation fails.
    pub fn step(&mut self, sgd: &Sgd) -> Result<()> {
        Ok(sgd.step(&self.parameters, &self.gradients, &self.momentum)?)
    }

    fn backward(&self, of: Of) -> Result<()> {
        let (at, squares) = (&self.views.activations, &self.views.norms);
        for (step, (dy, targets)) in self.plan.iter().zip(&self.views.gradients) {
            let (node, layer) = (&self.graph.nodes[step.node], &self.layers[step.node]);
            let target = |i: usize| step.inputs.get(i).map(|t| (&targets[i], t.accumulate));
            match &node.op {
                Op::Input | Op::Flatten { .. } => {}
                Op::Conv { x, conv, dims, .. } => {
                    if self.transient[x.0] {
                        self.normalize_again(x.0, of)?;
                    }
                    match of {
                        Of::Batch => conv.grad_weight(&at[x.0], dy, held(layer.dweight.as_ref())?)?,
                        Of::Samples(_) => conv.weight_gradient_squares(&at[x.0], dy, dims, squares)?,
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

    /// The part of a flat tensor that holds a node's numbers for `samples` samples.
    fn view(&self, flat: &Tensor, node: usize, samples: usize) -> candle_core::Result<Tensor> {
        let shape = [&[samples], self.graph.nodes[node].shape.as_slice()].concat();
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

/// Runs a pass on a thread of the current pool: a caller outside it would be sent to sleep and woken at each operation.
fn on_pool<R: Send>(pass: impl FnOnce() -> R + Send) -> R {
    rayon::join(pass, || ()).0
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

/// A flat vector of freshly initialised numbers. Each parameter draws from a stream of its own.
fn initial(list: &[Parameter], seed: u64, device: &Device) -> Result<Tensor> {
    let mut flat = Vec::new();
    for (index, parameter) in list.iter().enumerate() {
        let mut stream = Stream::new(seed, INIT, index as u64);
        flat.extend((0..parameter.len()).map(|_| match parameter.init {
            Init::Constant(value) => value,
            Init::Uniform { fan_in } => {
                let bound = 1.0 / (fan_in as f64).sqrt();
                ((2.0 * stream.uniform_f64() - 1.0) * bound) as f32
            }
        }));
    }
    let len = flat.len();
    Ok(Tensor::from_vec(flat, len, device)?)
}

fn layers(
    graph: &Graph,
    parameters: &Tensor,
    gradients: &Tensor,
    statistics: &Tensor,
    device: &Device,
) -> Result<Vec<Layer>> {
    let mut layers = Vec::with_capacity(graph.nodes.len());
    for node in &graph.nodes {
        let mut layer = Layer::default();
        let mut set_weight = |offset: usize, shape: &[usize]| -> Result<()> {
            layer.weight = Some(view(parameters, offset, shape)?);
            layer.dweight = Some(view(gradients, offset, shape)?);
            Ok(())
        };
        match node.op {
            Op::Conv { weight, dims, .. } => set_weight(weight, &dims)?,
            Op::BatchNorm {
                affine,
                running,
                channels,
                ..
            } => {
                // Weight and bias, mean and variance are neighbours in their flat vectors.
                set_weight(affine, &[2, channels])?;
                layer.running = Some(view(statistics, running, &[2, channels])?);
                layer.saved = Some(Tensor::zeros((2, channels), DType::F32, device)?);
            }
            Op::Linear { weight, bias, dims, .. } => {
                set_weight(weight, &dims)?;
                if let Some(bias) = bias {
                    layer.bias = Some(view(parameters, bias, &dims[1..])?);
                    layer.dbias = Some(view(gradients, bias, &dims[1..])?);
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
