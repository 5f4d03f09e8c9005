"""An importer that builds the int8 form of an operator when its input is int8.

The ATen table says `conv2d`; for an int8 input that is `conv2d_i8`, with the weights as bytes,
the bias in units of both scales, and the rescaling to the result worked out.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from trainlet.errors import DataError, UnsupportedError
from trainlet.frontends.importer import Importer
from trainlet.frontends.quantized_layer import Result, quantized_layer, rescaling
from trainlet.frontends.quantized_recurrent import integer_scan
from trainlet.frontends.recurrent import Cell, Weights
from trainlet.frontends.terms import Names, Term
from trainlet.ir.graph import Node
from trainlet.ir.storage import Merged, Storage, user_axis
from trainlet.ir.types import Quant, TensorType
from trainlet.ops.op import OPS, build, leaf
from trainlet.ops.quantized.cast import dequantized
from trainlet.ops.quantized.types import HIGHEST, LOWEST, affine

LEVELS = 127
BIAS_LIMIT = 1 << 30
"""A bias uses at most half of the 32-bit range; the other half is for the products."""


@dataclass(frozen=True)
class Weight:
    """What a quantised layer reads: real values, and a scale for each output channel.

    limit: the largest integer, without its sign
    """

    name: str
    real: np.ndarray
    scale: np.ndarray
    limit: int = LEVELS


def clamped(result: Result, low: float | None, high: float | None) -> Result:
    """The same between two real bounds, rounded as torch rounds them."""

    def integer(real: float) -> int:
        steps = np.rint(np.float32(real) * (np.float32(1) / np.float32(result.scale)))
        return int(np.clip(steps + result.zero_point, LOWEST, HIGHEST))

    first = LOWEST if low is None else integer(low)
    last = HIGHEST if high is None else integer(high)
    return replace(result, low=first, high=last)


@dataclass
class QuantizedImporter(Importer):
    """An importer of float and integer operators alike: the dtype of the first input decides.

    weights, offsets: what the leaves that stand for a layer's weight and bias hold, by name
    names:            of the layers' biases, and of what was folded into layers
    result:           of the operator being built; None where the scale of the input is kept
    """

    weights: dict[str, Weight] = field(default_factory=dict)
    offsets: dict[str, np.ndarray] = field(default_factory=dict)
    names: Names = field(default_factory=Names)
    result: Result | None = None
    leaves: dict[str, Node] = field(default_factory=dict)
    reals: dict[Node, Node] = field(default_factory=dict)

    def build(self, op: str, *inputs: Node, **attrs: Any) -> Node:
        if inputs[0].type.dtype != "int8" or op == "detach":
            return super().build(op, *inputs, **attrs)
        if op not in INTEGER_OPERATORS:
            raise UnsupportedError(
                f"{op} is not supported in int8; supported: {', '.join(sorted(INTEGER_OPERATORS))}"
            )
        return INTEGER_OPERATORS[op](self, op, *inputs, **attrs)

    def node(self, op: str, *inputs: Node, **attrs: Any) -> Node:
        """A node of this very op, not of its int8 form."""
        return build(op, *inputs, label=self.label, **attrs)

    def scan(
        self, cell: Cell, x: Node, initial: Sequence[Node | None], w: Weights, reverse: bool
    ) -> Node:
        if x.type.dtype != "int8":
            return super().scan(cell, x, initial, w, reverse)
        assert not any(initial), f"{self.label}: states that are not zeros, in integers"
        return integer_scan(cell, x, w, self.product, reverse, self.label)

    def product(self, source: float, w: Node, b: Node | None) -> tuple[Node, Node, Node]:
        """The integers of a weight and of a bias, and the weight's scales; `source` is the scale of
        what the weight multiplies."""
        given = self.weights[w.name]
        offset = self.offsets[b.name] if b else np.zeros(len(given.scale))
        scale = _wide_enough(given.scale, source, offset)
        units, zeros = np.float64(source) * scale, (0,) * len(scale)
        weight = TensorType(w.type.shape, "int8", Quant(tuple(scale.tolist()), zeros, 0))
        bias = TensorType(scale.shape, "int32", Quant(tuple(units.tolist()), zeros, 0))
        kind, name = ("param", b.name) if b else ("const", f"{w.name}.offset")
        return (
            self.integers("param", w.name, _rounded(given.real, scale[:, None], LEVELS), weight),
            self.integers(kind, name, _rounded(offset, units, BIAS_LIMIT), bias),
            self.const(scale, f"{w.name}.scales"),
        )

    def real(self, x: Node) -> Node:
        """The float32 values of integers; all readers get the same node."""
        if x not in self.reals:
            self.reals[x] = dequantized(x)
        return self.reals[x]

    def quantized(self, x: Node, result: Result) -> Node:
        """Float values, or integers of another scale, as integers of `result`."""
        if x.type.dtype == "float32":
            return self.node("quantize", x, **result.attrs)
        if result == Result(*affine(x)):
            return x
        return self.node("requantize_i8", x, source=affine(x), **result.attrs)

    def goal(self) -> Result:
        """How the result is quantised, where that is new."""
        assert self.result is not None, f"{self.label}: nothing tells the scale of the result"
        return self.result

    def integers(
        self,
        kind: str,
        name: str,
        value: np.ndarray,
        type: TensorType,
        how: Storage | None = None,
        terms: Sequence[Term] = (),
    ) -> Node:
        """A leaf of integers. A parameter that several layers read must have the same integers in
        each of them.

        terms: of a folded parameter, its own among them
        """
        value = value.astype(type.dtype)
        while kind == "const" and name in self.values:
            name += "_"
        attrs: dict[str, Any] = {}
        if how:
            attrs["storage"] = how
        if kind == "param" and terms:
            plain = how or Storage.plain(type.shape)
            merged = tuple(Merged(t.name, t.stored(plain)) for t in terms)
            attrs = {"storage": next(m.storage for m in merged if m.name == name)}
            attrs["merged"] = merged
        new = leaf(kind, name, type, **attrs)
        old = self.leaves.setdefault(name, new)
        same = (old.type, old.attrs) == (new.type, new.attrs)
        if not same or not np.array_equal(self.values.setdefault(name, value), value):
            raise UnsupportedError(
                f"{name!r} is shared by layers that would quantise it differently; give each its "
                "own copy"
            )
        return old


def _layer(at: QuantizedImporter, op: str, x: Node, w: Node, *bias: Node, **attrs: Any) -> Node:
    """The ATen table laid w out; its scales are along the output channels."""
    name, how = _stored(w)
    given, source, goal, names = at.weights[name], affine(x)[0], at.goal(), at.names
    offset = at.offsets[bias[0].name] if bias else np.zeros(len(given.scale))
    scale = _wide_enough(given.scale, source, offset)
    channels = OPS[f"{op}_i8"].channel_axis or 0
    axis = user_axis(how, w.type.shape, channels)
    along = [-1 if k == axis else 1 for k in range(given.real.ndim)]
    whole = _rounded(given.real, scale.reshape(along), given.limit)
    whole_offset = _rounded(offset, np.float64(source) * scale, BIAS_LIMIT)
    _check_sums(at.label, np.moveaxis(whole, axis, 0), whole_offset, rescaling(x, scale, goal))

    user = names.biases.get(bias[0].name if bias else name, names.biases.get(name))
    trainable, called = ("param", user) if user else ("const", f"{name}.offset")
    weight_terms, bias_terms = names.weight_terms.get(name, ()), names.bias_terms.get(name, ())
    return quantized_layer(
        op, x, w.type.shape, scale, goal,
        weight=lambda kind: at.integers("param", name, whole, kind, how, weight_terms),
        bias=lambda kind: at.integers(trainable, called, whole_offset, kind, None, bias_terms),
        requantization=lambda value: at.integers(
            "const", f"{name}.rescaling", value, TensorType(value.shape, "int32")
        ),
        label=at.label,
        **attrs,
    )  # fmt: skip


def _stored(w: Node) -> tuple[str, Storage]:
    """The name of the leaf that was permuted and reshaped to w, and how that is undone."""
    permutation = None
    while w.inputs:
        permutation = w.attrs.get("permutation", permutation)
        w = w.inputs[0]
    return w.name, Storage(w.type.shape, permutation or tuple(range(w.type.rank)))


def _wide_enough(scale: np.ndarray, source: float, offset: np.ndarray) -> np.ndarray:
    """Scales, raised where the bias would not fit: the weights there are next to nothing."""
    least = np.abs(offset.astype(np.float64)) / (np.float64(source) * BIAS_LIMIT)
    raised = np.nextafter(least.astype(np.float32), np.float32(np.inf))
    return np.where(least > scale, raised, scale.astype(np.float32)).astype(np.float64)


def _rounded(real: np.ndarray, step: np.ndarray, limit: int) -> np.ndarray:
    return np.clip(np.rint(real.astype(np.float64) / step), -limit, limit).astype(np.int64)


def _check_sums(label: str, weight: np.ndarray, bias: np.ndarray, rescaling: np.ndarray) -> None:
    """A rescaling that shifts sums out of their 32 bits means that the result was all but zero."""
    largest = 255 * np.abs(weight.reshape(len(bias), -1)).sum(1) + np.abs(bias)
    if (largest * np.exp2(np.maximum(rescaling[1], 0)) >= 2**31).any():
        raise DataError(
            f"{label}: its result is almost zero in all calibration batches, so its range is "
            "unknown; pass batches in which it is larger"
        )


def _binary(at: QuantizedImporter, op: str, a: Node, b: Node) -> Node:
    sources = affine(a), affine(b)
    return at.node(f"{op}_i8", a, b, sources=sources, **at.goal().attrs)


def _avg_pool(at: QuantizedImporter, op: str, x: Node, count_padding: bool, **window: Any) -> Node:
    """Over the whole map it is a mean, whose result has a scale of its own."""
    if count_padding and any(window["padding"]):
        raise UnsupportedError("an average over a border of zeros is not supported in int8")
    if window["kernel"] == x.type.shape[1:3]:
        return _mean(at, op, x, (x.type.shape[0], 1, 1, x.type.shape[3]))
    return at.node("avg_pool_i8", x, **window, **_keeping(at, x))


def _max_pool(at: QuantizedImporter, op: str, x: Node, dilation: tuple, **window: Any) -> Node:
    if dilation != (1, 1):
        raise UnsupportedError("max pooling with a dilation is not supported in int8")
    return at.node("max_pool_i8", x, **window, **_keeping(at, x))


def _keeping(at: QuantizedImporter, x: Node) -> dict[str, Any]:
    """The scale of the input, and the clamp of the result."""
    goal = at.result or Result(*affine(x))
    return Result(*affine(x), goal.low, goal.high).attrs


def _mean(
    at: QuantizedImporter, op: str, x: Node, shape: tuple[int, ...], factor: float = 1.0
) -> Node:
    pairs = enumerate(zip(x.type.shape, shape, strict=True))
    axes = tuple(k for k, (before, after) in pairs if before != after)
    if not axes:
        return at.quantized(x, at.goal())
    return at.node("mean_i8", x, axes=axes, keep=True, source=affine(x), **at.goal().attrs)


def _move(at: QuantizedImporter, op: str, x: Node, *index: Node, **attrs: Any) -> Node:
    return at.node(op if op == "reshape" else f"{op}_i8", x, *index, **attrs)


def _repeat(at: QuantizedImporter, op: str, x: Node, shape: tuple[int, ...]) -> Node:
    """Gathers of the one slice that there is along each dimension that repeats."""
    x = at.reshape(x, (1,) * (len(shape) - x.type.rank) + x.type.shape)
    for axis, size in enumerate(shape):
        if size != x.type.shape[axis]:
            index = at.index(np.zeros(size), f"{at.label}.index")
            attrs = {"axes": (axis,), "many": (size,), "copies": size}
            x = at.node("gather_i8", x, index, **attrs)
    return x


def _pad(
    at: QuantizedImporter, op: str, x: Node, axis: int, start: int, size: int, step: int = 1
) -> Node:
    """Padding: the ATen table expresses it as writing x into zeros."""
    padding = [(0, 0)] * x.type.rank
    padding[axis] = (start, size - start - x.type.shape[axis])
    return at.node("pad_i8", x, padding=tuple(padding), zero_point=affine(x)[1])


def _concat(at: QuantizedImporter, op: str, a: Node, b: Node, axis: int) -> Node:
    return at.node("concat_i8", a, at.quantized(b, Result(*affine(a))), axis=axis)


def _clamp(at: QuantizedImporter, op: str, x: Node) -> Node:
    """A clamp that is not fused into the operator before it."""
    return at.quantized(x, at.goal())


def _leaky_relu(at: QuantizedImporter, op: str, x: Node, slope: float) -> Node:
    return at.node("leaky_relu_i8", x, slope=slope, source=affine(x), **at.goal().attrs)


INTEGER_OPERATORS: dict[str, Callable[..., Node]] = {
    **dict.fromkeys(("conv2d", "conv_transpose", "depthwise", "linear"), _layer),
    **dict.fromkeys(("add", "mul"), _binary),
    **dict.fromkeys(("gather", "permute", "resample", "reshape", "slice"), _move),
    "broadcast_to": _repeat,
    "avg_pool": _avg_pool,
    "max_pool": _max_pool,
    "sum_to": _mean,
    "pad_strided": _pad,
    "concat": _concat,
    "clamp": _clamp,
    "leaky_relu": _leaky_relu,
}
