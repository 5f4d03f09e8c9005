"""Optimisers: how a gradient changes a parameter, as update nodes.

Each follows PyTorch's formula of the same name; the learning rate is an argument of the step.
`groups` multiplies it for some parameters: {pattern of names: factor}, such as
{"classifier.*": 10}.  Of several patterns that match a name, the first one counts.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from functools import partial
from numbers import Real
from typing import Any, Protocol

import numpy as np

from trainlet.errors import TrainletError, shown
from trainlet.ir.graph import Node
from trainlet.ir.types import TensorType
from trainlet.ops.op import build, float32, leaf
from trainlet.ops.quantized.precision import Int8
from trainlet.ops.quantized.scaling import integer_update

Bounds = tuple[float | None, float | None]
SMALLEST = float(np.finfo(np.float32).tiny)


@dataclass
class Updates:
    """The update nodes of one step as they are built, and the leaves' initial values.

    factors: of the learning rate, by the parameter's name; 1 where it has none
    """

    lr: Node = field(default_factory=lambda: leaf("input", "lr", float32()))
    factors: Mapping[str, float] = field(default_factory=dict)
    precision: Int8 = field(default_factory=Int8)
    outputs: dict[str, Node] = field(default_factory=dict)
    values: dict[str, np.ndarray] = field(default_factory=dict)
    _rates: dict[float, Node] = field(default_factory=dict)

    def rate(self, p: Node) -> Node:
        """The learning rate of a parameter; those with one factor share a node."""
        factor = self.factors.get(p.name, 1.0)
        if factor == 1:
            return self.lr
        if factor not in self._rates:
            self._rates[factor] = build("scale", self.lr, factor=factor, label="lr")
        return self._rates[factor]

    def state(self, name: str, value: np.ndarray, within: Bounds | None = None) -> Node:
        """A new leaf of the optimiser's state; within: bounds of the values that it can have."""
        self.values[name] = value
        attrs = {} if within is None else {"within": within}
        return leaf("state", name, TensorType(value.shape, str(value.dtype)), **attrs)  # type: ignore[arg-type]

    def set(self, target: Node, update: Node) -> Node:
        """The leaf `target` becomes `update`."""
        self.outputs[f"new.{target.name}"] = update
        return update

    def moment(
        self, p: Node, g: Node, op: str, suffix: str, within: Bounds | None = None, **attrs: Any
    ) -> Node:
        """A running value of the gradient's shape (narrower than p under a sparse scheme)."""
        state = self.state(f"{p.name}.{suffix}", np.zeros(g.type.shape, np.float32), within)
        return self.set(state, build(op, state, g, **attrs))

    def descend(self, p: Node, direction: Node) -> None:
        """p -= lr * direction, in the units in which the parameter is kept."""
        if p.type.dtype == "float32":
            self.set(p, build("sgd", p, direction, self.rate(p)))
            return
        if "step" not in self.values:
            counter = self.state("step", np.zeros((), np.int32))
            self.set(counter, build("count", counter))
        step = self.outputs["new.step"].inputs[0]
        update, inverse = integer_update(p, direction, self.rate(p), step, self.precision)
        self.values |= inverse
        self.set(p, update)


class Optimizer(Protocol):
    """What `trainlet.compile` takes."""

    @property
    def lr(self) -> float: ...

    def update(self, gradients: Mapping[Node, Node], updates: Updates) -> None:
        """Add the updates of every parameter leaf, given its gradient node."""
        ...


def _number(name: str, value: object) -> float:
    """A finite number as the device holds it; raises TrainletError."""
    if isinstance(value, bool) or not isinstance(value, Real):
        raise TrainletError(f"{name} is {shown(value)}; allowed: a finite number")
    try:
        with np.errstate(over="ignore"):
            held = float(np.float32(float(value)))
    except OverflowError:
        raise TrainletError(f"{name} is beyond float32; allowed: a finite number") from None
    if not np.isfinite(held):
        raise TrainletError(f"{name} is {shown(value)}; allowed: a finite number of float32")
    return held


def _check_rate(lr: float) -> None:
    if not _number("the learning rate", lr) >= 0:
        raise TrainletError(f"the learning rate is a finite number, at least 0; found {lr}")


def _check_share(name: str, value: float) -> None:
    if not 0 <= _number(name, value) < 1:
        raise TrainletError(f"{name} is in [0, 1) as float32, found {value}")


def _check_eps(value: float) -> None:
    if not _number("eps", value) >= SMALLEST:
        raise TrainletError(
            f"eps is {shown(value)}; allowed: a number of at least {SMALLEST:.3g}, since it "
            "is added to a root that is 0 where the gradient is 0"
        )


def _check_groups(groups: Any) -> None:
    if not isinstance(groups, Mapping):
        raise TrainletError(f"groups={shown(groups)}; allowed: {{pattern of names: factor of the "
                            'learning rate}, such as {"classifier.*": 10}')  # fmt: skip
    for pattern, factor in groups.items():
        if not isinstance(pattern, str):
            raise TrainletError(f"groups has the pattern {shown(pattern)}; allowed: text")
        name = f"the factor of {shown(pattern)}"
        if not _number(name, factor) >= 0:
            raise TrainletError(f"{name} is {shown(factor)}; allowed: a number of at least 0")


_GROUPS: Any = field(default_factory=dict, hash=False)


@dataclass(frozen=True)
class SGD:
    """p -= lr * g; with momentum, m = momentum * m + g and p -= lr * m."""

    lr: float = 0.01
    momentum: float = 0.0
    groups: Mapping[str, float] = _GROUPS

    def __post_init__(self) -> None:
        _check_rate(self.lr)
        _check_groups(self.groups)
        _check_share("momentum", self.momentum)

    def update(self, gradients: Mapping[Node, Node], updates: Updates) -> None:
        for p, g in gradients.items():
            if self.momentum:
                g = updates.moment(p, g, "momentum", "momentum", factor=self.momentum)
            updates.descend(p, g)


@dataclass(frozen=True)
class Adam:
    """Adam (Kingma & Ba, 2015) with bias correction, without weight decay."""

    lr: float = 0.001
    betas: tuple[float, float] = (0.9, 0.999)
    eps: float = 1e-8
    groups: Mapping[str, float] = _GROUPS

    def __post_init__(self) -> None:
        _check_rate(self.lr)
        _check_groups(self.groups)
        if not isinstance(self.betas, (tuple, list)) or len(self.betas) != 2:
            raise TrainletError(f"betas are {shown(self.betas)}; allowed: two numbers in [0, 1)")
        for k, beta in enumerate(self.betas, 1):
            _check_share(f"beta {k}", beta)
        _check_eps(self.eps)

    def update(self, gradients: Mapping[Node, Node], updates: Updates) -> None:
        powers = []
        for k, beta in enumerate(self.betas, 1):
            power = updates.state(f"adam.power{k}", np.ones((), np.float32), (0.0, 1.0))
            powers.append(updates.set(power, build("decay", power, factor=beta)))
        for p, g in gradients.items():
            m = updates.moment(p, g, "moment1", "adam_m", beta=self.betas[0])
            v = updates.moment(p, g, "moment2", "adam_v", (0.0, None), beta=self.betas[1])
            if p.type.dtype == "float32":
                updates.set(p, build("adam", p, m, v, *powers, updates.rate(p), eps=self.eps))
            else:
                updates.descend(p, build("adam_direction", m, v, *powers, eps=self.eps))


@dataclass(frozen=True)
class RMSprop:
    """v = alpha * v + (1 - alpha) * g^2, p -= lr * g / (sqrt(v) + eps); without momentum."""

    lr: float = 0.01
    alpha: float = 0.99
    eps: float = 1e-8
    groups: Mapping[str, float] = _GROUPS

    def __post_init__(self) -> None:
        _check_rate(self.lr)
        _check_groups(self.groups)
        _check_share("alpha", self.alpha)
        _check_eps(self.eps)

    def update(self, gradients: Mapping[Node, Node], updates: Updates) -> None:
        for p, g in gradients.items():
            v = updates.moment(p, g, "moment2", "rmsprop_v", (0.0, None), beta=self.alpha)
            updates.descend(p, build("rmsprop_direction", g, v, eps=self.eps))


OPTIMIZERS: dict[str, Callable[..., SGD | Adam | RMSprop]] = {
    "sgd": SGD,
    "momentum": partial(SGD, momentum=0.9),
    "adam": Adam,
    "rmsprop": RMSprop,
}
"""Every optimiser by the name that the command line gives it; a learning rate may follow."""


def written(optimizer: SGD | Adam | RMSprop) -> str:
    """The Python call that makes an optimiser: its learning rate, and the arguments that differ
    from their defaults."""
    given = {
        f.name: getattr(optimizer, f.name)
        for f in fields(optimizer)
        if f.name == "lr" or getattr(optimizer, f.name) not in (f.default, {})
    }
    arguments = ", ".join(f"{name}={value!r}" for name, value in given.items())
    return f"{type(optimizer).__name__}({arguments})"
