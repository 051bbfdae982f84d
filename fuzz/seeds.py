#!/usr/bin/env python3
"""Writes the corpora that are not Parquet (`examples/parquet_seeds.rs` writes those). Needs nothing but Python."""
import gzip
import io
import json
import re
import struct
import tarfile
from pathlib import Path

HERE = Path(__file__).parent
DATA = HERE / "../crates/datasets/tests/data"


def write(target, name, content):
    path = HERE / "corpus" / target / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content if isinstance(content, bytes) else content.encode())


# CIFAR: a record of each data set. The byte before says which, and how many records.
for coarse, name in enumerate(["cifar-10", "cifar-100"]):
    for version, member in [("binary", "test"), ("python", "test")]:
        with tarfile.open(DATA / f"{name}-{version}.tar.gz") as archive:
            found = next(m for m in archive.getmembers() if Path(m.name).name.startswith(member))
            write(f"cifar_{version}", name, bytes([1 << 1 | coarse]) + archive.extractfile(found).read())

# IDX: dimensions 2, 2, 3; 3; none.
images = struct.pack(">IIII", 0x803, 2, 2, 3) + bytes(range(12))
write("idx", "images", bytes([3 << 1, 2, 2, 3]) + images)
write("idx", "gzipped", bytes([3 << 1 | 1, 2, 2, 3]) + gzip.compress(images, mtime=0))
write("idx", "labels", bytes([1 << 1, 3]) + struct.pack(">II", 0x801, 3) + bytes([1, 2, 3]))
write("idx", "value", bytes([0]) + struct.pack(">I", 0x800) + b"x")


# Archives.
def tar(form, members):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=form) as archive:
        for name, content, kind in members:
            info = tarfile.TarInfo(name)
            info.type = kind
            if kind in (tarfile.SYMTYPE, tarfile.LNKTYPE):
                info.linkname, content = content, b""
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return out.getvalue().rstrip(b"\0") + bytes(512)


def sparse(size):
    """A file with nothing but a hole, in GNU's old format."""
    head = bytearray(512)
    for at, text in [
        (0, b"some/second"), (100, b"0000644"), (108, b"0000000"), (116, b"0000000"), (124, b"%011o" % 0),
        (136, b"%011o" % 0), (148, b" " * 8), (156, b"S"), (257, b"ustar  "), (386, b"%011o" % size),
        (398, b"%011o" % 0), (483, b"%011o" % size),
    ]:
        head[at : at + len(text)] = text
    head[148:156] = b"%06o\0 " % sum(head)
    return bytes(head)


FILE, LINK, HARD = tarfile.REGTYPE, tarfile.SYMTYPE, tarfile.LNKTYPE
both = [("some/first", b"1234", FILE), ("some/second", b"more", FILE)]
write("archive", "gnu", tar(tarfile.GNU_FORMAT, [("some", b"", tarfile.DIRTYPE)] + both))
long = [("./" + 120 * "x", b"?", FILE), ("./some/first", b"1234", FILE), ("some/second", b"", FILE)]
write("archive", "pax", tar(tarfile.PAX_FORMAT, long))
outside = [("../outside", b"x", FILE), ("/tmp/outside", b"x", FILE), ("some/../../outside", b"x", FILE)]
write("archive", "outside", tar(tarfile.GNU_FORMAT, outside + both))
links = [("some/first", "/etc/hostname", LINK), ("some", "..", LINK), ("some/second", "../x", HARD)]
write("archive", "links", tar(tarfile.GNU_FORMAT, links + both))
write("archive", "gzipped", gzip.compress(tar(tarfile.GNU_FORMAT, both), mtime=0))
write("archive", "sparse", sparse(1 << 29) + tar(tarfile.GNU_FORMAT, both[:1]))

# Specs: those that go with the catalog of `src/lib.rs`, and others.
lib = (HERE / "src/lib.rs").read_text()
PROFILE, RECIPE = (re.search(f'{name}: &str = r#"\n(.*?)"#', lib, re.S)[1] for name in ("PROFILE", "RECIPE"))
write("profile", "usual", PROFILE)
write("recipe", "usual", RECIPE)
for name, schedule in [
    ("cosine", '{ kind = "cosine", warmup_epochs = 2.5, final_factor = 0 }'),
    ("one-cycle", '{ kind = "one-cycle", warmup_fraction = 0.2, start_factor = 0.1, final_factor = 0.01 }'),
]:
    write("profile", name, PROFILE.replace('{ kind = "constant" }', schedule))
write("profile", "options", """summary = 'all of it'
needs_cuda = true
dataset = { name = "synthetic", samples = 600 }
pruned_fractions = [0.3, 0.7]
seeds = 3
subset = { train_samples = 500, test_samples = 50, seed = 7 }
model = { name = "resnet", depth = 18 }

[training]
epochs = 200
batch_size = 128
learning_rate = 0.1
momentum = 0.9
nesterov = false
weight_decay = 5e-4
label_smoothing = 0.1
crop_padding = 4
horizontal_flip = true
budget = "steps"
precision = "f32"
evaluate_every = 10

[training.schedule]
kind = "step"
milestones = [60, 120, 160]
factor = 0.2

[selection]
selection_period = 10
class_balance = true
score = "entropy"
score_source = "training"
first_round = "scores"
ema_weight = 0.5

[scoring]
runs = 10
epoch = 20
forget_runs = 2
""")
write("recipe", "options", '''title = "Weights"
claims = ["A1", "A8"]
claim = 'a'
how_to_read = """
higher
"""
profile = "small"
figure = "accuracy-heat-map"
axes = ["c", "ema_weight"]
datasets = ["digits"]
pruned_fractions = [0, 0.5, 9e-1]

[[methods]]
name = "ucb"
c = [0.5, 1, 2.25]
first_variance = ["zero", "one"]
score = "el2n"
score_source = "training"
first_round = "full"
ema_weight = [0.1, 1]
class_balance = true

[[methods]]
name = "static"
scorer = "forget"
never_learned = "value"
value = -0.5

[[methods]]
name = "static"
scorer = "grand"
parameters = ["all", "last-layer"]
runs = 3
epoch = 0

[[methods]]
name = "static"
counts_of = { name = "random-dynamic", selection_period = 3 }
''')

# JSON as it is stored with a result.
text = lambda value: json.dumps(value, separators=(",", ":"))
training = {
    "epochs": 6, "batch_size": 16, "learning_rate": 0.05, "momentum": 0.9, "nesterov": True, "weight_decay": 0.0005,
    "label_smoothing": 0.0, "schedule": {"kind": "constant"}, "crop_padding": 1, "horizontal_flip": False,
    "budget": "epochs", "precision": "f32", "evaluate_every": 6,
}
dataset = {"name": "digits", "options": {}, "train_samples": 200, "test_samples": 100, "subset_seed": 0}
scoring = {"score": "loss", "score_source": "forward-pass", "first_round": "random", "ema_weight": 0.8}
cell = {
    "profile": "example", "dataset": dataset, "model": {"name": "cnn", "options": {"width": 4}},
    "method": {"name": "ucb", "options": {"c": 1.0, "first_variance": "zero"}}, "pruned_fraction": 0.7, "seed": 0,
    "training": training, "selection": {"selection_period": 2, "class_balance": False, "scoring": scoring},
}
write("cell_json", "ucb", text(cell))
grand = {"kind": "scorer", "name": "grand", "options": {"epoch": 3, "runs": 10, "parameters": "all"}}
for name, scores, schedule in [
    ("counts", {"kind": "selection-counts", "of": cell}, {"kind": "step", "milestones": [2, 4], "factor": 0.2}),
    ("scorer", grand, {"kind": "cosine", "warmup_epochs": 1.5, "final_factor": 0.0}),
    ("table", {"kind": "table", "hash": "00ff"},
     {"kind": "one-cycle", "warmup_fraction": 0.3, "start_factor": 0.04, "final_factor": 4e-6}),
]:
    selection = {"selection_period": None, "class_balance": True, "scoring": None, "static_scores": scores}
    method = {"name": "full-short", "options": {}}
    write("cell_json", name, text({
        **cell, "method": method, "training": {**training, "schedule": schedule, "budget": "steps"}, "selection": selection,
    }))
forget = {"never_learned": "most", "runs": 1, "value": 0.5}
for name, options in [("el2n", {"epoch": 10, "runs": 10}), ("forget", forget)]:
    scorer = {"name": name, "options": options}
    table = {"profile": "example", "dataset": dataset, "model": cell["model"], "training": training, "scorer": scorer}
    write("score_json", name, text(table))


# Checkpoints: safetensors, and manifests.
def tensors(entries, data, **more):
    header = {name: {"dtype": kind, "shape": [n], "data_offsets": [a, b]} for name, kind, n, a, b in entries}
    header = text({**header, **more}).encode()
    header += b" " * (-len(header) % 8)
    return struct.pack("<Q", len(header)) + header + data


kinds = [("a", "U8", 3, 0, 3), ("b.c", "U32", 2, 3, 11), ("d", "U64", 1, 11, 19), ("e", "F32", 2, 19, 27)]
whole = tensors(kinds + [("f", "F64", 1, 27, 35)], bytes(range(35)))
write("checkpoint", "all", whole)
write("checkpoint", "none", tensors([], b""))
nan = tensors([("x", "F32", 1, 0, 4), ("y", "U8", 0, 4, 4)], b"\xff\xff\xff\x7f", __metadata__={"k": "v"})
write("checkpoint", "nan", nan)
manifest = text({
    "format": 1, "run": "{}", "epoch": 3, "step": 5, "bytes": 1, "blake3": "", "note": "n", "manifest_blake3": "",
}).encode()
write("checkpoints", "whole", manifest)
write("checkpoints", "numbers", manifest + b"\0" + whole)
write("checkpoints", "cut", manifest[:40] + b"\0" + whole[:30])
write("checkpoints", "other", manifest.replace(b'"{}"', b'"other"') + b"\0" + whole[:-1])
