"""Prints `literals.rs`: what PyTorch computes for the inputs of the tests beside it.

    pip install torch numpy              # made with torch 2.15.0 (CPU)
    python generate.py > literals.rs     # kept out of rustfmt, which would give every number a line

Every input is `hashed(tensor, i)`, a function of the tensor's name and the element's index that the Rust
tests repeat to the bit, so that only outputs are written down. PyTorch computes in f64 from these f32
inputs. Tensors are put in the product's layout before they are written: images NHWC, weights
[kh, kw, ci, co] (linear: [ci, co]). Up to 12 numbers are written out whole; of a longer tensor, six
entries, the sum and the sum of v[i] * cos(i), which tells every order of the numbers from every other.
"""

import numpy as np
import torch
import torch.nn.functional as F

def hashed(name, n):
    """Multiples of 2^-23 in [-1, 1): the same in every language."""
    salt = sum(ord(c) << (8 * (i % 4)) for i, c in enumerate(name)) & 0xFFFFFFFF
    h = np.arange(n, dtype=np.uint64) * 2654435761 + salt
    h &= 0xFFFFFFFF
    h ^= h >> 16
    h = (h * 0x7FEB352D) & 0xFFFFFFFF
    h ^= h >> 15
    h = (h * 0x846CA68B) & 0xFFFFFFFF
    h ^= h >> 16
    return (h >> 8).astype(np.float32) / np.float32(1 << 23) - np.float32(1)


def tensor(name, *shape, affine=(0, 1)):
    """offset + scale * hashed, rounded to f32 after each operation as in Rust."""
    offset, scale = map(np.float32, affine)
    values = offset + scale * hashed(name, int(np.prod(shape)))
    assert values.dtype == np.float32
    return torch.from_numpy(values.reshape(shape)).double()


def nchw(t):
    return t.permute(0, 3, 1, 2)


def nhwc(t):
    return t.permute(0, 2, 3, 1)


def literal(t):
    v = t.detach().double().reshape(-1).numpy()
    if len(v) <= 12:
        at = list(range(len(v)))
    else:
        at = sorted({0, 1, len(v) // 3, len(v) // 2, len(v) - 2, len(v) - 1})
    entries = ", ".join(f"({i}, {v[i]:.9e})" for i in at)
    weighted = float((v * np.cos(np.arange(len(v)))).sum())
    return f"literal({len(v)}, {v.sum():.9e}, {weighted:.9e}, &[{entries}])"


def struct(name, fields):
    """The inputs of a case on one line, then a line for each output."""
    fields = [(k, str(v)) for k, v in fields]
    given = [f"{k}: {v}," for k, v in fields if "literal" not in v and v != "None"]
    found = [f"\n        {k}: {v}," for k, v in fields if "literal" in v or v == "None"]
    return f"    {name} {{ {' '.join(given)}{''.join(found)}\n    }}"


def conv2d():
    cases = [
        # n, h, w, ci, co, kernel, stride, padding
        (2, 6, 5, 3, 5, 3, 1, 1),
        (2, 9, 7, 17, 33, 3, 1, 1),
        (3, 7, 5, 4, 6, 3, 2, 1),
        (2, 8, 6, 8, 16, 3, 2, 1),
        (3, 5, 4, 8, 16, 1, 1, 0),
        (2, 7, 5, 5, 9, 1, 2, 0),
        (2, 8, 8, 16, 32, 1, 2, 0),
        (1, 5, 5, 1, 1, 3, 1, 1),
        (1, 1, 1, 1, 1, 1, 1, 0),
        (3, 1, 1, 16, 8, 3, 1, 1),
        (2, 2, 2, 7, 3, 3, 2, 1),
        (1, 3, 8, 2, 24, 3, 1, 0),
        (1, 7, 9, 3, 4, 5, 2, 2),
        (4, 16, 16, 32, 64, 3, 1, 1),
        (2, 8, 8, 64, 64, 3, 1, 1),
        # Layers of ResNet-20 and ResNet-18: many pixels, many channels, partial sums over the batch.
        (64, 32, 32, 16, 16, 3, 1, 1),
        (9, 8, 8, 128, 128, 3, 2, 1),
        (3, 4, 4, 512, 512, 3, 1, 1),
    ]
    for n, h, w, ci, co, k, s, p in cases:
        x = tensor("x", n, h, w, ci).requires_grad_()
        weight = tensor("weight", k, k, ci, co).requires_grad_()
        y = nhwc(F.conv2d(nchw(x), weight.permute(3, 2, 0, 1), stride=s, padding=p))
        y.backward(tensor("dy", *y.shape))
        yield struct("Conv2d", [
            ("x", f"[{n}, {h}, {w}, {ci}]"), ("co", co), ("kernel", k), ("stride", s), ("padding", p),
            ("y_shape", list(y.shape)), ("y", literal(y)), ("dx", literal(x.grad)), ("dweight", literal(weight.grad)),
        ])


BATCH_NORMS = [
    # shape, offset and scale of x, ReLU, residual
    ((3, 4, 5, 6), (0, 1), False, False),
    ((3, 4, 5, 6), (0, 1), True, False),
    ((3, 4, 5, 6), (0, 1), False, True),
    ((3, 4, 5, 6), (0, 1), True, True),
    ((2, 3, 3, 17), (0.5, 2), True, True),
    ((5, 1, 1, 3), (0, 1), False, False),
    ((5, 7, 3, 33), (-1, 0.25), True, False),
    ((4, 8, 8, 64), (0, 3), True, True),
    ((3, 5, 4, 100), (0, 1), True, False),
    # More numbers than a block of the implementation has, of few channels.
    ((50, 20, 15, 3), (0, 1), False, False),
    # A mean far above the spread: E[x^2] - E[x]^2 in f32 would have nothing left.
    ((4, 6, 6, 8), (100, 0.125), False, False),
    # All values of a channel nearly equal: epsilon decides.
    ((2, 4, 4, 5), (0, 0.001), True, True),
]


def norm_inputs(shape, affine):
    c = shape[-1]
    return (
        tensor("x", *shape, affine=affine).requires_grad_(),
        tensor("residual", *shape).requires_grad_(),
        tensor("gamma", c, affine=(1, 0.5)).requires_grad_(),
        tensor("beta", c).requires_grad_(),
        tensor("running_mean", c),
        tensor("running_var", c, affine=(1, 0.5)),
    )


def norm_case(shape, affine, relu, residual):
    return [
        ("shape", list(shape)), ("offset", f"{affine[0]:.4f}"), ("scale", f"{affine[1]:.4f}"),
        ("relu", str(relu).lower()), ("residual", str(residual).lower()),
    ]


def normed(training, inputs, relu, residual):
    x, r, gamma, beta, mean, var = inputs
    y = nhwc(F.batch_norm(nchw(x), mean, var, gamma, beta, training, 0.1, 1e-5))
    y = y + r if residual else y
    return F.relu(y) if relu else y


def batch_norm():
    for shape, affine, relu, residual in BATCH_NORMS:
        x, r, gamma, beta, mean, var = inputs = norm_inputs(shape, affine)
        y = normed(True, inputs, relu, residual)
        y.backward(tensor("dy", *shape))
        yield struct("BatchNorm", norm_case(shape, affine, relu, residual) + [
            ("y", literal(y)), ("running_mean", literal(mean)), ("running_var", literal(var)),
            ("dx", literal(x.grad)), ("dresidual", f"Some({literal(r.grad)})" if residual else "None"),
            ("dgamma", literal(gamma.grad)), ("dbeta", literal(beta.grad)),
        ])


def batch_norm_eval():
    for shape, affine, relu, residual in BATCH_NORMS[3:8]:
        y = normed(False, norm_inputs(shape, affine), relu, residual)
        yield struct("BatchNormEval", norm_case(shape, affine, relu, residual) + [("y", literal(y))])


def pooling():
    maxima = [
        ((2, 4, 6, 3), 2, 2), ((1, 7, 5, 9), 2, 2), ((3, 8, 8, 16), 2, 2), ((2, 2, 2, 1), 2, 2), ((2, 3, 4, 17), 2, 1),
        ((2, 7, 8, 5), 3, 2), ((2, 6, 7, 4), 1, 3), ((3, 4, 4, 33), 4, 4),
    ]
    means = [(2, 4, 6, 3), (1, 7, 5, 9), (2, 1, 1, 33), (3, 8, 8, 64)]
    cases = [("Maximum", *case) for case in maxima] + [("Mean", *case) for case in maxima]
    for kind, shape, size, stride in cases + [("GlobalMean", shape, 0, 0) for shape in means]:
        x = tensor("x", *shape).requires_grad_()
        if kind == "GlobalMean":
            y = x.mean((1, 2))
        else:
            y = nhwc((F.max_pool2d if kind == "Maximum" else F.avg_pool2d)(nchw(x), size, stride))
            kind = f"{kind} {{ size: {size}, stride: {stride} }}"
        y.backward(tensor("dy", *y.shape))
        yield struct("Pooling", [
            ("kind", f"Pool::{kind}"), ("x", list(shape)), ("y", literal(y)), ("dx", literal(x.grad)),
        ])


def linear():
    for n, ci, co, bias in [(4, 6, 5, True), (1, 1, 1, True), (7, 33, 10, True), (64, 512, 10, False), (9, 64, 100, True)]:
        x = tensor("x", n, ci).requires_grad_()
        weight = tensor("weight", ci, co).requires_grad_()
        b = tensor("bias", co).requires_grad_()
        y = F.linear(x, weight.T, b if bias else None)
        y.backward(tensor("dy", n, co))
        yield struct("Linear", [
            ("n", n), ("ci", ci), ("co", co), ("y", literal(y)), ("dx", literal(x.grad)), ("dweight", literal(weight.grad)),
            ("dbias", f"Some({literal(b.grad)})" if bias else "None"),
        ])


def cross_entropy():
    for n, classes, scale in [(6, 10, 4), (5, 2, 1), (3, 100, 10), (4, 10, 80), (1, 10, 1), (33, 7, 2)]:
        for smoothing in (0.0, 0.1):
            logits = tensor("logits", n, classes, affine=(0, scale)).requires_grad_()
            labels = torch.tensor([(7 * i + 3) % classes for i in range(n)])
            weights = tensor("weights", n, affine=(1, 0.5))
            loss = F.cross_entropy(logits, labels, reduction="none", label_smoothing=smoothing)
            (loss * weights).mean().backward()
            p = logits.detach().softmax(1)
            el2n = (p - F.one_hot(labels, classes)).norm(dim=1)
            yield struct("CrossEntropy", [
                ("n", n), ("classes", classes), ("scale", f"{scale:.1f}"), ("smoothing", smoothing),
                ("loss", literal(loss)), ("cross_entropy", literal(F.cross_entropy(logits, labels, reduction="none"))),
                ("p_label", literal(p.gather(1, labels[:, None]))), ("p_max", literal(p.amax(1))),
                ("entropy", literal(torch.special.entr(p).sum(1))), ("el2n", literal(el2n)),
                ("predicted", literal(p.argmax(1))), ("dlogits", literal(logits.grad)),
            ])


def sgd():
    for momentum, nesterov, decay in [(0, False, 0), (0.9, False, 0), (0.9, True, 0), (0.9, True, 5e-4), (0.9, False, 0.1), (0, False, 0.1)]:
        parameter = tensor("parameter", 11)
        parameter.grad = None
        optimizer = torch.optim.SGD([parameter], lr=0.1, momentum=momentum, nesterov=nesterov, weight_decay=decay)
        for step in range(4):
            # The learning rate changes between the steps, as under a schedule.
            optimizer.param_groups[0]["lr"] = [0.1, 0.1, 0.05, 0.2][step]
            parameter.grad = tensor(f"gradient {step}", 11)
            optimizer.step()
        yield struct("Sgd", [("momentum", f"{momentum:.1f}"), ("nesterov", str(nesterov).lower()), ("weight_decay", f"{decay:.4f}"), ("parameter", literal(parameter))])


HEADER = """\
//! What PyTorch computes; made by `generate.py`.

/// A tensor: its length, sum, sum of v[i] cos(i), and some of its numbers with their indices.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Literal {
    pub(crate) len: usize,
    pub(crate) sum: f64,
    pub(crate) weighted: f64,
    pub(crate) at: &'static [(usize, f64)],
}

const fn literal(len: usize, sum: f64, weighted: f64, at: &'static [(usize, f64)]) -> Literal {
    Literal { len, sum, weighted, at }
}

#[derive(Debug)]
pub(crate) struct Conv2d {
    pub(crate) x: [usize; 4],
    pub(crate) co: usize,
    pub(crate) kernel: usize,
    pub(crate) stride: usize,
    pub(crate) padding: usize,
    pub(crate) y_shape: [usize; 4],
    pub(crate) y: Literal,
    pub(crate) dx: Literal,
    pub(crate) dweight: Literal,
}

#[derive(Debug)]
pub(crate) struct BatchNorm {
    pub(crate) shape: [usize; 4],
    pub(crate) offset: f32,
    pub(crate) scale: f32,
    pub(crate) relu: bool,
    pub(crate) residual: bool,
    pub(crate) y: Literal,
    pub(crate) running_mean: Literal,
    pub(crate) running_var: Literal,
    pub(crate) dx: Literal,
    pub(crate) dresidual: Option<Literal>,
    pub(crate) dgamma: Literal,
    pub(crate) dbeta: Literal,
}

#[derive(Debug)]
pub(crate) struct BatchNormEval {
    pub(crate) shape: [usize; 4],
    pub(crate) offset: f32,
    pub(crate) scale: f32,
    pub(crate) relu: bool,
    pub(crate) residual: bool,
    pub(crate) y: Literal,
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum Pool {
    Maximum { size: usize, stride: usize },
    Mean { size: usize, stride: usize },
    GlobalMean,
}

#[derive(Debug)]
pub(crate) struct Pooling {
    pub(crate) kind: Pool,
    pub(crate) x: [usize; 4],
    pub(crate) y: Literal,
    pub(crate) dx: Literal,
}

#[derive(Debug)]
pub(crate) struct Linear {
    pub(crate) n: usize,
    pub(crate) ci: usize,
    pub(crate) co: usize,
    pub(crate) y: Literal,
    pub(crate) dx: Literal,
    pub(crate) dweight: Literal,
    pub(crate) dbias: Option<Literal>,
}

/// The label of sample i is (7 i + 3) mod classes, its weight in the mean loss 1 + hashed / 2.
#[derive(Debug)]
pub(crate) struct CrossEntropy {
    pub(crate) n: usize,
    pub(crate) classes: usize,
    pub(crate) scale: f32,
    pub(crate) smoothing: f32,
    pub(crate) loss: Literal,
    pub(crate) cross_entropy: Literal,
    pub(crate) p_label: Literal,
    pub(crate) p_max: Literal,
    pub(crate) entropy: Literal,
    pub(crate) el2n: Literal,
    pub(crate) predicted: Literal,
    pub(crate) dlogits: Literal,
}

/// After four steps with the learning rates 0.1, 0.1, 0.05 and 0.2.
#[derive(Debug)]
pub(crate) struct Sgd {
    pub(crate) momentum: f32,
    pub(crate) nesterov: bool,
    pub(crate) weight_decay: f32,
    pub(crate) parameter: Literal,
}"""


def main():
    print(HEADER)
    for make in (conv2d, batch_norm, batch_norm_eval, pooling, linear, cross_entropy, sgd):
        kind = make.__name__.title().replace("_", "").replace("2D", "2d")
        print(f"\npub(crate) const {make.__name__.upper()}: &[{kind}] = &[")
        for case in make():
            print(case + ",")
        print("];")


if __name__ == "__main__":
    main()
