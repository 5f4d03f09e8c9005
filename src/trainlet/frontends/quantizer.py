"""Which tensors become integers: a Quantizer for torchao's PT2E flow.

Weights of convolutions and linear layers are symmetric int8, -127..127, with a scale an output
channel; activations are int8, -128..127, with one scale and zero point.  Biases are not annotated:
their scale follows from those two.  An operator with an integer form takes and gives integers; one
that only moves elements shares the scale of what it moves.  Everything else stays float32.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch.fx import GraphModule, Node
from torchao.quantization.pt2e import (
    FakeQuantize,
    MinMaxObserver,
    MovingAverageMinMaxObserver,
    MovingAveragePerChannelMinMaxObserver,
    PerChannelMinMaxObserver,
)
from torchao.quantization.pt2e.quantizer import (
    QuantizationAnnotation,
    QuantizationSpec,
    Quantizer,
    SharedQuantizationSpec,
)

from trainlet.frontends.observers import MseObserver, PerChannelMseObserver

METHODS = {
    "minmax": (MinMaxObserver, PerChannelMinMaxObserver),
    "mse": (MseObserver, PerChannelMseObserver),
}
CONVOLUTIONS = frozenset(("conv1d", "conv2d"))
WEIGHTED = CONVOLUTIONS | {"linear"}
CLAMPS = frozenset(("relu", "relu6", "hardtanh", "clamp", "clamp_min"))
"""Activations that are a clamp of the integers before them."""
POOLS = frozenset(("avg_pool1d", "avg_pool2d"))
MOVES = frozenset(
    "max_pool1d max_pool2d flatten view reshape permute transpose squeeze unsqueeze slice select "
    "pad constant_pad_nd dropout contiguous clone alias detach".split()
)
"""The result holds elements of the input (or zeros): the scale is the same."""


def operator(node: Node) -> str:
    """The ATen operator's name without its overload; empty for what is none."""
    name = str(node.target)
    return name.removeprefix("aten.").split(".")[0] if name.startswith("aten.") else ""


def only_user(node: Node) -> Node | None:
    """The one reader of a node, or None."""
    users = list(node.users)
    return users[0] if len(users) == 1 else None


def shape(node: Node) -> tuple:
    """The traced shape of a node's result."""
    return tuple(getattr(node.meta.get("val"), "shape", ()))


def head(graph: torch.fx.Graph) -> Node | None:
    """The classifier: the last layer with a weight."""
    layers = [n for n in graph.nodes if operator(n) in WEIGHTED]
    return layers[-1] if layers else None


class Int8Quantizer(Quantizer):
    """Annotates a graph of ATen operators; `integer` collects the nodes whose result is int8."""

    def __init__(self, method: str = "minmax", qat: bool = False, float_head: bool = True) -> None:
        self.float_head = float_head
        self.integer: set[Node] = set()
        tensor, channel = METHODS[method]
        if qat:
            tensor = partial_fake(MovingAverageMinMaxObserver)
            channel = partial_fake(MovingAveragePerChannelMinMaxObserver)
        self.activation = QuantizationSpec(
            torch.int8, tensor, -128, 127, torch.per_tensor_affine
        )
        self.weight = QuantizationSpec(
            torch.int8, channel, -127, 127, torch.per_channel_symmetric, ch_axis=0
        )

    def annotate(self, model: GraphModule) -> GraphModule:
        last = head(model.graph) if self.float_head else None
        self.integer = {n for n in model.graph.nodes if n.op == "placeholder"}
        for n in model.graph.nodes:
            rule = _RULES.get(operator(n))
            if rule is not None and n is not last:
                rule(self, n)
        return model

    def validate(self, model: GraphModule) -> None:
        """Nothing that annotate could get wrong is left to check."""

    def weighted(self, n: Node) -> None:
        x, w = n.args[:2]
        if isinstance(x, Node) and isinstance(w, Node) and w.op == "get_attr":
            self.mark(n, {x: self.activation, w: self.weight}, self.fused(n))

    def binary(self, n: Node) -> None:
        """Of two integer maps; a broadcast only where the ops know one."""
        a, b = n.args[:2]
        if not (self.integers(a, b) and n.kwargs.get("alpha", 1) == 1):
            return
        if shape(a) == shape(b) or operator(n) == "mul":  # type: ignore[arg-type]
            both = dict.fromkeys((a, b), self.activation)
            self.mark(n, both, self.fused(n))  # type: ignore[arg-type]

    def pool(self, n: Node) -> None:
        if self.integers(n.args[0]):
            self.mark(n, {n.args[0]: self.activation}, self.fused(n))  # type: ignore[dict-item]

    def adaptive_pool(self, n: Node) -> None:
        """Where it is an average over equal windows."""
        before, after = shape(n.args[0])[2:], shape(n)[2:]  # type: ignore[arg-type]
        if before and all(a % b == 0 for a, b in zip(before, after, strict=True)):
            self.pool(n)

    def mean(self, n: Node) -> None:
        """Where it is over all positions of a map or of a sequence."""
        rank, dims = len(shape(n.args[0])), n.args[1] if len(n.args) > 1 else None  # type: ignore[arg-type]
        if rank in (3, 4) and dims and {d % rank for d in dims} == set(range(2, rank)):  # type: ignore[union-attr, operator]
            self.pool(n)

    def clamp(self, n: Node) -> None:
        """One that nothing before it took along."""
        if n not in self.integer and self.integers(n.args[0]):
            self.mark(n, {n.args[0]: self.activation}, n)  # type: ignore[dict-item]

    def move(self, n: Node) -> None:
        x = n.args[0]
        if self.integers(x):
            shared = SharedQuantizationSpec((x, n))  # type: ignore[arg-type]
            self.mark(n, {x: self.activation}, n, shared)  # type: ignore[dict-item]

    def concat(self, n: Node) -> None:
        """All parts and the whole share one scale."""
        parts = list(dict.fromkeys(n.args[0]))  # type: ignore[arg-type]
        if not self.integers(*parts):
            return
        shared = SharedQuantizationSpec((parts[0], n))
        specs = {parts[0]: self.activation, **dict.fromkeys(parts[1:], shared)}
        self.mark(n, specs, n, shared)

    def integers(self, *nodes: object) -> bool:
        return all(n in self.integer for n in nodes)

    def fused(self, n: Node) -> Node:
        """The last node of layer -> batch norm (only in training) -> clamp."""
        last = n
        follower = only_user(last)
        if follower and operator(n) in CONVOLUTIONS and operator(follower) == "batch_norm":
            last, follower = follower, only_user(follower)
        if follower and operator(follower) in CLAMPS:
            last = follower
        return last

    def mark(self, n: Node, inputs: dict, last: Node, output: object = None) -> None:
        """`n` reads integers, `last` (n itself, or what is fused to it) gives them."""
        annotation = QuantizationAnnotation(dict(inputs), _annotated=True)
        n.meta["quantization_annotation"] = annotation
        result = annotation
        if last is not n:
            result = QuantizationAnnotation(_annotated=True)
            last.meta["quantization_annotation"] = result
        result.output_qspec = output or self.activation  # type: ignore[assignment]
        self.integer.add(last)


def partial_fake(observer: type) -> Callable:
    """A fake quantiser that follows `observer` while it trains."""
    return FakeQuantize.with_args(observer=observer)


_RULES: dict[str, Callable[[Int8Quantizer, Node], None]] = {
    **dict.fromkeys(WEIGHTED, Int8Quantizer.weighted),
    **dict.fromkeys(("add", "mul"), Int8Quantizer.binary),
    **dict.fromkeys(POOLS, Int8Quantizer.pool),
    **dict.fromkeys(("adaptive_avg_pool1d", "adaptive_avg_pool2d"), Int8Quantizer.adaptive_pool),
    **dict.fromkeys(CLAMPS, Int8Quantizer.clamp),
    **dict.fromkeys(MOVES, Int8Quantizer.move),
    **dict.fromkeys(("cat", "concat"), Int8Quantizer.concat),
    "mean": Int8Quantizer.mean,
}
