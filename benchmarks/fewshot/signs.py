"""Unseen traffic signs: int8 backbones that know ImageNet alone."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from PIL import Image

from trainlet.accounting.published.sparse_schemes import SCHEMES
from trainlet.frontends.mcunet import backbone
from trainlet.ir.graph import Graph

from .task import Episode, Task, episode_of

SIDE, WAYS, VALIDATED, SCALE, PASSES = 64, 5, 13, 10.0, 2
"""Pixels of a side, where the backbones were made for 128: the pictures have 32.  Signs of an
episode; signs that choose rates, of 33; the others test."""
FIRST = {"full": (0.00003, 0.0001, 0.0003)}
"""Larger rates overflow where all layers of an int8 backbone train."""
NETWORKS = {
    "mcunet": ("mcunet-5fps", "49KB"),
    "mobilenetv2": ("mbv2-w0.35", "49KB"),
    "proxylessnas": ("proxyless-w0.3", "49KB"),
}
"""File and published scheme of each."""


def signs(data: Path, _build: Path, name: str) -> Task:
    """Five signs, five pictures of each; pictures of other posts test."""
    with np.load(data / "gtsrb_32.npz", allow_pickle=False) as file:
        parts = [(file[f"{part}_image"], file[f"{part}_label"]) for part in ("train", "test")]
    images = np.concatenate([image for image, _ in parts])
    label = np.concatenate([label for _, label in parts]).astype(np.int64)
    test = np.arange(len(label)) >= len(parts[0][0])
    order = np.random.default_rng(0).permutation(np.unique(label))
    classes = {"validation": order[:VALIDATED], "test": order[VALIDATED:]}

    def episode(part: str, number: int) -> Episode:
        rng = np.random.default_rng([part == "test", number])
        own = np.flatnonzero(np.isin(label, classes[part]))
        e = episode_of(own, label[own], WAYS, rng, test[own])
        return Episode(_inputs(images[e.x]), e.y, _inputs(images[e.test_x]), e.test_y)

    file, scheme = NETWORKS[name]
    published = SCHEMES[file][scheme].update_scheme
    sparse = {n: share for n, share in published.ratios.items() if not n.startswith("classifier")}
    features = features_of(data / "models" / "mcunet_int8" / f"{file}.npz")
    return Task("signs", name, features, WAYS, episode, SCALE, sparse, PASSES, first=FIRST)


def features_of(path: Path) -> Graph:
    """The backbone for 64x64 pixels, without its classifier."""
    with np.load(path, allow_pickle=False) as file:
        arrays = dict(file)
    config = json.loads(arrays["config_json"].tobytes())
    config["first_conv"]["in_shape"] = SIDE
    graph = backbone(config, arrays, 2)
    values = {n: v for n, v in graph.values.items() if not n.startswith("classifier")}
    return Graph({"logits": graph.outputs["logits"].inputs[0]}, values)


def _inputs(images: np.ndarray) -> np.ndarray:
    """[n, 3, 64, 64] in -1..1."""
    size = (SIDE, SIDE)
    large = [np.asarray(Image.fromarray(i).resize(size, Image.Resampling.BILINEAR)) for i in images]
    return np.ascontiguousarray(
        np.stack(large).transpose(0, 3, 1, 2).astype(np.float32) / 127.5 - 1
    )
