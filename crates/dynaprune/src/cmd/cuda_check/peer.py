"""Milliseconds of a training step of ResNet-18 (CIFAR stem) in PyTorch: eager and compiled, bf16 autocast, channels last.

Called with the batch size; prints a line of JSON for each way. Data are on the GPU, cropped and mirrored there, as dynaprune does.
"""
import json
import statistics
import sys

import torch
import torch.nn as nn
import torch.nn.functional as F


class Block(nn.Module):
    def __init__(self, i, o, stride):
        super().__init__()
        self.conv1 = nn.Conv2d(i, o, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(o)
        self.conv2 = nn.Conv2d(o, o, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(o)
        self.short = None
        if stride != 1 or i != o:
            self.short = nn.Sequential(nn.Conv2d(i, o, 1, stride, bias=False), nn.BatchNorm2d(o))

    def forward(self, x):
        y = F.relu(self.bn1(self.conv1(x)))
        y = self.bn2(self.conv2(y))
        return F.relu(y + (x if self.short is None else self.short(x)))


def resnet18():
    layers, channels = [nn.Conv2d(3, 64, 3, 1, 1, bias=False), nn.BatchNorm2d(64), nn.ReLU()], 64
    for width, stride in [(64, 1), (128, 2), (256, 2), (512, 2)]:
        for step in (stride, 1):
            layers.append(Block(channels, width, step))
            channels = width
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(512, 10))


def augment(pixels, generator):
    """A random crop of the reflected image and a flip, for each image its own, and the normalisation."""
    n, c, h, w = pixels.shape
    padded = F.pad(pixels.float() / 255.0, (4,) * 4, mode="reflect")
    top = torch.randint(0, 9, (n, 1), device=pixels.device, generator=generator)
    left = torch.randint(0, 9, (n, 1), device=pixels.device, generator=generator)
    flip = torch.randint(0, 2, (n, 1), device=pixels.device, generator=generator).bool()
    columns = torch.arange(w, device=pixels.device)
    columns = torch.where(flip, w - 1 - columns, columns) + left
    rows = torch.arange(h, device=pixels.device) + top
    images = padded[torch.arange(n, device=pixels.device)[:, None, None], :, rows[:, :, None], columns[:, None, :]]
    return ((images - 0.5) / 0.25).permute(0, 3, 1, 2).contiguous(memory_format=torch.channels_last)


def measure(name, batch, wrap):
    torch.manual_seed(0)
    device = "cuda"
    generator = torch.Generator(device=device)
    data = torch.randint(0, 256, (50_000, 3, 32, 32), dtype=torch.uint8, device=device)
    classes = torch.randint(0, 10, (50_000,), device=device)
    net = resnet18().to(device).to(memory_format=torch.channels_last)
    sgd = torch.optim.SGD(net.parameters(), lr=0.01, momentum=0.9, nesterov=True, weight_decay=5e-4, fused=True)
    forward = wrap(net)

    def step(i):
        order = torch.randint(0, 50_000, (batch,), device=device, generator=generator)
        images, labels = augment(data[order], generator), classes[order]
        sgd.zero_grad(set_to_none=True)
        with torch.autocast("cuda", dtype=torch.bfloat16):
            loss = F.cross_entropy(forward(images), labels)
        loss.backward()
        sgd.step()

    for i in range(30):
        step(i)
    times = []
    for _ in range(7):
        start, end = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
        start.record()
        for i in range(40):
            step(i)
        end.record()
        torch.cuda.synchronize()
        times.append(start.elapsed_time(end) / 40)
    return {"name": name, "step": statistics.median(times), "failure": None}


def main():
    batch = int(sys.argv[1])
    torch.backends.cudnn.benchmark = True
    torch.set_float32_matmul_precision("high")
    version = "PyTorch " + torch.__version__
    ways = [
        (version + ", eager", lambda net: net),
        (version + ", torch.compile", lambda net: torch.compile(net)),
        (version + ", torch.compile with CUDA graphs", lambda net: torch.compile(net, mode="reduce-overhead")),
    ]
    for name, wrap in ways:
        try:
            result = measure(name, batch, wrap)
        except Exception as error:  # what one way cannot do must not keep the others from it
            result = {"name": name, "step": None, "failure": str(error).splitlines()[0][:200]}
        print(json.dumps(result), flush=True)


main()
