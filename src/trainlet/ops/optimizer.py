"""Optimisers: how a gradient changes a parameter, as update nodes.

Each follows PyTorch's formula of the same name; the learning rate is an argument of the step.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from trainlet.errors import TrainletError
from trainlet.ir.graph import Node
from trainlet.ir.types import TensorType
from trainlet.ops.op import build, float32, leaf


@dataclass(frozen=True)
class Updates:
    """The update nodes of one step, and the initial values of the state they need."""

    outputs: Mapping[str, Node]
    values: Mapping[str, np.ndarray]


class Optimizer(Protocol):
    """What `trainlet.compile` takes."""

    @property
    def lr(self) -> float: ...

    def updates(self, gradients: Mapping[Node, Node], lr: Node) -> Updates:
        """The updates of every parameter leaf, given its gradient node."""
        ...


def _check_rate(lr: float) -> None:
    if not (np.isfinite(lr) and lr >= 0):
        raise TrainletError(f"the learning rate is a finite number, at least 0; found {lr}")


def _check_share(name: str, value: float) -> None:
    if not 0 <= value < 1:
        raise TrainletError(f"{name} is in [0, 1), found {value}")


def _zeros(param: Node, gradient: Node, suffix: str) -> tuple[Node, dict[str, np.ndarray]]:
    """A state leaf of the gradient's shape (narrower than the parameter under a sparse scheme)."""
    name, kind = f"{param.name}.{suffix}", gradient.type
    return leaf("state", name, kind), {name: np.zeros(kind.shape, kind.dtype)}


@dataclass(frozen=True)
class SGD:
    """p -= lr * g; with momentum, m = momentum * m + g and p -= lr * m."""

    lr: float = 0.01
    momentum: float = 0.0

    def __post_init__(self) -> None:
        _check_rate(self.lr)
        _check_share("momentum", self.momentum)

    def updates(self, gradients: Mapping[Node, Node], lr: Node) -> Updates:
        outputs: dict[str, Node] = {}
        values: dict[str, np.ndarray] = {}
        for p, g in gradients.items():
            if self.momentum:
                state, zeros = _zeros(p, g, "momentum")
                g = build("momentum", state, g, factor=self.momentum)
                outputs[f"new.{state.name}"] = g
                values |= zeros
            outputs[f"new.{p.name}"] = build("sgd", p, g, lr)
        return Updates(outputs, values)


@dataclass(frozen=True)
class Adam:
    """Adam (Kingma & Ba, 2015) with bias correction, without weight decay."""

    lr: float = 0.001
    betas: tuple[float, float] = (0.9, 0.999)
    eps: float = 1e-8

    def __post_init__(self) -> None:
        _check_rate(self.lr)
        _check_share("beta 1", self.betas[0])
        _check_share("beta 2", self.betas[1])

    def updates(self, gradients: Mapping[Node, Node], lr: Node) -> Updates:
        outputs: dict[str, Node] = {}
        values: dict[str, np.ndarray] = {}
        powers = []
        for k, beta in enumerate(self.betas, 1):
            name = f"adam.power{k}"
            power = leaf("state", name, TensorType(()))
            values[name] = np.ones((), np.float32)
            powers.append(build("decay", power, factor=beta))
            outputs[f"new.{name}"] = powers[-1]
        for p, g in gradients.items():
            moments = []
            for op, suffix, beta in zip(
                ("moment1", "moment2"), ("adam_m", "adam_v"), self.betas, strict=True
            ):
                state, zeros = _zeros(p, g, suffix)
                moments.append(build(op, state, g, beta=beta))
                outputs[f"new.{state.name}"] = moments[-1]
                values |= zeros
            outputs[f"new.{p.name}"] = build("adam", p, *moments, *powers, lr, eps=self.eps)
        return Updates(outputs, values)


def rate_leaf() -> Node:
    """The learning rate: an argument of every step."""
    return leaf("input", "lr", float32())
