"""Which tensors become integers: a Quantizer for torchao's PT2E flow.

Weights of convolutions and linear layers are symmetric int8, -127..127, with a scale an output
channel; activations are int8, -128..127, with one scale and zero point.  Biases are not annotated:
their scale follows from those two.  An operator with an integer form takes and gives integers; one
that only moves elements shares the scale of what it moves.  Everything else stays float32.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

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
    FixedQParamsQuantizationSpec,
    QuantizationAnnotation,
    QuantizationSpec,
    Quantizer,
    SharedQuantizationSpec,
)

from trainlet.frontends.captured import TRANSPOSED
from trainlet.frontends.integers import (
    ANNOTATION,
    CLAMPS,
    FUNCTIONS,
    MOVES,
    RECURRENT,
    only_user,
    operator,
)
from trainlet.frontends.observers import MseObserver, PerChannelMseObserver
from trainlet.frontends.quantized_recurrent import STATE
from trainlet.frontends.source import in_front_end
from trainlet.ops.quantized.leaky_relu import has_integer_slope

OBSERVERS = {
    "minmax": (MinMaxObserver, PerChannelMinMaxObserver),
    "mse": (MseObserver, PerChannelMseObserver),
}
CONVOLUTIONS = frozenset(("conv1d", "conv2d", "conv3d"))
LAYERS = CONVOLUTIONS | TRANSPOSED | {"linear"}
PAD_RANK = 4
"""Dimensions that the integer pad walks."""


class Int8Quantizer(Quantizer):
    """Annotates a graph of ATen operators; `integer` collects the nodes whose result is int8, and
    `bounded` those whose elements are outputs of recurrent layers.

    method: how ranges are found, "minmax" or "mse"; in training they follow moving averages
    float_head: the last layer with a weight before each output is left alone, unless another layer
    shares that weight
    """

    def __init__(self, method: str = "minmax", qat: bool = False, float_head: bool = True) -> None:
        self.float_head = float_head
        self.integer: set[Node] = set()
        self.bounded: set[Node] = set()
        self.first: dict[str, tuple[Node, Node]] = {}
        tensor, channel = OBSERVERS[method]
        if qat:
            tensor = FakeQuantize.with_args(observer=MovingAverageMinMaxObserver)
            channel = FakeQuantize.with_args(observer=MovingAveragePerChannelMinMaxObserver)
        self.activation = QuantizationSpec(torch.int8, tensor, -128, 127, torch.per_tensor_affine)
        self.weights = [
            QuantizationSpec(
                torch.int8, channel, -127, 127, torch.per_channel_symmetric, ch_axis=axis
            )
            for axis in (0, 1)
        ]

    def heads(self, model: GraphModule) -> set[Node]:
        """The layers that stay float32: a weight is a float or an integer for all who read it."""
        layers = [n for n in model.graph.nodes if operator(n) in LAYERS]
        if not self.float_head:
            return set()
        read = [n.args[1].target for n in layers if n.args[1].op == "get_attr"]
        before = [_ancestors(output) for output in _outputs(model)]
        last = (next((n for n in reversed(layers) if n in own), None) for own in before)
        return {n for n in last if n is not None and read.count(n.args[1].target) < 2}

    def annotate(self, model: GraphModule) -> GraphModule:
        heads = self.heads(model)
        given = [n for n in model.graph.nodes if n.op == "placeholder"]
        self.integer = {n for n in given if n.meta["val"].is_floating_point()}
        for n in model.graph.nodes:
            rule = _RULES.get(operator(n))
            if rule is not None and n not in heads and not in_front_end(n):
                rule(self, n)
        return model

    def validate(self, model: GraphModule) -> None:
        """What cannot be integers was not annotated."""

    def layer(self, n: Node) -> None:
        x, w, *bias = _nodes(n)
        if w.op != "get_attr" or x.op == "get_attr":
            return
        transposed = operator(n) in TRANSPOSED
        if transposed and _groups(n) != 1:
            return  # the channels of a group have no axis of their own
        source: Any = self.activation
        if bias:  # it is in units of the input's scale: layers that share it share that scale
            first = self.first.setdefault(str(bias[0].target), (x, n))
            source = source if first == (x, n) else SharedQuantizationSpec(first)
        self.mark(n, {x: source, w: self.weights[transposed]}, self.fused(n))

    def binary(self, n: Node) -> None:
        """Of two tensors that are integers already; alone, it is not worth a quantisation."""
        both = _nodes(n)
        plain = n.kwargs.get("alpha", 1) == 1 and all(isinstance(a, Node) for a in n.args)
        if plain and self.integers(*both):
            self.mark(n, dict.fromkeys(both, self.activation), self.fused(n))

    def average(self, n: Node) -> None:
        """Over the whole map, with a scale of its own; over windows it keeps the input's."""
        x, kernel, _, padding, _, count_padding, divisor = _arguments(
            n, None, (), 0, False, True, None
        )
        padded = any(_tuple(padding))
        if not divisor:
            if not padded and _tuple(kernel) == _spots(x):
                self.rescaled(n)
            elif not (padded and count_padding):
                self.move(n)

    def adaptive_average(self, n: Node) -> None:
        """Where all windows are alike."""
        before, after = _spots(n.args[0]), _spots(n)
        if set(after) == {1}:
            self.rescaled(n)
        elif len(before) in (1, 2) and all(a % b == 0 for a, b in zip(before, after, strict=True)):
            self.move(n)

    def mean(self, n: Node) -> None:
        """Over all positions of a map or of a sequence."""
        x, dims, *_ = _arguments(n, None)
        rank = len(_spots(x)) + 2
        whole = dims and {d % rank for d in dims} == set(range(2, rank))
        if whole and len(_spots(x)) in (1, 2):
            self.rescaled(n)

    def maximum(self, n: Node) -> None:
        _, _, _, _, dilation, _ = _arguments(n, None, (), 0, 1, False)
        if set(_tuple(dilation)) == {1}:
            self.move(n)

    def clamp(self, n: Node) -> None:
        """A clamp that is not fused into the operator before it."""
        (x,) = _nodes(n)[:1]
        if n not in self.integer and self.integers(*_nodes(n)):
            self.mark(n, {x: self.activation}, n)

    def leaky_relu(self, n: Node) -> None:
        _, slope = _arguments(n, 0.01)
        if has_integer_slope(slope):
            self.rescaled(n)

    def function(self, n: Node) -> None:
        """Its values of float32 are quantised: of a byte, a table has them."""
        x: Any = n.args[0]
        if self.integers(x):
            self.mark(n, {x: self.activation}, n)

    def rescaled(self, n: Node) -> None:
        x: Any = n.args[0]
        if self.integers(x):
            self.mark(n, {x: self.activation}, self.fused(n))

    def move(self, n: Node) -> None:
        x: Any = n.args[0]
        if self.integers(x):
            self.mark(n, {x: self.activation}, n, SharedQuantizationSpec((x, n)))

    def pad(self, n: Node) -> None:
        """constant_pad_nd has the value where pad has its mode."""
        x, _, mode, value = _arguments(n, (), "constant", 0)
        if x.meta["val"].ndim > PAD_RANK:
            return
        if mode in ("constant", "reflect", "replicate", "circular", 0) and not value:
            self.move(n)

    def concat(self, n: Node) -> None:
        """All parts and the whole share one scale."""
        parts = _nodes(n)
        if self.integers(*parts):
            shared = SharedQuantizationSpec((parts[0], n))
            specs = {parts[0]: self.activation, **dict.fromkeys(parts[1:], shared)}
            self.mark(n, specs, n, shared)

    def recurrent(self, n: Node) -> None:
        """From states of zeros, where nobody reads the last cell state; its outputs lie between -1
        and 1."""
        arguments: Any = n.args
        x, states, parameters, biases, layers, *_, both, _ = arguments
        first = states if isinstance(states, (list, tuple)) else [states]
        parts = layers * (2 if both else 1) * (4 if biases else 2)  # others have projections
        plain = isinstance(parameters, (list, tuple)) and len(parameters) == parts
        outputs: list[Any] = [r for r in n.users if r.users]
        if (
            not plain
            or any(operator(s) != "zeros" for s in first)
            or any(p.op != "get_attr" or _reads(p) > 1 for p in parameters)
            or any(r.args[1] > 1 for r in outputs)
        ):
            return
        weights = [p for p in parameters if p.meta["val"].ndim == 2]
        self.mark(n, {x: self.activation, **dict.fromkeys(weights, self.weights[0])}, n)
        n.meta[ANNOTATION].output_qspec = None
        self.integer.discard(n)
        self.bounded.update(outputs)
        for r in outputs:
            self.mark(r, {}, r, _STATE)

    def integers(self, *nodes: Any) -> bool:
        """Whether each of the nodes is a tensor of integers."""
        return all(n in self.integer for n in nodes)

    def fused(self, n: Node) -> Node:
        """The last of a layer, its batch norm (there only in training) and its clamp."""
        last, follower = n, only_user(n)
        if follower and operator(n) in CONVOLUTIONS and operator(follower) == "batch_norm":
            last, follower = follower, only_user(follower)
        if follower and operator(follower) in CLAMPS and len(_nodes(follower)) == 1:
            last = follower
        return last

    def mark(self, n: Node, inputs: dict[Any, Any], last: Node, output: Any = None) -> None:
        """`n` reads integers; `last`, which is n or fused to it, gives them."""
        bounded, shares = self.bounded & inputs.keys(), isinstance(output, SharedQuantizationSpec)
        if len(bounded) == len(inputs) or not shares:
            inputs |= {x: _STATE for x in bounded if inputs[x] is self.activation}
            self.bounded |= {last} if shares else set()
        first = n.meta[ANNOTATION] = QuantizationAnnotation(inputs, _annotated=True)
        result = first if last is n else QuantizationAnnotation(_annotated=True)
        last.meta[ANNOTATION] = result
        result.output_qspec = output or self.activation
        self.integer.add(last)


_STATE = FixedQParamsQuantizationSpec(
    torch.int8, STATE.scale, STATE.zero_point, STATE.low, STATE.high, torch.per_tensor_affine
)
"""Of a recurrent layer's output."""


def _reads(parameter: Node) -> int:
    """How many operators read a parameter, by this node or another."""
    same = (n for n in parameter.graph.nodes if (n.op, n.target) == ("get_attr", parameter.target))
    return sum(len(n.users) for n in same)


def _outputs(model: GraphModule) -> list[Node]:
    (node,) = model.graph.find_nodes(op="output")
    return list(node.all_input_nodes)


def _ancestors(node: Node) -> set[Node]:
    """The node, and all that it is made of."""
    found: set[Node] = set()
    todo = [node]
    while todo:
        n = todo.pop()
        if n not in found:
            found.add(n)
            todo.extend(n.all_input_nodes)
    return found


def _groups(n: Node) -> Any:
    """Of a transposed convolution."""
    return n.kwargs.get("groups", _arguments(n, None, None, 1, 0, 0, 1, 1)[6])


def _nodes(n: Node) -> list[Node]:
    return list(n.all_input_nodes)


def _arguments(n: Node, *defaults: Any) -> list[Any]:
    """The node's arguments, its first included; absent ones take their defaults."""
    given = list(n.args)
    return [*given, *defaults[len(given) - 1 :]]


def _spots(n: Any) -> tuple[int, ...]:
    """Height and width of a map, the length of a sequence."""
    return tuple(getattr(n.meta.get("val"), "shape", ())[2:])


def _tuple(value: Any) -> tuple:
    return tuple(value) if isinstance(value, (tuple, list)) else (value,)


_RULES: dict[str, Callable[[Int8Quantizer, Node], None]] = {
    **dict.fromkeys(FUNCTIONS, Int8Quantizer.function),
    **dict.fromkeys(CLAMPS, Int8Quantizer.clamp),
    **dict.fromkeys(MOVES, Int8Quantizer.move),
    **dict.fromkeys(LAYERS, Int8Quantizer.layer),
    **dict.fromkeys(RECURRENT, Int8Quantizer.recurrent),
    **dict.fromkeys(("add", "mul"), Int8Quantizer.binary),
    **dict.fromkeys(("avg_pool1d", "avg_pool2d"), Int8Quantizer.average),
    **dict.fromkeys(
        ("adaptive_avg_pool1d", "adaptive_avg_pool2d", "adaptive_avg_pool3d"),
        Int8Quantizer.adaptive_average,
    ),
    **dict.fromkeys(("max_pool1d", "max_pool2d", "max_pool3d"), Int8Quantizer.maximum),
    **dict.fromkeys(("pad", "constant_pad_nd"), Int8Quantizer.pad),
    **dict.fromkeys(("cat", "concat"), Int8Quantizer.concat),
    "mean": Int8Quantizer.mean,
    "leaky_relu": Int8Quantizer.leaky_relu,
}
