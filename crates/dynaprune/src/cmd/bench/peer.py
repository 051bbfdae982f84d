"""The peer of `dynaprune bench`: the same work in PyTorch, run by the same protocol.

A worker process: requests on stdin, replies on stdout, one JSON object a line (the messages are those
of `protocol.rs` in the `bench` command). The program holds a copy and hands it to the interpreter; to
try it alone:

    echo '{"request": "start", "threads": 2, "warm_up": 1.0, "work": {"kind": "product", "size": 2048}}
    {"request": "run", "seconds": 1.0}
    {"request": "finish"}' | python peer.py

PyTorch is used as its user would for speed on a CPU in f32: channels-last memory, in-place ReLU,
gradients set to none, the fastest of SGD's three implementations (tried here), inference mode. It runs
eagerly; `torch.compile` needs a C++ compiler and is another program.
"""

import ctypes
import gc
import json
import os
import platform
import statistics
import sys
import time

# Whatever libraries print must not get between the replies.
replies = os.fdopen(os.dup(1), "w")
os.dup2(2, 1)


def reply(kind, **fields):
    replies.write(json.dumps({"reply": kind, **fields}) + "\n")
    replies.flush()


try:
    import torch
    import torch.nn.functional as F
    from torch import nn
except ImportError as error:
    sys.stdin.readline()
    reply("failed", message=f"cannot import torch: {error}")
    sys.exit(1)


# The networks, operation for operation those of `crates/models`.


def conv(inputs, outputs, size, stride=1):
    return nn.Conv2d(inputs, outputs, size, stride, size // 2, bias=False)


class ConvNorm(nn.Module):
    def __init__(self, inputs, outputs, size=3, stride=1, relu=True):
        super().__init__()
        self.conv, self.bn, self.relu = conv(inputs, outputs, size, stride), nn.BatchNorm2d(outputs), relu

    def forward(self, x):
        x = self.bn(self.conv(x))
        return F.relu(x, inplace=True) if self.relu else x


class Residual(nn.Module):
    """The basic block of He et al. 2016; a 1x1 convolution on the shortcut where the shape changes."""

    def __init__(self, inputs, width, stride):
        super().__init__()
        self.first = ConvNorm(inputs, width, stride=stride)
        self.second = ConvNorm(width, width, relu=False)
        changes = stride != 1 or inputs != width
        self.shortcut = ConvNorm(inputs, width, 1, stride, relu=False) if changes else nn.Identity()

    def forward(self, x):
        y = self.second(self.first(x))
        y += self.shortcut(x)
        return F.relu(y, inplace=True)


class Mean(nn.Module):
    def forward(self, x):
        return x.mean((2, 3))


class ScaledMax(nn.Module):
    """The end of Page's ResNet-9."""

    def __init__(self, inputs, classes):
        super().__init__()
        self.fc = nn.Linear(inputs, classes, bias=False)

    def forward(self, x):
        return 0.125 * self.fc(x.amax((2, 3)))


class Inner(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.layers = nn.Sequential(ConvNorm(width, width), ConvNorm(width, width))

    def forward(self, x):
        return x + self.layers(x)


def resnet(blocks, width, channels, classes):
    layers, inputs = [ConvNorm(channels, width)], width
    for stage, count in enumerate(blocks):
        for i in range(count):
            layers.append(Residual(inputs, width << stage, 2 if stage and not i else 1))
            inputs = width << stage
    return nn.Sequential(*layers, Mean(), nn.Linear(inputs, classes))


def resnet9(width, channels, classes):
    w = width
    return nn.Sequential(
        ConvNorm(channels, w),
        ConvNorm(w, 2 * w), nn.MaxPool2d(2), Inner(2 * w),
        ConvNorm(2 * w, 4 * w), nn.MaxPool2d(2),
        ConvNorm(4 * w, 8 * w), nn.MaxPool2d(2), Inner(8 * w),
        ScaledMax(8 * w, classes),
    )


def cnn(width, channels, classes):
    w = width
    return nn.Sequential(
        ConvNorm(channels, w), ConvNorm(w, 2 * w), nn.MaxPool2d(2), ConvNorm(2 * w, 2 * w), Mean(), nn.Linear(2 * w, classes)
    )


NETWORKS = {
    "cnn": cnn,
    "resnet8": lambda *shape: resnet([1, 1, 1], *shape),
    "resnet9": resnet9,
    "resnet18": lambda *shape: resnet([2, 2, 2, 2], *shape),
    "resnet20": lambda *shape: resnet([3, 3, 3], *shape),
    "resnet34": lambda *shape: resnet([3, 4, 6, 3], *shape),
}


# The work. Each function builds what a request asks for and returns one step of it, and what is to be told of it.


def network(work):
    if work["model"] not in NETWORKS:
        raise ValueError(f"no network `{work['model']}` here")
    model = NETWORKS[work["model"]](work["width"], work["channels"], work["classes"])
    model = model.to(memory_format=torch.channels_last)
    images = torch.randn(work["batch"], work["channels"], work["side"], work["side"])
    labels = torch.randint(work["classes"], (work["batch"],))
    told = {"parameters": sum(p.numel() for p in model.parameters())}
    return model, images.to(memory_format=torch.channels_last), labels, told


SGDS = {"fused": {"fused": True}, "foreach": {"foreach": True}, "for-loop": {"foreach": False}}


def sgd(model, kind):
    settings = {"lr": 0.01, "momentum": 0.9, "nesterov": True, "weight_decay": 5e-4}
    return torch.optim.SGD(model.parameters(), **settings, **SGDS[kind])


def fastest_sgd(model, images, labels):
    """The implementation with the shortest step, and a fresh optimiser of it."""
    F.cross_entropy(model(images), labels).backward()
    times = {}
    for kind in SGDS:
        optimizer = sgd(model, kind)
        seconds = []
        for _ in range(8):
            start = time.perf_counter()
            optimizer.step()
            seconds.append(time.perf_counter() - start)
        times[kind] = min(seconds)
        del optimizer
    kind = min(times, key=times.get)
    return kind, sgd(model, kind)


def step(work):
    model, images, labels, told = network(work)
    model.train()
    kind, optimizer = fastest_sgd(model, images, labels)
    told["setting"] = f"channels last, {kind} SGD"

    def once():
        optimizer.zero_grad(set_to_none=True)
        loss = F.cross_entropy(model(images), labels)
        loss.backward()
        optimizer.step()
        return loss

    return once, told


def inference(work):
    model, images, _, told = network(work)
    model.eval()
    told["setting"] = "channels last, inference mode"

    def once():
        with torch.inference_mode():
            model(images)

    return once, told


def convolution(work):
    n, side, ci, co, size, stride = (work[k] for k in ("batch", "side", "inputs", "outputs", "size", "stride"))
    padding = size // 2
    channels_last = {"memory_format": torch.channels_last}
    x = torch.randn(n, ci, side, side).to(**channels_last)
    w = torch.randn(co, ci, size, size).to(**channels_last)
    dy = torch.randn(F.conv2d(x, w, None, stride, padding).shape).to(**channels_last)
    wanted = {"input-gradient": [True, False, False], "weight-gradient": [False, True, False]}

    def forward():
        F.conv2d(x, w, None, stride, padding)

    def backward():
        mask = wanted[work["pass"]]
        torch.ops.aten.convolution_backward(dy, x, w, None, [stride] * 2, [padding] * 2, [1, 1], False, [0, 0], 1, mask)

    once = forward if work["pass"] == "forward" else backward

    def without_gradients():
        with torch.inference_mode():
            once()

    return without_gradients, {"setting": "channels last"}


def product(work):
    a, b, c = (torch.randn(work["size"], work["size"]) for _ in range(3))

    def once():
        torch.mm(a, b, out=c)

    return once, {}


WORK = {"step": step, "inference": inference, "convolution": convolution, "product": product}


def memory(field):
    """A field of the process's memory in bytes; None where the system does not tell."""
    try:
        with open("/proc/self/status") as status:
            for line in status:
                if line.startswith(field + ":"):
                    return 1024 * int(line.split()[1])
    except OSError:
        pass
    return None


def forget_peak():
    """From here on the peak is counted anew, where the system can."""
    try:
        with open("/proc/self/clear_refs", "w") as file:
            file.write("5")
    except OSError:
        pass


def give_back():
    """Has the C library return what was freed, where it can."""
    try:
        ctypes.CDLL(None).malloc_trim(0)
    except (AttributeError, OSError, TypeError):
        pass


def first_use():
    """What PyTorch loads and starts at first use (threads, kernels, optimisers) is no memory of the network."""
    tiny = {"model": "cnn", "width": 4, "channels": 1, "classes": 2, "batch": 2, "side": 8}
    step(tiny)[0]()
    inference(tiny)[0]()


def main():
    once, before, last = None, None, None
    for line in sys.stdin:
        request = json.loads(line)
        kind = request["request"]
        if kind == "start":
            torch.set_num_threads(request["threads"])
            torch.manual_seed(0)
            first_use()
            before = memory("VmRSS")
            once, told = WORK[request["work"]["kind"]](request["work"])
            # What the choice of an optimiser took is no part of the step.
            gc.collect()
            give_back()
            forget_peak()
            start, steps = time.perf_counter(), 0
            while steps < 3 or time.perf_counter() - start < request["warm_up"]:
                last, steps = once(), steps + 1
            python = f"Python {platform.python_version()}"
            program = f"PyTorch {torch.__version__} ({python}, {torch.backends.cpu.get_cpu_capability()})"
            reply("ready", program=program, **told)
        elif kind == "run":
            seconds, start = [], time.perf_counter()
            while len(seconds) < 3 or time.perf_counter() - start < request["seconds"]:
                begin = time.perf_counter()
                last = once()
                seconds.append(time.perf_counter() - begin)
            reply("ran", steps=len(seconds), seconds_per_step=statistics.median(seconds))
        else:
            if last is not None and not torch.isfinite(last):
                raise ValueError(f"the loss became {float(last)}")
            peak = memory("VmHWM")
            reply("finished", peak_memory=None if peak is None or before is None else max(peak - before, 0))
            return


try:
    main()
except (KeyError, RuntimeError, ValueError) as error:
    reply("failed", message=str(error))
    sys.exit(1)
