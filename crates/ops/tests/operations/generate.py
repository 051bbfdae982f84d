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


def batch_norm():
    cases = [
        # shape, offset and scale of x, ReLU, residual
        ((3, 4, 5, 6), (0, 1), False, False),
        ((3, 4, 5, 6), (0, 1), True, False),
        ((3, 4, 5, 6), (0, 1), False, True),
        ((3, 4, 5, 6), (0, 1), True, True),
        ((2, 3, 3, 17), (0.5, 2), True, True),
        ((2, 1, 1, 1), (0, 1), False, False),
        ((5, 7, 3, 33), (-1, 0.25), True, False),
        ((4, 8, 8, 64), (0, 3), True, True),
        # A mean far above the spread: E[x^2] - E[x]^2 in f32 would have nothing left.
        ((4, 6, 6, 8), (100, 0.125), False, False),
        # All values of a channel nearly equal: epsilon decides.
        ((2, 4, 4, 5), (0, 0.001), True, True),
    ]
    for training in (True, False):
        for shape, affine, relu, residual in cases:
            c = shape[-1]
            x = tensor("x", *shape, affine=affine).requires_grad_()
            r = tensor("residual", *shape).requires_grad_()
            gamma = tensor("gamma", c, affine=(1, 0.5)).requires_grad_()
            beta = tensor("beta", c).requires_grad_()
            mean = tensor("running_mean", c)
            var = tensor("running_var", c, affine=(1, 0.5))
            y = nhwc(F.batch_norm(nchw(x), mean, var, gamma, beta, training, 0.1, 1e-5))
            y = y + r if residual else y
            y = F.relu(y) if relu else y
            y.backward(tensor("dy", *shape))
            yield struct("BatchNorm", [
                ("shape", list(shape)), ("offset", f"{affine[0]:.4f}"), ("scale", f"{affine[1]:.4f}"),
                ("training", str(training).lower()), ("relu", str(relu).lower()), ("residual", str(residual).lower()),
                ("y", literal(y)), ("running_mean", literal(mean)), ("running_var", literal(var)),
                ("dx", literal(x.grad)),
                ("dresidual", f"Some({literal(r.grad)})" if residual else "None"),
                ("dgamma", literal(gamma.grad)), ("dbeta", literal(beta.grad)),
            ])


def pooling():
    for shape in [(2, 4, 6, 3), (1, 7, 5, 9), (3, 8, 8, 16), (2, 2, 2, 1), (2, 1, 1, 33), (2, 3, 4, 17)]:
        for kind in ("max_pool_2x2", "global_mean", "global_max"):
            x = tensor("x", *shape).requires_grad_()
            if kind == "max_pool_2x2":
                if shape[1] < 2:
                    continue
                y = nhwc(F.max_pool2d(nchw(x), 2))
            else:
                y = x.mean((1, 2)) if kind == "global_mean" else x.amax((1, 2))
            y.backward(tensor("dy", *y.shape))
            yield struct("Pooling", [("kind", f'"{kind}"'), ("shape", list(shape)), ("y", literal(y)), ("dx", literal(x.grad))])


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
    for n, classes, scale in [(6, 10, 4), (5, 2, 1), (3, 100, 10), (4, 10, 1000), (1, 10, 1), (33, 7, 2)]:
        for smoothing in (0.0, 0.1):
            logits = tensor("logits", n, classes, affine=(0, scale)).requires_grad_()
            labels = torch.tensor([(7 * i + 3) % classes for i in range(n)])
            weights = tensor("weights", n, affine=(1, 0.5))
            loss = F.cross_entropy(logits, labels, reduction="none", label_smoothing=smoothing)
            loss.backward(weights)
            p = logits.detach().softmax(1)
            el2n = (p - F.one_hot(labels, classes)).norm(dim=1)
            entropy = torch.special.entr(p).sum(1)
            yield struct("CrossEntropy", [
                ("n", n), ("classes", classes), ("scale", f"{scale:.1f}"), ("smoothing", smoothing),
                ("loss", literal(loss)), ("probability", literal(p.gather(1, labels[:, None]))), ("max_probability", literal(p.amax(1))),
                ("entropy", literal(entropy)), ("el2n", literal(el2n)), ("correct", int((p.argmax(1) == labels).sum())), ("dlogits", literal(logits.grad)),
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
pub struct Literal {
    pub len: usize,
    pub sum: f64,
    pub weighted: f64,
    pub at: &'static [(usize, f64)],
}

const fn literal(len: usize, sum: f64, weighted: f64, at: &'static [(usize, f64)]) -> Literal {
    Literal { len, sum, weighted, at }
}

#[derive(Debug)]
pub struct Conv2d {
    pub x: [usize; 4],
    pub co: usize,
    pub kernel: usize,
    pub stride: usize,
    pub padding: usize,
    pub y_shape: [usize; 4],
    pub y: Literal,
    pub dx: Literal,
    pub dweight: Literal,
}

#[derive(Debug)]
pub struct BatchNorm {
    pub shape: [usize; 4],
    pub offset: f32,
    pub scale: f32,
    pub training: bool,
    pub relu: bool,
    pub residual: bool,
    pub y: Literal,
    pub running_mean: Literal,
    pub running_var: Literal,
    pub dx: Literal,
    pub dresidual: Option<Literal>,
    pub dgamma: Literal,
    pub dbeta: Literal,
}

#[derive(Debug)]
pub struct Pooling {
    pub kind: &'static str,
    pub shape: [usize; 4],
    pub y: Literal,
    pub dx: Literal,
}

#[derive(Debug)]
pub struct Linear {
    pub n: usize,
    pub ci: usize,
    pub co: usize,
    pub y: Literal,
    pub dx: Literal,
    pub dweight: Literal,
    pub dbias: Option<Literal>,
}

/// The label of sample i is (7 i + 3) mod classes, its weight 1 + hashed / 2.
#[derive(Debug)]
pub struct CrossEntropy {
    pub n: usize,
    pub classes: usize,
    pub scale: f32,
    pub smoothing: f32,
    pub correct: usize,
    pub loss: Literal,
    pub probability: Literal,
    pub max_probability: Literal,
    pub entropy: Literal,
    pub el2n: Literal,
    pub dlogits: Literal,
}

/// After four steps with the learning rates 0.1, 0.1, 0.05 and 0.2.
#[derive(Debug)]
pub struct Sgd {
    pub momentum: f32,
    pub nesterov: bool,
    pub weight_decay: f32,
    pub parameter: Literal,
}"""


def main():
    print(HEADER)
    for make, kind in [(conv2d, "Conv2d"), (batch_norm, "BatchNorm"), (pooling, "Pooling"), (linear, "Linear"), (cross_entropy, "CrossEntropy"), (sgd, "Sgd")]:
        print(f"\npub const {make.__name__.upper()}: &[{kind}] = &[")
        for case in make():
            print(case + ",")
        print("];")


if __name__ == "__main__":
    main()
