"""What a network of the soak is given: inputs, targets, a learning rate, several steps of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

import trainlet as tl
from soak.options import Options
from trainlet.ops.objective import Losses

DECAY = 0.3
LABELS = ("cross_entropy", "smoothed", "two", "l2", "proximal", "weights")
"""Losses whose first target is of labels."""


def torch_loss(options: Options, z: Tensor, y: Mapping[str, Tensor]) -> Tensor:
    """Without penalties."""
    target = y["target"]
    if options.loss == "two":
        return 0.5 * F.cross_entropy(z, target) + 2 * F.mse_loss(z, y["goal"])
    if options.loss == "distillation":
        own, wanted = F.log_softmax(z / 3, 1), F.log_softmax(target / 3, 1)
        return 9 * F.kl_div(own, wanted, reduction="batchmean", log_target=True)
    if options.loss == "weights":
        return F.cross_entropy(z, target, _weights(z.shape[1]).to(z.dtype), ignore_index=0)
    plain = {
        "huber": lambda z, y: F.huber_loss(z, y, delta=0.3),
        "mse": F.mse_loss,
        "bce": F.binary_cross_entropy,
        "bce_with_logits": F.binary_cross_entropy_with_logits,
    }
    if options.loss in plain:
        return plain[options.loss](z, target)
    smoothing = 0.1 if options.loss == "smoothed" else 0.0
    return F.cross_entropy(z, target, label_smoothing=smoothing)


def _weights(classes: int) -> Tensor:
    """Of the classes; the first is ignored."""
    return torch.linspace(0.5, 2, classes)


def torch_penalty(options: Options, learns: Sequence[tuple[Tensor, Tensor]]) -> Tensor | float:
    """learns: a parameter, and 1 where it learns, each; the anchors are the first values."""
    if options.loss != "l2":
        return 0.0
    return sum((DECAY / 2 * (part * w).square().sum() for w, part in learns), torch.zeros(()))


OPTIMIZERS = {
    "sgd": (tl.SGD(0.02), lambda p: torch.optim.SGD(p, 0.02)),
    "momentum": (tl.SGD(0.02, momentum=0.9), lambda p: torch.optim.SGD(p, 0.02, momentum=0.9)),
    "adam": (tl.Adam(0.01, eps=0.01), lambda p: torch.optim.Adam(p, 0.01, eps=0.01)),
}
STEPS = 3


@dataclass(frozen=True)
class Lesson:
    """A model in evaluation mode; for each step its inputs and the target."""

    model: nn.Module
    inputs: tuple[tuple[Tensor, ...], ...]
    targets: tuple[Mapping[str, Tensor], ...]
    classes: int

    @property
    def examples(self) -> tuple[Tensor, ...]:
        return self.inputs[0]

    def given(self, program: tl.CompiledProgram, step: int) -> dict[str, np.ndarray]:
        """The step's inputs by the program's names; an input that nothing reads is not there."""
        own = {f"x{k}": x.numpy() for k, x in enumerate(self.inputs[step])}
        names = [n.name for n in program.inputs]
        if set(names) <= set(own):
            return {name: own[name] for name in names}
        return dict(zip(names, own.values(), strict=True))


def draw_lesson(
    model: nn.Module, shapes: Sequence[tuple[int, ...]], seed: int, options: Options
) -> Lesson:
    random = torch.Generator().manual_seed(seed + 1)
    inputs = [tuple(torch.randn(shape, generator=random) for shape in shapes) for _ in range(STEPS)]
    with torch.no_grad():
        batch, classes = model(*inputs[0]).shape
    if options.loss in LABELS:
        least = int(options.loss == "weights" and classes > 1)  # a label that is not ignored
        targets = [torch.randint(classes, (batch,), generator=random) for _ in inputs]
        for target in targets:
            target[0] = max(int(target[0]), least)
    else:
        targets = [torch.rand((batch, classes), generator=random) for _ in inputs]
    named = [{"target": target} for target in targets]
    if options.loss == "two":
        named = [y | {"goal": torch.rand((batch, classes), generator=random)} for y in named]
    return Lesson(model, tuple(inputs), tuple(named), classes)


def loss_of(options: Options, classes: int) -> Losses:
    weights = tuple(_weights(classes).tolist())
    made: dict[str, Losses] = {
        "smoothed": tl.Loss("cross_entropy", 0.1),
        "two": [tl.Loss("cross_entropy", weight=0.5), tl.Loss("mse", weight=2.0, target="goal")],
        "distillation": tl.Loss("distillation", temperature=3.0),
        "huber": tl.Loss("huber", delta=0.3),
        "weights": tl.Loss("cross_entropy", class_weights=weights, ignore_index=0),
        "l2": ["cross_entropy", tl.L2(DECAY)],
        "proximal": ["cross_entropy", tl.Proximal(DECAY)],
    }
    return made.get(options.loss, options.loss)
