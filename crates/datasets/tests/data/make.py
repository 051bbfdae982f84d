#!/usr/bin/env python3
"""Writes the tiny files of this folder: CIFAR in each of its wrappings, a few records a file.

Needs numpy, Pillow and pyarrow. The Rust tests read what these tools wrote, and name the sums printed here.
"""
import hashlib, io, pickle, struct, tarfile
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

HERE = Path(__file__).parent

# name: (first sample, labels); pixel p (planes first) of sample i is (31 i + 7 p + p // 256) mod 251.
CIFAR10 = {"data_batch_1": (0, [6, 9]), "data_batch_2": (2, [3, 0]), "test_batch": (4, [8])}
CIFAR100 = {"train": (0, [19, 99]), "test": (2, [0])}
COARSE = {"train": [11, 15], "test": [4]}


def planes(first, count):
    pixel = lambda i, p: (31 * (i + first) + 7 * p + p // 256) % 251
    return np.fromfunction(pixel, (count, 3072)).astype(np.uint8)


class PythonTwo(pickle._Pickler):
    """Pickles strings and numpy's functions as Python 2 did for the official files."""

    dispatch = dict(pickle._Pickler.dispatch)

    def save_string(self, text):
        text = text.encode() if isinstance(text, str) else text
        short = len(text) < 256
        self.write((b"U" + bytes([len(text)]) if short else b"T" + struct.pack("<i", len(text))) + text)
        self.memoize(text)

    def save_function(self, function):
        known = {np.ndarray: b"cnumpy\nndarray\n", np.dtype: b"cnumpy\ndtype\n"}
        self.write(known.get(function, b"cnumpy.core.multiarray\n_reconstruct\n"))
        self.memoize(function)

    dispatch[bytes] = dispatch[str] = save_string
    dispatch[type] = dispatch[type(len)] = dispatch[type(planes)] = save_function


def pickled(content):
    out = io.BytesIO()
    PythonTwo(out, protocol=2).dump(content)
    return out.getvalue()


def write_tar(name, folder, members):
    with tarfile.open(HERE / name, "w:gz", format=tarfile.GNU_FORMAT) as tar:
        for member, content in members.items():
            info = tarfile.TarInfo(f"{folder}/{member}")
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))


def write_parquet(name, parts, label, extra):
    png, labels, coarse = [], [], []
    for part in parts:
        first, some = extra["records"][part]
        for image in planes(first, len(some)).reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1):
            out = io.BytesIO()
            Image.fromarray(image).save(out, "PNG")
            png.append({"bytes": out.getvalue(), "path": None})
        labels += some
        coarse += extra.get("coarse", {}).get(part, [])
    columns = {"img": pa.array(png, pa.struct({"bytes": pa.binary(), "path": pa.string()})), label: pa.array(labels, pa.int64())}
    if coarse:
        columns["coarse_label"] = pa.array(coarse, pa.int64())
    pq.write_table(pa.table(columns), HERE / name)


binary10 = {
    f"{part}.bin": b"".join(bytes([label]) + row.tobytes() for label, row in zip(labels, planes(first, len(labels))))
    for part, (first, labels) in CIFAR10.items()
}
binary100 = {
    f"{part}.bin": b"".join(
        bytes([coarse, label]) + row.tobytes()
        for coarse, label, row in zip(COARSE[part], labels, planes(first, len(labels)))
    )
    for part, (first, labels) in CIFAR100.items()
}
for name, content in {**binary10, **binary100}.items():
    print(name, len(content), hashlib.md5(content).hexdigest())

write_tar("cifar-10-binary.tar.gz", "cifar-10-batches-bin", {**binary10, "readme.html": b"<html></html>"})
write_tar("cifar-100-binary.tar.gz", "cifar-100-binary", binary100)
write_tar("cifar-10-python.tar.gz", "cifar-10-batches-py", {
    part: pickled({"batch_label": part, "labels": labels, "data": planes(first, len(labels)), "filenames": ["a.png"] * len(labels)})
    for part, (first, labels) in CIFAR10.items()
})
write_tar("cifar-100-python.tar.gz", "cifar-100-python", {
    part: pickled({"filenames": ["a.png"] * len(labels), "fine_labels": labels, "coarse_labels": COARSE[part], "data": planes(first, len(labels))})
    for part, (first, labels) in CIFAR100.items()
})
# Hugging Face's training file holds CIFAR-10's files in another order than the official one.
write_parquet("cifar10-train.parquet", ["data_batch_2", "data_batch_1"], "label", {"records": CIFAR10})
write_parquet("cifar10-test.parquet", ["test_batch"], "label", {"records": CIFAR10})
write_parquet("cifar100-train.parquet", ["train"], "fine_label", {"records": CIFAR100, "coarse": COARSE})
write_parquet("cifar100-test.parquet", ["test"], "fine_label", {"records": CIFAR100, "coarse": COARSE})
