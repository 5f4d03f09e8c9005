"""What a training step minimises: a weighted sum of losses, and penalties on what learns."""

from __future__ import annotations

import warnings
from collections.abc import Collection, Mapping, Sequence
from dataclasses import KW_ONLY, dataclass, fields
from typing import Any

import numpy as np

from trainlet.errors import TrainletError, shown
from trainlet.ir.arguments import closest, finite, whole
from trainlet.ir.graph import Node
from trainlet.ir.roles import LOGITS, TARGET, target_leaf_name
from trainlet.ops.loss_kinds import KINDS, Kind, Values, alone
from trainlet.ops.op import build, leaf
from trainlet.ops.penalty import Penalty

LOSSES = tuple(KINDS)
FIRST_TARGET = 1 << 16
"""The position of the first of several targets, behind the inputs of the network."""


@dataclass(frozen=True)
class Loss:
    """A loss of a network's output, a mean over the batch; torch's of the same name.

    name:            "cross_entropy" (int32 labels; of logits [N,C,..] one a position), "nll" (the
                     same of log-probabilities), "mse", "l1", "huber", "smooth_l1", "bce",
                     "bce_with_logits"; of embeddings [N,C] "triplet_margin" (of three outputs:
                     anchor, positive, negative), "contrastive" (of two outputs; target 1 for two of
                     a kind, else 0: the mean of (t d^2 + (1 - t) max(0, margin - d)^2) / 2, Hadsell
                     et al., 2006) and "cosine_embedding" (of two outputs; target 1 or -1);
                     "distillation": the target are a teacher's logits t, and the loss of the
                     network's logits z is T^2 * KL(softmax(t / T) || softmax(z / T)), whose
                     gradient is of the size of cross-entropy's at any temperature T (Hinton et
                     al., Distilling the Knowledge in a Neural Network, 2015); or "output": the
                     output itself is the loss, which the model computes of its inputs
    label_smoothing: of cross-entropy
    weight:          what the loss, and so its gradient, is multiplied by in the step's loss
    output:          the name of the network's output, an index of a tuple, or a tuple of them for a
                     loss of several; None for `logits`, or else the first
    target:          the name of the target; losses of one name read one target
    temperature:     of distillation
    class_weights:   of cross-entropy and nll, a number for each class
    ignore_index:    of cross-entropy and nll, a label that counts for nothing
    delta, beta:     of huber and smooth_l1
    margin:          of the losses of embeddings; None for torch's: 1, of cosine_embedding 0

    Raises TrainletError for what does not go together.
    """

    name: str
    label_smoothing: float = 0.0
    _: KW_ONLY
    weight: float = 1.0
    output: str | int | tuple[str | int, ...] | None = None
    target: str = TARGET
    temperature: float = 1.0
    class_weights: tuple[float, ...] | None = None
    ignore_index: int | None = None
    delta: float = 1.0
    beta: float = 1.0
    margin: float | None = None

    def __post_init__(self) -> None:
        if not isinstance(self.name, str) or self.name not in KINDS:
            known = ", ".join(KINDS) + closest(self.name, KINDS)
            raise TrainletError(f"unknown loss {shown(self.name)}; known: {known}")
        finite("the weight of a loss", self.weight)
        if not 0 <= finite("label_smoothing", self.label_smoothing) < 1:
            raise TrainletError(f"label_smoothing {self.label_smoothing} is not in [0, 1)")
        for option in ("temperature", "delta", "beta"):
            if not 0 < finite(option, getattr(self, option)) <= 1e4:
                raise TrainletError(f"{option} {getattr(self, option)} is not in (0, 10000]")
        for f in fields(self):
            self._check_option(f.name, f.default)
        if self.label_smoothing and (self.class_weights or self.ignore_index is not None):
            raise TrainletError("label_smoothing goes without class_weights and ignore_index")
        self._check_names()
        if self.class_weights is not None:
            given = [finite("a class weight", w) for w in self.class_weights]
            if min(given, default=-1) < 0:
                raise TrainletError(f"class_weights {shown(given)}; allowed: numbers from 0")
            object.__setattr__(self, "class_weights", tuple(given))
        if self.ignore_index is not None:
            whole("ignore_index", self.ignore_index, -(2**31) + 1, 2**31 - 1)
        if "margin" in self.kind.options:
            usual = 0.0 if self.name == "cosine_embedding" else 1.0
            margin = usual if self.margin is None else finite("margin", self.margin)
            object.__setattr__(self, "margin", margin)

    def _check_option(self, option: str, usual: Any) -> None:
        if option in ("name", "weight", "output", "target") or option in self.kind.options:
            return
        if getattr(self, option) != usual:
            goes = ", ".join(repr(k) for k, kind in KINDS.items() if option in kind.options)
            raise TrainletError(f"{option} applies only to the loss {goes}")

    def _check_names(self) -> None:
        given: Any = self.output
        several = isinstance(given, (tuple, list))
        named = tuple(_name(one) for one in given) if several else _name(given)
        object.__setattr__(self, "output", named)
        names = self.output if isinstance(self.output, tuple) else (self.output,)
        for name in names:
            if name is not None and not (isinstance(name, str) and name):
                raise TrainletError(f"the output of a loss is {shown(name)}; allowed: its name")
        reads = self.kind.reads
        if len(names) != reads or (reads > 1 and None in names):
            many = "one output" if reads == 1 else f"{reads} outputs, a tuple of their names"
            raise TrainletError(f"the output of {self.name!r} is {shown(self.output)}; it reads "
                                f"{many}")  # fmt: skip
        if not (isinstance(self.target, str) and self.target):
            raise TrainletError(f"the target of a loss is {shown(self.target)}; allowed: its name")

    @property
    def kind(self) -> Kind:
        return KINDS[self.name]

    @property
    def has_target(self) -> bool:
        """Whether it compares its output with a target."""
        return self.kind.target is not alone


def _name(output: Any) -> Any:
    """An index as the name that it is."""
    whole_number = isinstance(output, int) and not isinstance(output, bool)
    return str(output) if whole_number else output


Term = Loss | Penalty | str
Losses = Term | Sequence[Term]
"""What a user gives as a loss: one term, or several whose sum is minimised."""


@dataclass(frozen=True)
class Objective:
    """losses: at least one; penalties: on the parameters that learn"""

    losses: tuple[Loss, ...]
    penalties: tuple[Penalty, ...] = ()


def chosen_outputs(loss: Loss, outputs: Mapping[str, Any]) -> tuple[str, ...]:
    """The names of the outputs that a loss reads; raises TrainletError for an unknown one."""
    if loss.output is None:
        return (LOGITS if LOGITS in outputs else next(iter(outputs)),)
    given = loss.output if isinstance(loss.output, tuple) else (loss.output,)
    names = tuple(map(str, given))
    for name in names:
        if name not in outputs:
            known = ", ".join(map(repr, outputs)) + closest(name, outputs)
            raise TrainletError(f"the loss {loss.name!r} reads the output {shown(name)}; the "
                                f"network's outputs: {known}")  # fmt: skip
    return names


def warn_of_first_output(losses: Sequence[Loss], outputs: Collection[str]) -> None:
    """Warn of a loss that names none of several outputs, and so reads the first."""
    if LOGITS in outputs or len(outputs) == 1:
        return
    for loss in losses:
        if loss.output is None and loss.name != "output":
            known, first = ", ".join(map(repr, outputs)), next(iter(outputs))
            warnings.warn(
                f"the network has the outputs {known}, and the loss {loss.name!r} names none of "
                f"them: it reads the first, {first!r}; say so: Loss({loss.name!r}, "
                f"output={first!r}), or name another, or give a loss for each",
                stacklevel=1,  # of one place: said once, wherever it is found
            )


def _read_by(target: Node, losses: Sequence[Loss]) -> list[Loss]:
    return [
        loss for loss in losses if loss.has_target and target_leaf_name(loss.target) == target.name
    ]


@dataclass(frozen=True)
class Labels:
    """What the labels of a target can be: 0..classes - 1, or the one that is ignored."""

    classes: int
    ignored: int | None = None

    def refused(self, labels: np.ndarray) -> np.ndarray:
        """Those that are none."""
        return labels[((labels < 0) | (labels >= self.classes)) & (labels != self.ignored)]

    def __str__(self) -> str:
        also = "" if self.ignored is None else f", or {self.ignored}: ignored"
        return f"0..{self.classes - 1}{also}"


def labels_of(target: Node, losses: Sequence[Loss], outputs: Mapping[str, Node]) -> Labels | None:
    """What the labels of a target can be; None where it is of real numbers."""
    if target.type.dtype != "int32":
        return None
    read = _read_by(target, losses)
    predictions = [outputs[chosen_outputs(loss, outputs)[0]] for loss in read]
    ignored = {loss.ignore_index for loss in read}
    classes = min(n.type.shape[1] for n in predictions or outputs.values())
    return Labels(classes, ignored.pop() if len(ignored) == 1 else None)


def total_loss(losses: Sequence[Loss], outputs: Mapping[str, Node], values: Values) -> Node:
    """The weighted sum of the losses of a network's outputs, by name; the targets are inputs.

    values: takes up those of the constants that a loss reads
    Raises TrainletError where two losses read one target as different types, ShapeError for an
    output that a loss cannot read.
    """
    names = list(dict.fromkeys(loss.target for loss in losses if loss.has_target))
    targets: dict[str, Node] = {}
    terms: list[Node] = []
    for loss in losses:
        predictions = [outputs[name] for name in chosen_outputs(loss, outputs)]
        wanted = loss.kind.target([n.type for n in predictions])
        target = None
        if wanted is not None:
            if loss.target not in targets:
                position = FIRST_TARGET + names.index(loss.target)
                place = {"position": position} if len(names) > 1 else {}
                name = target_leaf_name(loss.target)
                targets[loss.target] = leaf("input", name, wanted, **place)
            target = targets[loss.target]
            if target.type != wanted:
                raise TrainletError(
                    f"the losses read the target {loss.target!r} as {target.type} and, for "
                    f"{loss.name!r}, as {wanted}; name them apart: Loss(..., target=...)"
                )
        term = loss.kind.build(loss, predictions, target, values)
        terms.append(term if loss.weight == 1 else build("scale", term, factor=loss.weight))
    total, *rest = terms
    for term in rest:
        total = build("add", total, term)
    return total
