//! The description of a network: its operations in order and its parameters in order.
//!
//! A network is written as a function of a [`Builder`]; nothing is computed here. Shapes are those
//! of one sample.

use crate::error::{Error, Result};
use dynaprune_ops::{BatchNorm, Conv2d, MaxPool};

/// One operation's place in a [`Graph`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NodeId(pub(crate) usize);

/// The images a network takes and the classes it tells apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Input {
    /// Rows of an image.
    pub height: usize,
    /// Columns of an image.
    pub width: usize,
    /// Channels of an image.
    pub channels: usize,
    /// Number of classes.
    pub classes: usize,
}

/// How a parameter begins.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Init {
    /// Uniform in (-1/sqrt(fan_in), 1/sqrt(fan_in)): PyTorch's default for convolutions (Kaiming
    /// uniform with a = sqrt 5) and for linear weights and biases.
    Uniform {
        /// Inputs that one output sums over.
        fan_in: usize,
    },
    /// The same number everywhere.
    Constant(f32),
}

/// One parameter tensor: a stretch of the network's flat parameter vector.
#[derive(Clone, Debug, PartialEq)]
pub struct Parameter {
    /// Dotted name, as PyTorch would call it.
    pub name: String,
    /// Convolutions [kh, kw, ci, co], linear weights [in, out], all others `[c]`.
    pub shape: Vec<usize>,
    /// Where it starts in the flat vector.
    pub offset: usize,
    /// How it begins.
    pub init: Init,
}

impl Parameter {
    /// How many numbers it has.
    #[must_use]
    pub fn len(&self) -> usize {
        self.shape.iter().product()
    }

    /// Whether it has no numbers.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

#[derive(Clone, Debug)]
pub(crate) enum Op {
    Input,
    Conv {
        x: NodeId,
        conv: Conv2d,
        weight: usize,
        dims: [usize; 4],
    },
    BatchNorm {
        x: NodeId,
        residual: Option<NodeId>,
        settings: BatchNorm,
        affine: usize,
        running: usize,
        channels: usize,
    },
    Add {
        a: NodeId,
        b: NodeId,
    },
    Scale {
        x: NodeId,
        factor: f32,
    },
    MaxPool {
        x: NodeId,
        pool: MaxPool,
    },
    GlobalMean {
        x: NodeId,
    },
    Flatten {
        x: NodeId,
    },
    Linear {
        x: NodeId,
        weight: usize,
        bias: Option<usize>,
        dims: [usize; 2],
    },
}

impl Op {
    /// The nodes it reads.
    pub(crate) fn inputs(&self) -> Vec<NodeId> {
        match *self {
            Self::Input => Vec::new(),
            Self::BatchNorm { x, residual, .. } => [Some(x), residual].into_iter().flatten().collect(),
            Self::Add { a, b } => vec![a, b],
            Self::Conv { x, .. }
            | Self::Scale { x, .. }
            | Self::MaxPool { x, .. }
            | Self::GlobalMean { x }
            | Self::Flatten { x }
            | Self::Linear { x, .. } => vec![x],
        }
    }
}

impl Op {
    /// The node that no other operation may read, because its gradient is written, not added.
    fn reads_alone(&self) -> Option<NodeId> {
        match *self {
            Self::BatchNorm { x, .. }
            | Self::MaxPool { x, .. }
            | Self::GlobalMean { x }
            | Self::Flatten { x }
            | Self::Linear { x, .. } => Some(x),
            Self::Input | Self::Conv { .. } | Self::Add { .. } | Self::Scale { .. } => None,
        }
    }
}

#[derive(Clone, Debug)]
pub(crate) struct Node {
    pub(crate) op: Op,
    /// Of one sample: [h, w, c] or `[c]`.
    pub(crate) shape: Vec<usize>,
}

/// A network's operations and parameters.
#[derive(Clone, Debug)]
pub struct Graph {
    pub(crate) input: Input,
    pub(crate) nodes: Vec<Node>,
    pub(crate) parameters: Vec<Parameter>,
    /// Batch norms' running statistics: dotted names with shape `[c]`, mean and variance adjacent.
    pub(crate) statistics: Vec<Parameter>,
}

impl Graph {
    /// The parameters, in the order of the flat vector.
    #[must_use]
    pub fn parameters(&self) -> &[Parameter] {
        &self.parameters
    }

    /// The running statistics of the batch norms, in the order of their flat vector.
    #[must_use]
    pub fn statistics(&self) -> &[Parameter] {
        &self.statistics
    }

    /// How many trainable numbers the network has.
    #[must_use]
    pub fn parameter_count(&self) -> usize {
        self.parameters.iter().map(Parameter::len).sum()
    }

    /// The images and classes it was built for.
    #[must_use]
    pub fn input(&self) -> Input {
        self.input
    }

    /// Floating-point operations of a forward pass over one sample: two for each multiply-add of a
    /// convolution or linear layer; everything else is small beside them and not counted.
    #[must_use]
    pub fn forward_flops(&self) -> f64 {
        self.nodes.iter().map(|node| self.node_flops(node)).sum()
    }

    /// Floating-point operations of the backward pass over one sample: as many for the gradient of
    /// each weight as for the layer's output, and again for the gradient of each input, except that
    /// of the images, which is not computed.
    #[must_use]
    pub fn backward_flops(&self) -> f64 {
        let cost = |node: &Node| {
            let first = node.op.inputs().iter().all(|x| matches!(self.nodes[x.0].op, Op::Input));
            self.node_flops(node) * if first { 1.0 } else { 2.0 }
        };
        self.nodes.iter().map(cost).sum()
    }

    fn node_flops(&self, node: &Node) -> f64 {
        let outputs = node.shape.iter().product::<usize>() as f64;
        match node.op {
            Op::Conv {
                dims: [kh, kw, ci, _], ..
            } => 2.0 * outputs * (kh * kw * ci) as f64,
            Op::Linear { dims: [inputs, _], .. } => 2.0 * outputs * inputs as f64,
            _ => 0.0,
        }
    }
}

/// Builds a [`Graph`], operation by operation.
///
/// The methods only describe; an operation that does not fit its input is reported by
/// [`Builder::finish`].
#[derive(Debug)]
pub struct Builder {
    graph: Graph,
    problem: Option<String>,
}

impl Builder {
    /// A network that takes images of `input`.
    #[must_use]
    pub fn new(input: Input) -> Self {
        let shape = vec![input.height, input.width, input.channels];
        let nodes = vec![Node { op: Op::Input, shape }];
        let mut builder = Self {
            graph: Graph {
                input,
                nodes,
                parameters: Vec::new(),
                statistics: Vec::new(),
            },
            problem: None,
        };
        if [input.height, input.width, input.channels, input.classes].contains(&0) {
            builder.problem = Some(format!("found an empty input {input:?}"));
        }
        builder
    }

    /// The images.
    #[must_use]
    pub fn images(&self) -> NodeId {
        NodeId(0)
    }

    /// The channels of a node's output.
    #[must_use]
    pub fn channels(&self, x: NodeId) -> usize {
        self.graph.nodes[x.0].shape.last().copied().unwrap_or(0)
    }

    /// A square convolution to `channels` channels, without a bias.
    pub fn conv(
        &mut self,
        name: &str,
        x: NodeId,
        channels: usize,
        size: usize,
        stride: usize,
        padding: usize,
    ) -> NodeId {
        let ci = self.channels(x);
        let dims = [size, size, ci, channels];
        let conv = Conv2d { stride, padding };
        let shape = [&[1], self.shape(x)].concat();
        let output = conv.output_shape(&shape, &dims).map(|s| s[1..].to_vec());
        let output = self.or_problem(name, output, vec![1, 1, channels]);
        let weight = self.parameter(
            &format!("{name}.weight"),
            dims.to_vec(),
            Init::Uniform {
                fan_in: size * size * ci,
            },
        );
        self.node(Op::Conv { x, conv, weight, dims }, output)
    }

    /// Batch norm, then the sum with `residual` if there is one, then a ReLU if `relu`.
    pub fn batch_norm(&mut self, name: &str, x: NodeId, residual: Option<NodeId>, relu: bool) -> NodeId {
        let channels = self.channels(x);
        let shape = self.shape(x).to_vec();
        if let Some(other) = residual.map(|r| self.shape(r).to_vec()).filter(|r| *r != shape) {
            self.or_problem::<()>(name, Err(format!("residual {other:?} beside {shape:?}")), ());
        }
        let affine = self.parameter(&format!("{name}.weight"), vec![channels], Init::Constant(1.0));
        self.parameter(&format!("{name}.bias"), vec![channels], Init::Constant(0.0));
        let statistics = &mut self.graph.statistics;
        let running = push(
            statistics,
            format!("{name}.running_mean"),
            vec![channels],
            Init::Constant(0.0),
        );
        push(
            statistics,
            format!("{name}.running_var"),
            vec![channels],
            Init::Constant(1.0),
        );
        self.node(
            Op::BatchNorm {
                x,
                residual,
                settings: BatchNorm::new(relu),
                affine,
                running,
                channels,
            },
            shape,
        )
    }

    /// The sum of two nodes.
    pub fn add(&mut self, a: NodeId, b: NodeId) -> NodeId {
        let shape = self.shape(a).to_vec();
        if self.shape(b) != shape {
            let found = self.shape(b).to_vec();
            self.or_problem::<()>("add", Err(format!("found {shape:?} and {found:?}")), ());
        }
        self.node(Op::Add { a, b }, shape)
    }

    /// A multiple of a node.
    pub fn scale(&mut self, x: NodeId, factor: f32) -> NodeId {
        let shape = self.shape(x).to_vec();
        self.node(Op::Scale { x, factor }, shape)
    }

    /// The maximum of windows of `size` x `size`.
    pub fn max_pool(&mut self, x: NodeId, size: usize, stride: usize) -> NodeId {
        let pool = MaxPool { size, stride };
        let shape = pool
            .output_shape(&[&[1], self.shape(x)].concat())
            .map(|s| s[1..].to_vec());
        let shape = self.or_problem("max_pool", shape, vec![1, 1, 1]);
        self.node(Op::MaxPool { x, pool }, shape)
    }

    /// The maximum over the whole image: [h, w, c] to `[c]`.
    pub fn global_max(&mut self, x: NodeId) -> NodeId {
        let size = self.shape(x)[0];
        if self.shape(x)[1] != size {
            self.or_problem::<()>("global_max", Err("expected square images"), ());
        }
        let x = self.max_pool(x, size, size);
        let channels = self.channels(x);
        self.node(Op::Flatten { x }, vec![channels])
    }

    /// The mean over the whole image: [h, w, c] to `[c]`.
    pub fn global_mean(&mut self, x: NodeId) -> NodeId {
        let channels = self.channels(x);
        self.node(Op::GlobalMean { x }, vec![channels])
    }

    /// A fully connected layer from `[c]` to `outputs`.
    pub fn linear(&mut self, name: &str, x: NodeId, outputs: usize, bias: bool) -> NodeId {
        let inputs = self.channels(x);
        let init = Init::Uniform { fan_in: inputs };
        let weight = self.parameter(&format!("{name}.weight"), vec![inputs, outputs], init);
        let bias = bias.then(|| self.parameter(&format!("{name}.bias"), vec![outputs], init));
        self.node(
            Op::Linear {
                x,
                weight,
                bias,
                dims: [inputs, outputs],
            },
            vec![outputs],
        )
    }

    /// The finished network `network`, whose last node gives the logits.
    ///
    /// # Errors
    /// If an operation did not fit its input, the last node does not give one logit a class, or an
    /// operation other than `conv`, `add`, `scale` and a residual shares its input with another (the
    /// others hand on their gradient in place, or overwrite).
    pub fn finish(self, network: &str) -> Result<Graph> {
        let mut readers = vec![0; self.graph.nodes.len()];
        for input in self.graph.nodes.iter().flat_map(|node| node.op.inputs()) {
            readers[input.0] += 1;
        }
        let shared = self
            .graph
            .nodes
            .iter()
            .position(|node| node.op.reads_alone().is_some_and(|x| readers[x.0] > 1));
        let logits = &self.graph.nodes[self.graph.nodes.len() - 1].shape;
        let problem = self.problem.or_else(|| {
            (*logits != [self.graph.input.classes])
                .then(|| format!("the last operation gives {logits:?} for one sample"))
        });
        let problem =
            problem.or_else(|| shared.map(|i| format!("operation {i} must be the only one to read its input")));
        match problem {
            None => Ok(self.graph),
            Some(reason) => Err(Error::Shape {
                network: network.to_owned(),
                reason,
            }),
        }
    }

    fn shape(&self, x: NodeId) -> &[usize] {
        &self.graph.nodes[x.0].shape
    }

    fn node(&mut self, op: Op, shape: Vec<usize>) -> NodeId {
        self.graph.nodes.push(Node { op, shape });
        NodeId(self.graph.nodes.len() - 1)
    }

    fn parameter(&mut self, name: &str, shape: Vec<usize>, init: Init) -> usize {
        push(&mut self.graph.parameters, name.to_owned(), shape, init)
    }

    fn or_problem<T>(&mut self, name: &str, value: std::result::Result<T, impl std::fmt::Display>, default: T) -> T {
        value.unwrap_or_else(|e| {
            self.problem.get_or_insert(format!("`{name}`: {e}"));
            default
        })
    }
}

/// Appends a stretch to a flat vector and gives its offset.
fn push(list: &mut Vec<Parameter>, name: String, shape: Vec<usize>, init: Init) -> usize {
    let offset = list.last().map_or(0, |p| p.offset + p.len());
    list.push(Parameter {
        name,
        shape,
        offset,
        init,
    });
    offset
}
