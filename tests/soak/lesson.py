"""What a network of the soak is given: inputs, targets, a learning rate, several steps of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

import trainlet as tl
from soak.options import Options

LOSSES = {
    "cross_entropy": F.cross_entropy,
    "smoothed": lambda z, y: F.cross_entropy(z, y, label_smoothing=0.1),
    "mse": F.mse_loss,
    "bce": F.binary_cross_entropy,
    "bce_with_logits": F.binary_cross_entropy_with_logits,
}
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
    targets: tuple[Tensor, ...]

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
    if options.loss in ("cross_entropy", "smoothed"):
        targets = [torch.randint(classes, (batch,), generator=random) for _ in inputs]
    else:
        targets = [torch.rand((batch, classes), generator=random) for _ in inputs]
    return Lesson(model, tuple(inputs), tuple(targets))


def loss_of(options: Options) -> tl.Loss:
    if options.loss == "smoothed":
        return tl.Loss("cross_entropy", 0.1)
    return tl.Loss(options.loss)
