"""Traffic signs: MobileNetV1 x0.25, which knows ImageNet, learns ten signs."""

from __future__ import annotations

from copy import deepcopy
from pathlib import Path

import numpy as np
import torch
from int8.images import BACKBONE, STRIDE_2
from int8.task import Episode, Task, draw, folded, last_layers
from PIL import Image
from torch import nn

from trainlet.run.dataset import Dataset

SIDE = 65
"""Odd where it is halved (65, 33, 17, 9, 5), so TensorFlow's padding "same" is symmetric."""
CLASSES, VALIDATION_CLASSES, PICTURES, EPOCHS, DRAWS = 10, 13, 60, 2, 2


def signs(data: Path) -> Task:
    """Up to 60 pictures each of ten kinds of signs; pictures of other signs of these kinds test.
    Kinds that choose learning rates and schemes are tested in no episode."""
    file = np.load(data / "gtsrb_32.npz", allow_pickle=False)
    kinds = np.random.default_rng(0).permutation(file["classes"])
    parts = {"validation": kinds[:VALIDATION_CLASSES], "test": kinds[VALIDATION_CLASSES:]}
    label, test_label = file["train_label"], file["test_label"]
    x, test_x = (_inputs(file[f"{part}_image"]) for part in ("train", "test"))

    def episode(chosen: np.ndarray, rng: np.random.Generator) -> Episode:
        number = {kind: k for k, kind in enumerate(chosen.tolist())}
        learn, _ = draw(np.flatnonzero(np.isin(label, chosen)), label, PICTURES, rng)
        test = np.flatnonzero(np.isin(test_label, chosen))
        sides = (x, label, learn), (test_x, test_label, test)
        return Episode(
            *(Dataset(x[rows], np.array([number[k] for k in y[rows].tolist()], np.int32))
              for x, y, rows in sides)
        )  # fmt: skip

    def episodes(part: str, seed: int) -> list[Episode]:
        """One set of ten kinds validates.  To test, all kinds are drawn twice, each time in as many
        sets as have no kind in common."""
        found = []
        for k in range(DRAWS if part == "test" else 1):
            rng = np.random.default_rng([seed, k])
            order = rng.permutation(parts[part])
            sets = order[: len(order) // CLASSES * CLASSES].reshape(-1, CLASSES)
            found += [episode(chosen, rng) for chosen in sets]
        return found

    normed = mobilenet(data / BACKBONE, CLASSES)
    model = folded(deepcopy(normed))
    return Task(
        name="signs",
        title="Ten traffic signs",
        model=model,
        normed=normed,
        example=(1, 3, SIDE, SIDE),
        calibration=x[np.isin(label, parts["validation"])][::6],
        scheme=last_layers(model, 4, [-3, -1]),
        epochs=EPOCHS,
        episodes=episodes,
    )


def mobilenet(path: Path, classes: int) -> nn.Sequential:
    """MobileNetV1 x0.25 of the Keras release with its batch norms, and a new classifier."""
    with np.load(path, allow_pickle=False) as file:
        values = {name: torch.from_numpy(file[name]) for name in file.files}

    def conv(name: str, norm: str, stride: int, depthwise: bool = False) -> list[nn.Module]:
        kernel = values[name].permute(*((2, 3) if depthwise else (3, 2)), 0, 1)
        out, inside, side, _ = kernel.shape
        groups = out if depthwise else 1
        layer = nn.Conv2d(inside * groups, out, side, stride, side // 2, groups=groups, bias=False)
        bn = nn.BatchNorm2d(out, eps=1e-3)
        with torch.no_grad():
            layer.weight.copy_(kernel)
            for tensor, key in (
                (bn.weight, "gamma"), (bn.bias, "beta"),
                (bn.running_mean, "moving_mean"), (bn.running_var, "moving_variance"),
            ):  # fmt: skip
                tensor.copy_(values[f"{norm}/{key}"])  # type: ignore[union-attr]
        return [layer, bn, nn.ReLU6()]

    layers = conv("conv1/kernel", "conv1_bn", 2)
    for k in range(1, 14):
        stride = 2 if k in STRIDE_2 else 1
        layers += conv(f"conv_dw_{k}/depthwise_kernel", f"conv_dw_{k}_bn", stride, True)
        layers += conv(f"conv_pw_{k}/kernel", f"conv_pw_{k}_bn", 1)
    torch.manual_seed(0)
    head = nn.Linear(values["conv_pw_13/kernel"].shape[-1], classes)
    with torch.no_grad():  # a large random head would send noise back into the backbone
        head.weight /= 8
        head.bias.zero_()  # type: ignore[union-attr]
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), head).eval()


def _inputs(pictures: np.ndarray) -> np.ndarray:
    """[n, 32, 32, 3] -> [n, 3, SIDE, SIDE] in -1..1."""
    size = (SIDE, SIDE)
    larger = [Image.fromarray(p).resize(size, Image.Resampling.BILINEAR) for p in pictures]
    x = np.stack([np.asarray(p) for p in larger]).astype(np.float32) / 127.5 - 1
    return np.ascontiguousarray(x.transpose(0, 3, 1, 2))
