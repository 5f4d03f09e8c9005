"""What a training step minimises: a weighted sum of losses, and penalties on what learns."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import KW_ONLY, dataclass, field
from typing import Any

from trainlet.errors import TrainletError, shown
from trainlet.ir.arguments import closest, finite
from trainlet.ir.graph import Node
from trainlet.ir.roles import LOGITS, TARGET, target_leaf_name
from trainlet.ir.types import TensorType
from trainlet.ops.op import build, leaf, typed
from trainlet.ops.penalty import Penalty

FIRST_TARGET = 1 << 16
"""The position of the first of several targets, behind the inputs of the network."""


@dataclass(frozen=True)
class Kind:
    """A kind of loss.

    target:    the prediction's type -> its target's
    options:   of `Loss`, those that go with it -> the operator's attributes
    of_logits: it takes a softmax of the prediction itself
    """

    target: Callable[[TensorType], TensorType]
    options: Mapping[str, str] = field(default_factory=dict)
    of_logits: bool = False


def _labels(prediction: TensorType) -> TensorType:
    return typed("int32", prediction.shape[0])


def _alike(prediction: TensorType) -> TensorType:
    return prediction


KINDS = {
    "cross_entropy": Kind(_labels, {"label_smoothing": "smoothing"}, True),
    "mse": Kind(_alike),
    "bce": Kind(_alike),
    "bce_with_logits": Kind(_alike),
    "distillation": Kind(_alike, {"temperature": "temperature"}, True),
}
LOSSES = tuple(KINDS)


@dataclass(frozen=True)
class Loss:
    """A loss of a network's output, a mean over the batch; torch's of the same name.

    name:            "cross_entropy" (int32 labels), "mse", "bce", "bce_with_logits", or
                     "distillation": the target are a teacher's logits t, and the loss of the
                     network's logits z is T^2 * KL(softmax(t / T) || softmax(z / T)), whose
                     gradient is of the size of cross-entropy's at any temperature T (Hinton et
                     al., Distilling the Knowledge in a Neural Network, 2015)
    label_smoothing: of cross-entropy
    weight:          what the loss, and so its gradient, is multiplied by in the step's loss
    output:          the name of the network's output; None for `logits`, or else the first
    target:          the name of the target; losses of one name read one target
    temperature:     of distillation

    Raises TrainletError for what does not go together.
    """

    name: str
    label_smoothing: float = 0.0
    _: KW_ONLY
    weight: float = 1.0
    output: str | None = None
    target: str = TARGET
    temperature: float = 1.0

    def __post_init__(self) -> None:
        if not isinstance(self.name, str) or self.name not in KINDS:
            known = ", ".join(KINDS) + closest(self.name, KINDS)
            raise TrainletError(f"unknown loss {shown(self.name)}; known: {known}")
        finite("the weight of a loss", self.weight)
        if not 0 <= finite("label_smoothing", self.label_smoothing) < 1:
            raise TrainletError(f"label_smoothing {self.label_smoothing} is not in [0, 1)")
        if not 0 < finite("temperature", self.temperature) <= 1e4:
            raise TrainletError(f"temperature {self.temperature} is not in (0, 10000]")
        for option in _OPTIONS:
            if getattr(self, option) != _OPTIONS[option] and option not in self.kind.options:
                goes = ", ".join(repr(k) for k, kind in KINDS.items() if option in kind.options)
                raise TrainletError(f"{option} applies only to the loss {goes}")
        for what, name in (("output", self.output), ("target", self.target)):
            if not (isinstance(name, str) and name) and (what == "target" or name is not None):
                raise TrainletError(f"the {what} of a loss is {shown(name)}; allowed: its name")

    @property
    def kind(self) -> Kind:
        return KINDS[self.name]

    def build(self, prediction: Node, target: Node) -> Node:
        """The loss of a prediction, without its weight."""
        attrs = {attr: getattr(self, option) for option, attr in self.kind.options.items()}
        return build(self.name, prediction, target, **attrs)


Term = Loss | Penalty | str
Losses = Term | Sequence[Term]
"""What a user gives as a loss: one term, or several whose sum is minimised."""
_OPTIONS = {"label_smoothing": 0.0, "temperature": 1.0}


@dataclass(frozen=True)
class Objective:
    """losses: at least one; penalties: on the parameters that learn"""

    losses: tuple[Loss, ...]
    penalties: tuple[Penalty, ...] = ()


def chosen_output(loss: Loss, outputs: Mapping[str, Any]) -> str:
    """The name of the output that a loss reads; raises TrainletError for an unknown one."""
    if loss.output is None:
        return LOGITS if LOGITS in outputs else next(iter(outputs))
    if loss.output not in outputs:
        known = ", ".join(map(repr, outputs)) + closest(loss.output, outputs)
        raise TrainletError(f"the loss {loss.name!r} reads the output {shown(loss.output)}; the "
                            f"network's outputs: {known}")  # fmt: skip
    return loss.output


def label_classes(target: Node, losses: Sequence[Loss], outputs: Mapping[str, Node]) -> int:
    """How many classes the labels of a target tell apart; 0 where it is of real numbers."""
    if target.type.dtype != "int32":
        return 0
    read = [
        outputs[chosen_output(loss, outputs)]
        for loss in losses
        if target_leaf_name(loss.target) == target.name
    ]
    return min(n.type.shape[1] for n in read or outputs.values())


def total_loss(losses: Sequence[Loss], outputs: Mapping[str, Node]) -> Node:
    """The weighted sum of the losses of a network's outputs, by name; the targets are inputs.

    Raises TrainletError where two losses read one target as different types.
    """
    names = list(dict.fromkeys(loss.target for loss in losses))
    targets: dict[str, Node] = {}
    terms: list[Node] = []
    for loss in losses:
        prediction = outputs[chosen_output(loss, outputs)]
        wanted = loss.kind.target(prediction.type)
        if loss.target not in targets:
            place = {"position": FIRST_TARGET + names.index(loss.target)} if len(names) > 1 else {}
            name = target_leaf_name(loss.target)
            targets[loss.target] = leaf("input", name, wanted, **place)
        target = targets[loss.target]
        if target.type != wanted:
            raise TrainletError(
                f"the losses read the target {loss.target!r} as {target.type} and, for "
                f"{loss.name!r}, as {wanted}; name them apart: Loss(..., target=...)"
            )
        term = loss.build(prediction, target)
        terms.append(term if loss.weight == 1 else build("scale", term, factor=loss.weight))
    total, *rest = terms
    for term in rest:
        total = build("add", total, term)
    return total
