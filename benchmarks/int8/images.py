"""CIFAR-10 and German traffic signs: MobileNetV1 x0.25, pretrained on ImageNet, a new head."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import nn

from trainlet.run.dataset import Dataset

from .task import Episode, Task, draw, last_layers

SIDE = 97
"""Odd where it is halved (97, 49, 25, 13, 7), so TensorFlow's padding "same" is symmetric."""
BACKBONE = "models/mobilenetv1_025_imagenet_float.npz"
STRIDE_2 = (2, 4, 6, 12)
FROZEN = 46
"""Layers up to the last two separable blocks: convolution and ReLU6 by turns, 23 times."""


def cifar(data: Path) -> Task:
    """60 images a class to learn from, in one pass."""
    file = np.load(data / "cifar10_jpeg.npz", allow_pickle=False)

    def part(name: str, rows: np.ndarray) -> np.ndarray:
        blob, offset = file[f"{name}_jpeg"], file[f"{name}_offset"]
        pieces = (blob[offset[k] : offset[k + 1]] for k in rows)
        return _network_inputs(Image.open(BytesIO(piece.tobytes())) for piece in pieces)

    rng = np.random.default_rng(0)
    label, test_label = (file[f"{s}_label"].astype(np.int32) for s in ("train", "test"))
    chosen, _ = draw(np.arange(len(label)), label, 180, rng)
    chosen = rng.permutation(chosen)
    tested, _ = draw(np.arange(len(test_label)), test_label, 60, rng)
    x, y = part("train", chosen), label[chosen]
    test = Dataset(part("test", tested), test_label[tested])
    held = Dataset(x[:600], y[:600])  # the validation part
    own = np.arange(600, len(x))

    def episodes(part: str, seed: int) -> list[Episode]:
        learn, _ = draw(own, y, 60, _rng(part, seed))
        return [Episode(Dataset(x[learn], y[learn]), test if part == "test" else held)]

    return _task("cifar10", "CIFAR-10", data, 10, x[own[:128]], 1, episodes)


def signs(data: Path) -> Task:
    """Up to 20 images a class to learn from, in one pass; a physical sign is in one part only."""
    file = np.load(data / "gtsrb_32.npz", allow_pickle=False)
    classes = file["classes"].tolist()
    label = np.array([classes.index(c) for c in file["train_label"]], np.int32)
    test_label = np.array([classes.index(c) for c in file["test_label"]], np.int32)
    sign = label.astype(np.int64) * 100_000 + file["train_track"]
    rng = np.random.default_rng(0)
    held_signs = [rng.permutation(np.unique(sign[label == c]))[:2] for c in np.unique(label)]
    held_rows = np.flatnonzero(np.isin(sign, np.concatenate(held_signs)))
    own = np.setdiff1d(np.arange(len(label)), held_rows)
    x = _network_inputs(map(Image.fromarray, file["train_image"]))
    tested, _ = draw(np.arange(len(test_label)), test_label, 20, rng)
    pictures = map(Image.fromarray, file["test_image"][tested])
    test = Dataset(_network_inputs(pictures), test_label[tested])
    held = Dataset(x[held_rows], label[held_rows])

    def episodes(part: str, seed: int) -> list[Episode]:
        learn, _ = draw(own, label, 20, _rng(part, seed))
        return [Episode(Dataset(x[learn], label[learn]), test if part == "test" else held)]

    calibration = x[rng.permutation(own)[:128]]
    return _task("signs", "Traffic signs", data, len(classes), calibration, 1, episodes)


def backbone(path: Path, classes: int) -> nn.Sequential:
    """MobileNetV1 x0.25 of the Keras release, batch norms folded, with a new classifier."""
    with np.load(path, allow_pickle=False) as file:
        w = {name: torch.from_numpy(file[name]) for name in file.files}

    def conv(name: str, norm: str, stride: int, depthwise: bool = False) -> nn.Conv2d:
        kernel = w[name].permute(2, 3, 0, 1) if depthwise else w[name].permute(3, 2, 0, 1)
        scale = w[f"{norm}/gamma"] / torch.sqrt(w[f"{norm}/moving_variance"] + 1e-3)
        out, _, side, _ = kernel.shape
        groups = out if depthwise else 1
        inside = out if depthwise else kernel.shape[1]
        layer = nn.Conv2d(inside, out, side, stride, side // 2, groups=groups)
        layer.weight.data = (kernel * scale[:, None, None, None]).contiguous()
        layer.bias.data = w[f"{norm}/beta"] - w[f"{norm}/moving_mean"] * scale
        return layer

    layers = [conv("conv1/kernel", "conv1_bn", 2), nn.ReLU6()]
    for k in range(1, 14):
        stride = 2 if k in STRIDE_2 else 1
        layers += [conv(f"conv_dw_{k}/depthwise_kernel", f"conv_dw_{k}_bn", stride, True)]
        layers += [nn.ReLU6(), conv(f"conv_pw_{k}/kernel", f"conv_pw_{k}_bn", 1), nn.ReLU6()]
    torch.manual_seed(0)
    head = nn.Linear(w["conv_pw_13/kernel"].shape[-1], classes)
    with torch.no_grad():  # a large random head would send noise back into the backbone
        head.weight /= 8
        head.bias.zero_()
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), head).eval()


def _network_inputs(pictures: object) -> np.ndarray:
    """Pictures of any size -> [n, 3, SIDE, SIDE] in -1..1."""
    size = (SIDE, SIDE)
    arrays = [
        np.asarray(p.convert("RGB").resize(size, Image.Resampling.BILINEAR)) for p in pictures
    ]
    x = np.stack(arrays).astype(np.float32) / 127.5 - 1
    return np.ascontiguousarray(x.transpose(0, 3, 1, 2))


def _rng(part: str, seed: int) -> np.random.Generator:
    return np.random.default_rng([part == "test", seed])


def _task(name, title, data, classes, calibration, epochs, episodes) -> Task:
    model = backbone(data / BACKBONE, classes)
    return Task(
        name=name,
        title=title,
        model=model,
        example=(1, 3, SIDE, SIDE),
        calibration=calibration,
        scheme=last_layers(model, 4, [-3, -1]),
        epochs=epochs,
        episodes=episodes,
        frozen=FROZEN,
        rate_factor=0.1,
        validation_runs=3,
    )
