//! Softmax cross-entropy, sample by sample.

use crate::access::{contiguous, on_gpu, read, with};
#[cfg(feature = "cuda")]
use crate::cuda;
#[cfg(feature = "cuda")]
use candle_core::CudaStorage;
use candle_core::{CpuStorage, CustomOp1, Layout, Result, Shape, Tensor, bail};
use rayon::prelude::*;

/// What one pass over the logits tells of each sample: the columns of a tensor [n, `COLUMNS`].
pub mod column {
    /// Cross-entropy against the smoothed label: what training minimises. Nats.
    pub const LOSS: usize = 0;
    /// Cross-entropy against the label itself. Nats.
    pub const CROSS_ENTROPY: usize = 1;
    /// The probability of the label.
    pub const P_LABEL: usize = 2;
    /// The largest probability.
    pub const P_MAX: usize = 3;
    /// The entropy of the predicted distribution. Nats.
    pub const ENTROPY: usize = 4;
    /// EL2N, the L2 norm of softmax minus the one-hot label (Paul, Ganguli and Dziugaite 2021,
    /// definition 2.3).
    pub const EL2N: usize = 5;
    /// The class with the largest logit, the first of equals.
    pub const PREDICTED: usize = 6;
    /// 1 if the predicted class is the label, else 0.
    pub const CORRECT: usize = 7;
    /// How many columns there are.
    pub const COLUMNS: usize = 8;
}
use column::COLUMNS;

/// Logits that are worth a task.
const LOGITS: usize = 1024;

/// Softmax cross-entropy with label smoothing: the target of class k is
/// `(1 - smoothing) [k = label] + smoothing / classes` (PyTorch's definition).
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct CrossEntropy {
    /// Share of the target spread evenly over all classes, 0 for none.
    pub label_smoothing: f32,
}

impl CrossEntropy {
    /// Writes what `logits` [n, classes] and `labels` `[n]` (u32) tell of each sample into `samples`
    /// [n, [`COLUMNS`]], and, if `dlogits` is given, the gradient of the mean of the samples' losses,
    /// each times its weight if there are `weights` `[n]`.
    ///
    /// A label outside the classes has the loss NaN.
    ///
    /// # Errors
    /// If the shapes do not fit, or a tensor is not contiguous.
    pub fn forward(
        self,
        logits: &Tensor,
        labels: &Tensor,
        weights: Option<&Tensor>,
        samples: &Tensor,
        dlogits: Option<&Tensor>,
    ) -> Result<()> {
        let (n, classes) = logits.dims2()?;
        if classes == 0 {
            bail!("cross-entropy: found logits without classes")
        }
        if labels.dims() != [n] || samples.dims() != [n, COLUMNS] {
            bail!(
                "cross-entropy: expected {n} labels and samples [{n}, {COLUMNS}], found {:?} and {:?}",
                labels.dims(),
                samples.dims()
            )
        }
        if let Some(dlogits) = dlogits
            && (dlogits.dims() != [n, classes] || weights.is_some_and(|w| w.dims() != [n]))
        {
            bail!("cross-entropy: expected a gradient [{n}, {classes}] and {n} weights")
        }
        on_gpu!(logits => cuda::cross_entropy::forward(self, logits, labels, weights, (samples, None), dlogits));
        let tasks = LOGITS.div_ceil(classes);
        let Some(dlogits) = dlogits else {
            return read(labels, |labels: &[u32]| {
                with!([samples] [logits] {
                    let rows = logits.par_chunks_exact(classes).zip(labels).zip(samples.par_chunks_exact_mut(COLUMNS));
                    rows.with_min_len(tasks).for_each(|((logits, &label), sample)| {
                        sample.copy_from_slice(&self.sample(logits, label as usize, exponentials(logits)));
                    });
                })
            });
        };
        let fill = |weights: Option<&[f32]>| {
            read(labels, |labels: &[u32]| {
                with!([samples, dlogits] [logits] {
                    let to = samples.par_chunks_exact_mut(COLUMNS).zip(dlogits.par_chunks_exact_mut(classes));
                    let rows = logits.par_chunks_exact(classes).zip(labels).zip(to);
                    rows.enumerate().with_min_len(tasks).for_each(|(i, ((logits, &label), (sample, to)))| {
                        let (label, exponentials) = (label as usize, exponentials(logits));
                        let weight = weights.map_or(1.0, |w| w[i]) / n as f32;
                        sample.copy_from_slice(&self.sample(logits, label, exponentials));
                        self.gradient(logits, label, exponentials, weight, to);
                    });
                })
            })
        };
        match weights {
            Some(weights) => read(weights, |w| fill(Some(w))),
            None => fill(None),
        }
    }

    /// As [`Self::forward`] for a batch of an epoch on a GPU: `samples` [epoch's samples, [`COLUMNS`]] has room for all of them,
    /// and the batch's rows are those that `slot` names.
    ///
    /// # Errors
    /// As [`Self::forward`], or if a tensor is not on the GPU.
    #[cfg(feature = "cuda")]
    pub fn forward_in_epoch(
        self,
        logits: &Tensor,
        labels: &Tensor,
        (samples, slot): (&Tensor, cuda::Slot),
        dlogits: &Tensor,
    ) -> Result<()> {
        let (n, classes) = logits.dims2()?;
        if classes == 0 || labels.dims() != [n] || dlogits.dims() != [n, classes] {
            bail!(
                "cross-entropy: expected {n} labels and a gradient [{n}, {classes}], found {:?} and {:?}",
                labels.dims(),
                dlogits.dims()
            )
        }
        cuda::cross_entropy::forward(self, logits, labels, None, (samples, Some(slot)), Some(dlogits))
    }

    /// Writes the gradient of each sample's own loss into `dlogits` [n, classes]: no mean, no weights. Without smoothing it
    /// is the vector whose norm is EL2N.
    ///
    /// It is as precise for a sample that is learnt: the share of the label is not rounded to a difference from 1. A label
    /// outside the classes gives NaN.
    ///
    /// # Errors
    /// As [`Self::forward`].
    pub fn sample_gradients(self, logits: &Tensor, labels: &Tensor, dlogits: &Tensor) -> Result<()> {
        let (n, classes) = logits.dims2()?;
        if classes == 0 || labels.dims() != [n] || dlogits.dims() != [n, classes] {
            bail!(
                "cross-entropy: expected {n} labels and a gradient [{n}, {classes}], found {:?} and {:?}",
                labels.dims(),
                dlogits.dims()
            )
        }
        on_gpu!(logits => cuda::cross_entropy::sample_gradients(self, logits, labels, dlogits));
        read(labels, |labels: &[u32]| {
            with!([dlogits] [logits] {
                let rows = logits.par_chunks_exact(classes).zip(labels).zip(dlogits.par_chunks_exact_mut(classes));
                rows.with_min_len(LOGITS.div_ceil(classes)).for_each(|((logits, &label), to)| {
                    self.own_gradient(logits, label as usize, to);
                });
            })
        })
    }

    /// The samples' losses `[n]` as an operation that candle's own `backward` differentiates.
    ///
    /// # Errors
    /// As [`Self::forward`].
    pub fn apply(self, logits: &Tensor, labels: &Tensor) -> Result<Tensor> {
        let labels = labels.to_vec1::<u32>()?;
        if labels.len() != logits.dim(0)? {
            bail!(
                "cross-entropy: expected {} labels, found {}",
                logits.dim(0)?,
                labels.len()
            )
        }
        logits
            .contiguous()?
            .apply_op1(Differentiable { settings: self, labels })
    }

    fn sample(self, logits: &[f32], label: usize, (max, rest): (f32, f32)) -> [f32; COLUMNS] {
        let predicted = (1..logits.len()).fold(0, |best, k| if logits[k] > logits[best] { k } else { best });
        let log_sum = rest.ln_1p();
        // Differences first: adding `max` to the logarithm would round it to the size of the logits.
        let log_softmax = |logit: f32| (logit - max) - log_sum;
        let (mut mean_logit, mut entropy, mut squares) = (0.0, 0.0, 0.0);
        for (k, &logit) in logits.iter().enumerate() {
            let p = log_softmax(logit).exp();
            // Not p - 1, which is 0 or a few steps of f32 once the sample is learnt.
            let off = if k == label { log_softmax(logit).exp_m1() } else { p };
            squares += off * off;
            // The limit of p ln p at 0; a NaN passes.
            entropy -= if p == 0.0 { 0.0 } else { p * log_softmax(logit) };
            mean_logit += log_softmax(logit) / logits.len() as f32;
        }
        let log_p = logits.get(label).map_or(f32::NAN, |&logit| log_softmax(logit));
        let mut sample = [0.0; COLUMNS];
        let smooth = self.label_smoothing;
        sample[column::LOSS] = if smooth == 0.0 {
            -log_p
        } else {
            -(1.0 - smooth) * log_p - smooth * mean_logit
        };
        sample[column::CROSS_ENTROPY] = -log_p;
        sample[column::P_LABEL] = log_p.exp();
        sample[column::P_MAX] = log_softmax(logits[predicted]).exp();
        sample[column::ENTROPY] = entropy;
        sample[column::EL2N] = if label < logits.len() { squares.sqrt() } else { f32::NAN };
        sample[column::PREDICTED] = predicted as f32;
        sample[column::CORRECT] = if predicted == label { 1.0 } else { 0.0 };
        sample
    }

    fn own_gradient(self, logits: &[f32], label: usize, to: &mut [f32]) {
        let (max, rest) = exponentials(logits);
        let log_sum = rest.ln_1p();
        let even = self.label_smoothing / logits.len() as f32;
        for (k, (to, logit)) in to.iter_mut().zip(logits).enumerate() {
            let log_p = (logit - max) - log_sum;
            let off = if k == label {
                log_p.exp_m1() + self.label_smoothing
            } else {
                log_p.exp()
            };
            *to = if label < logits.len() { off - even } else { f32::NAN };
        }
    }

    fn gradient(self, logits: &[f32], label: usize, (max, rest): (f32, f32), weight: f32, to: &mut [f32]) {
        let even = self.label_smoothing / logits.len() as f32;
        for (k, (to, logit)) in to.iter_mut().zip(logits).enumerate() {
            let target = even + if k == label { 1.0 - self.label_smoothing } else { 0.0 };
            *to = weight * ((logit - max).exp() / (1.0 + rest) - target);
        }
    }
}

/// The largest logit and the sum of `exp(logit - largest)` over the others.
fn exponentials(logits: &[f32]) -> (f32, f32) {
    let largest = (1..logits.len()).fold(0, |at, k| {
        if logits[k] > logits[at] || logits[k].is_nan() {
            k
        } else {
            at
        }
    });
    let max = logits[largest];
    let others = logits.iter().enumerate().filter(|(k, _)| *k != largest);
    let rest: f32 = others.map(|(_, logit)| (logit - max).exp()).sum();
    // Of an infinite logit no softmax is defined.
    (max, if max.is_finite() { rest } else { f32::NAN })
}

struct Differentiable {
    settings: CrossEntropy,
    labels: Vec<u32>,
}

#[cfg(feature = "cuda")]
impl Differentiable {
    fn gradient_on_gpu(&self, logits: &Tensor, dlosses: &Tensor) -> Result<Tensor> {
        let (n, device) = (logits.dim(0)?, logits.device());
        let (dlogits, samples) = (
            logits.zeros_like()?,
            Tensor::zeros((n, COLUMNS), candle_core::DType::F32, device)?,
        );
        let labels = Tensor::from_slice(&self.labels, n, device)?;
        // The operation gives the gradient of a mean.
        let weights = (dlosses.contiguous()? * n as f64)?;
        self.settings
            .forward(logits, &labels, Some(&weights), &samples, Some(&dlogits))?;
        Ok(dlogits)
    }
}

impl CustomOp1 for Differentiable {
    fn name(&self) -> &'static str {
        "dynaprune-cross-entropy"
    }

    fn cpu_fwd(&self, logits: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        let (n, classes) = layout.shape().dims2()?;
        if classes == 0 {
            bail!("cross-entropy: found logits without classes")
        }
        let logits: &[f32] = contiguous(logits, layout)?;
        let rows = logits.chunks_exact(classes).zip(&self.labels);
        let losses = rows
            .map(|(logits, &label)| self.settings.sample(logits, label as usize, exponentials(logits))[column::LOSS])
            .collect();
        Ok((CpuStorage::F32(losses), Shape::from(n)))
    }

    #[cfg(feature = "cuda")]
    fn cuda_fwd(&self, logits: &CudaStorage, layout: &Layout) -> Result<(CudaStorage, Shape)> {
        let (n, classes) = layout.shape().dims2()?;
        if classes == 0 {
            bail!("cross-entropy: found logits without classes")
        }
        let losses = cuda::cross_entropy::losses_of_storage(self.settings, (logits, layout), &self.labels, classes)?;
        Ok((losses, Shape::from(n)))
    }

    fn bwd(&self, logits: &Tensor, _losses: &Tensor, dlosses: &Tensor) -> Result<Option<Tensor>> {
        #[cfg(feature = "cuda")]
        if logits.device().is_cuda() {
            return self.gradient_on_gpu(logits, dlosses).map(Some);
        }
        let (dx, dlosses) = (logits.zeros_like()?, dlosses.contiguous()?);
        let (classes, to) = (logits.dim(1)?, &dx);
        let from = &dlosses;
        with!([to] [logits, from] {
            let rows = logits.chunks_exact(classes).zip(&self.labels).zip(from).zip(to.chunks_exact_mut(classes));
            for (((logits, &label), &weight), to) in rows {
                self.settings.gradient(logits, label as usize, exponentials(logits), weight, to);
            }
        })?;
        Ok(Some(dx))
    }
}
