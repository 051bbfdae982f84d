//! How a network's numbers lie in their flat vectors.
//!
//! On the CPU they lie as they are described: one parameter behind the other, each in the order of its shape. On a GPU a
//! convolution's weight lies as [co, kh, kw, ci], which is what cuDNN reads, begins on a boundary of 16 bytes, and has as many
//! input channels as the images have there: their channels are filled up with zeros to a multiple of 8, which tensor cores
//! want. The weights of these channels are zeros and stay so, for their gradients are zeros.

use crate::graph::{Graph, NodeId, Op, Parameter};
use candle_core::{Result, Tensor};

/// Numbers that a parameter's place is a multiple of: 16 bytes of the smallest type.
const ALIGNMENT: usize = 8;

/// The places of a list of parameters in a flat vector.
#[derive(Clone, Debug)]
pub(crate) struct Storage {
    places: Vec<Place>,
    len: usize,
}

#[derive(Clone, Debug, PartialEq)]
struct Place {
    /// Where the description says it starts.
    described: usize,
    /// Where it starts.
    offset: usize,
    /// As described; of convolutions with the stored number of input channels.
    shape: Vec<usize>,
    order: Order,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Order {
    AsDescribed,
    /// A convolution's weight, output channels first; so many of the input channels are described.
    OutputsFirst {
        channels: usize,
    },
}

impl Storage {
    /// One behind the other, as described.
    pub(crate) fn described(list: &[Parameter]) -> Self {
        let place = |parameter: &Parameter| Place {
            described: parameter.offset,
            offset: parameter.offset,
            shape: parameter.shape.clone(),
            order: Order::AsDescribed,
        };
        Self {
            places: list.iter().map(place).collect(),
            len: list.iter().map(Parameter::len).sum(),
        }
    }

    /// A network's parameters as GPUs read them.
    pub(crate) fn for_gpu(graph: &Graph) -> Self {
        let mut storage = Self {
            places: Vec::with_capacity(graph.parameters.len()),
            len: 0,
        };
        for parameter in &graph.parameters {
            let reader = graph.nodes.iter().find_map(|node| match node.op {
                Op::Conv { weight, x, .. } if weight == parameter.offset => Some(x),
                _ => None,
            });
            // A batch norm's bias is read with its weight, as a pair.
            let is_second = graph.nodes.iter().any(|node| match node.op {
                Op::BatchNorm { affine, channels, .. } => affine + channels == parameter.offset,
                _ => false,
            });
            if !is_second {
                storage.len = storage.len.next_multiple_of(ALIGNMENT);
            }
            let mut shape = parameter.shape.clone();
            let mut order = Order::AsDescribed;
            if let (Some(x), [_, _, channels, _]) = (reader, shape.as_mut_slice()) {
                order = Order::OutputsFirst { channels: *channels };
                if matches!(graph.nodes[x.0].op, Op::Input) {
                    *channels = gpu_channels(*channels);
                }
            }
            let len = shape.iter().product::<usize>();
            storage.places.push(Place {
                described: parameter.offset,
                offset: storage.len,
                shape,
                order,
            });
            storage.len += len;
        }
        storage.len = storage.len.next_multiple_of(ALIGNMENT);
        storage
    }

    /// The numbers of the flat vector.
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// The parameter that is described to start at `offset`: a view of `flat` with its shape.
    pub(crate) fn view(&self, flat: &Tensor, offset: usize) -> Result<Tensor> {
        let index = self.places.partition_point(|place| place.described < offset);
        let Some(place) = self.places.get(index).filter(|place| place.described == offset) else {
            candle_core::bail!("no parameter begins at {offset}")
        };
        place.view(flat)
    }

    /// A batch norm's two parameters, the first of which is described to start at `offset`: a view [2, channels].
    pub(crate) fn pair(&self, flat: &Tensor, offset: usize, channels: usize) -> Result<Tensor> {
        let index = self.places.partition_point(|place| place.described < offset);
        match self.places.get(index).filter(|place| place.described == offset) {
            Some(place) => flat.narrow(0, place.offset, 2 * channels)?.reshape((2, channels)),
            None => candle_core::bail!("no parameter begins at {offset}"),
        }
    }

    /// A view of each parameter.
    pub(crate) fn views(&self, flat: &Tensor) -> Result<Vec<Tensor>> {
        self.places.iter().map(|place| place.view(flat)).collect()
    }

    /// Parameter `index` of the flat vector `stored`, in the order of its description.
    pub(crate) fn gather(&self, index: usize, stored: &[f32]) -> Vec<f32> {
        let place = &self.places[index];
        let stored = &stored[place.offset..place.offset + place.len()];
        match place.order {
            Order::AsDescribed => stored.to_vec(),
            Order::OutputsFirst { .. } => place.described_positions().map(|at| stored[at]).collect(),
        }
    }

    /// Writes all parameters, given one behind the other in the order of their descriptions, to the flat vector `stored`.
    pub(crate) fn scatter_all(&self, numbers: &[f32], stored: &mut [f32]) {
        for (i, place) in self.places.iter().enumerate() {
            let numbers = &numbers[place.described..place.described + place.described_len()];
            self.scatter(i, numbers, stored);
        }
    }

    /// Writes parameter `index`, given in the order of its description, to the flat vector `stored`.
    pub(crate) fn scatter(&self, index: usize, numbers: &[f32], stored: &mut [f32]) {
        let place = &self.places[index];
        let stored = &mut stored[place.offset..place.offset + place.len()];
        match place.order {
            Order::AsDescribed => stored.copy_from_slice(numbers),
            Order::OutputsFirst { .. } => {
                for (at, &number) in place.described_positions().zip(numbers) {
                    stored[at] = number;
                }
            }
        }
    }
}

impl Place {
    fn len(&self) -> usize {
        self.shape.iter().product()
    }

    fn described_len(&self) -> usize {
        match (self.order, self.shape.as_slice()) {
            (Order::OutputsFirst { channels }, &[kh, kw, _, co]) => kh * kw * channels * co,
            _ => self.len(),
        }
    }

    fn view(&self, flat: &Tensor) -> Result<Tensor> {
        let flat = flat.narrow(0, self.offset, self.len())?;
        match (self.order, self.shape.as_slice()) {
            (Order::OutputsFirst { .. }, &[kh, kw, ci, co]) => flat.reshape((co, kh, kw, ci))?.permute((1, 2, 3, 0)),
            _ => flat.reshape(self.shape.as_slice()),
        }
    }

    /// Where each number of a convolution's described weight [kh, kw, ci, co] lies behind the place's start.
    fn described_positions(&self) -> impl Iterator<Item = usize> {
        let (window, stored, outputs) = match self.shape.as_slice() {
            &[kh, kw, ci, co] => (kh * kw, ci, co),
            _ => (0, 0, 0),
        };
        let channels = match self.order {
            Order::OutputsFirst { channels } => channels,
            Order::AsDescribed => stored,
        };
        (0..window * channels * outputs).map(move |i| {
            let (output, input, pixel) = (i % outputs, i / outputs % channels, i / outputs / channels);
            (output * window + pixel) * stored + input
        })
    }
}

/// Refuses a graph in which anything but convolutions reads the images: on a GPU they have more channels than they should.
pub(crate) fn check_for_gpu(graph: &Graph) -> Result<()> {
    let is_input = |id: &NodeId| matches!(graph.nodes[id.0].op, Op::Input);
    let other = graph
        .nodes
        .iter()
        .find(|node| !matches!(node.op, Op::Conv { .. }) && node.op.inputs().iter().any(is_input));
    match other {
        None => Ok(()),
        Some(node) => candle_core::bail!(
            "expected only convolutions to read the images, which GPUs want, found {:?}",
            node.op
        ),
    }
}

/// The channels of images on a GPU: those beyond `channels` are zeros.
pub(crate) fn gpu_channels(channels: usize) -> usize {
    channels.next_multiple_of(ALIGNMENT)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Input, MODELS};
    use candle_core::Device;

    const INPUT: Input = Input {
        height: 16,
        width: 16,
        channels: 3,
        classes: 10,
    };

    #[test]
    fn only_convolutions_may_read_images() {
        for model in MODELS {
            check_for_gpu(&(model.build)(INPUT, 4).unwrap()).unwrap();
        }
        let mut b = crate::Builder::new(INPUT);
        let x = b.max_pool(b.images(), 2, 2);
        let x = b.global_mean(x);
        b.linear("fc", x, 10, true);
        let error = check_for_gpu(&b.finish("pools").unwrap()).unwrap_err().to_string();
        assert!(error.contains("found MaxPool"), "{error}");
    }

    #[test]
    fn numbers_come_back_as_they_were_given() {
        for model in MODELS {
            let graph = (model.build)(INPUT, 4).unwrap();
            for storage in [Storage::for_gpu(&graph), Storage::described(&graph.parameters)] {
                let mut stored = vec![0.0; storage.len()];
                let numbers = |p: &Parameter| (0..p.len()).map(|i| (p.offset + i + 1) as f32).collect::<Vec<_>>();
                for (i, parameter) in graph.parameters.iter().enumerate() {
                    storage.scatter(i, &numbers(parameter), &mut stored);
                }
                let written = stored.iter().filter(|&&number| number != 0.0).count();
                assert_eq!(written, graph.parameter_count(), "{}: no two share a place", model.name);
                for (i, parameter) in graph.parameters.iter().enumerate() {
                    assert_eq!(storage.gather(i, &stored), numbers(parameter), "{}", parameter.name);
                }
            }
        }
    }

    /// The views show the same numbers at the same indices, zeros in the channels that images do not have.
    #[test]
    fn views_have_the_described_indices() {
        let graph = (MODELS[0].build)(INPUT, 8).unwrap();
        let storage = Storage::for_gpu(&graph);
        let mut stored = vec![0.0; storage.len()];
        for (i, parameter) in graph.parameters.iter().enumerate() {
            let numbers: Vec<f32> = (0..parameter.len()).map(|j| (i * 1_000 + j + 1) as f32).collect();
            storage.scatter(i, &numbers, &mut stored);
        }
        let len = stored.len();
        let flat = Tensor::from_vec(stored, len, &Device::Cpu).unwrap();
        for (i, (parameter, view)) in graph.parameters.iter().zip(storage.views(&flat).unwrap()).enumerate() {
            let described = Tensor::arange(1f32, parameter.len() as f32 + 1.0, &Device::Cpu).unwrap();
            let described = (described + (i * 1_000) as f64)
                .unwrap()
                .reshape(parameter.shape.as_slice())
                .unwrap();
            let mut own = view.clone();
            if let (&[_, _, channels, _], [_, _, stored, _]) = (parameter.shape.as_slice(), view.dims()) {
                let rest = view.narrow(2, channels, stored - channels).unwrap();
                assert_eq!(
                    rest.flatten_all().unwrap().to_vec1::<f32>().unwrap(),
                    vec![0.0; rest.elem_count()]
                );
                own = view.narrow(2, 0, channels).unwrap();
            }
            let (own, described) = (own.flatten_all().unwrap(), described.flatten_all().unwrap());
            assert_eq!(
                own.to_vec1::<f32>().unwrap(),
                described.to_vec1::<f32>().unwrap(),
                "{}",
                parameter.name
            );
        }
    }

    #[test]
    fn weights_of_convolutions_begin_on_16_bytes_and_pairs_stay_together() {
        for model in MODELS {
            let graph = (model.build)(INPUT, 3).unwrap();
            let storage = Storage::for_gpu(&graph);
            for place in &storage.places {
                if place.order != Order::AsDescribed {
                    assert_eq!(place.offset % ALIGNMENT, 0);
                }
            }
            let at = |offset: usize| storage.places.iter().find(|place| place.described == offset).unwrap();
            for node in &graph.nodes {
                if let Op::BatchNorm { affine, channels, .. } = node.op {
                    assert_eq!(at(affine).offset + channels, at(affine + channels).offset);
                }
            }
        }
    }
}
