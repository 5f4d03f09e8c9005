"""Operators between DequantizeLinear and QuantizeLinear, as operators of integers.

A layer is DequantizeLinear -> operator -> (clamp) -> QuantizeLinear in the file, and one integer
operator here.  What has no form in integers is computed in float32 between the two.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import reduce
from math import inf

import numpy as np

from trainlet.errors import ShapeError, UnsupportedError
from trainlet.frontends.onnx.builder import Builder, is_weight
from trainlet.frontends.onnx.file import Operator
from trainlet.frontends.onnx.shaping import axis_of
from trainlet.frontends.onnx.stored import Stored, checked_scale, quantisation, signed
from trainlet.frontends.quantized_importer import clamped
from trainlet.frontends.quantized_layer import Result
from trainlet.ir.graph import Node
from trainlet.ir.printable import plain
from trainlet.ops.quantized.types import HIGHEST, LOWEST, affine

INT8 = 3
"""How ONNX numbers this type."""
Row = Callable[[Builder], Node | list[Node]]
CLAMPS = frozenset(("Clip", "Relu"))
"""Activations that are a clamp of the integers before them."""
LAYERS = frozenset("Add Conv ConvTranspose Gemm LeakyRelu MatMul Mul".split())
MEANS = frozenset("AveragePool GlobalAveragePool ReduceMean".split())
"""Their result may keep the scale of the input."""
MOVES = frozenset(
    "DepthToSpace Dropout Expand Flatten Gather Identity MaxPool Pad Reshape Resize Slice "
    "SpaceToDepth Split Squeeze Tile Transpose Unsqueeze Upsample".split()
)
"""The result holds elements of the input (or zeros): the scale is the same."""
JOINS = frozenset(("Concat",))
INTEGERS = LAYERS | MEANS | CLAMPS | MOVES | JOINS


def keep_constant(at: Builder, operator: Operator, made: dict[str, np.ndarray]) -> None:
    """Remember the integers of a DequantizeLinear whose inputs stand in the file."""
    name, real = next(iter(made.items()))
    x, scale, zero = (at.known.get(operator.input(k)) for k in range(3))
    at.held[name] = real
    if is_weight(real):
        at.trained.add(name)
    if x is None or scale is None or x.dtype not in (np.int8, np.uint8, np.int32):
        return
    if operator.attributes.get("block_size"):
        return
    zero = np.zeros(1, x.dtype) if zero is None else zero.reshape(-1)
    scales, axis = checked_scale(scale), operator.attributes.get("axis", 1)
    if x.dtype != np.int32:
        x, zero = signed(x, "a constant"), signed(zero, "a constant")
    at.stored[name] = Stored(_title(at, operator.inputs[0]), x, scales, zero, axis)


def _title(at: Builder, name: str) -> str:
    """What a parameter is called: as before its file was quantised, if that can be told."""
    if name not in at.model.constants:
        makers = [o for o in at.model.operators if name in o.outputs]
        name = next((o.input(0) for o in makers if o.kind == "QuantizeLinear"), name)
    return plain(name.removesuffix("_quantized"), 200)


def in_integers(at: Builder, operator: Operator, row: Row | None) -> bool:
    """Whether the operator was made one of integers, or of what these are dequantised to."""
    kind, first = operator.kind, operator.input(0)
    if kind == "DequantizeLinear":
        at.dequantized[operator.outputs[0]] = _dequantized(at, operator)
        return True
    if kind == "QuantizeLinear":
        result, x = _quantisation(at, operator), at.dequantized.get(first)
        at.nodes[operator.outputs[0]] = at.quantized(at.input(0) if x is None else x, result)
        return True
    raw = first in at.nodes
    source = at.type(first)
    if row is None or source is None or source.dtype != "int8":
        return False
    made = None
    if kind in MOVES:
        made = _tried(at, row)
    elif not raw and kind in INTEGERS:
        goal = goal_of(at, operator)
        made = goal and _tried(at, lambda at: _computed(at, row, goal), goal)
    for name, node in zip(operator.outputs, made or (), strict=False):
        (at.nodes if raw else at.dequantized)[name] = node
    return bool(made)


def _dequantized(at: Builder, operator: Operator) -> Node:
    x, found = at.any(0), _quantisation(at, operator)
    if x.type.dtype != "int8":
        raise UnsupportedError(f"its input is {x.type}; allowed: int8 and uint8")
    if affine(x) != (found.scale, found.zero_point):
        raise UnsupportedError(
            f"it reads scale {found.scale:g} and zero point {found.zero_point} of integers that "
            f"have {affine(x)}; allowed: the same"
        )
    return x


def _quantisation(at: Builder, operator: Operator) -> Result:
    """What a file's uint8 is, as int8."""
    scale, zero = at.known.get(operator.input(1)), at.known.get(operator.input(2))
    if scale is None or (operator.input(2) and zero is None):
        raise UnsupportedError("its scale or zero point is computed; allowed: constants")
    if zero is None:
        is_signed = operator.attributes.get("output_dtype", 0) == INT8
        zero = np.zeros(1, np.int8 if is_signed else np.uint8)
    return quantisation(scale, zero)


def goal_of(at: Builder, operator: Operator) -> Result | None:
    """How the result is quantised, if a QuantizeLinear reads it and nothing else does; a clamp may
    stand between."""
    low, high = -inf, inf
    while True:
        if operator.kind in CLAMPS:
            bounds = _bounds(at, operator)
            if bounds is None:
                return None
            low, high = max(low, bounds[0]), min(high, bounds[1])
        (name, *_), readers = operator.outputs, at.readers.get(operator.outputs[0], [])
        if len(readers) != 1 or name in at.model.outputs:
            return None
        operator = readers[0]
        if operator.kind == "QuantizeLinear":
            first, last = (None if v in (-inf, inf) else v for v in (low, high))
            return clamped(_quantisation(at, operator), first, last)
        if operator.kind not in CLAMPS:
            return None


def _bounds(at: Builder, operator: Operator) -> tuple[float, float] | None:
    """Real bounds of a clamp, None for those that are computed."""
    if operator.kind == "Relu":
        return 0.0, inf
    if at.model.opset < 11:
        return operator.attributes.get("min", -inf), operator.attributes.get("max", inf)
    found = []
    for position, default in ((1, -inf), (2, inf)):
        name = operator.input(position)
        value = at.known.get(name) if name else np.array(default)
        if value is None or value.size != 1:
            return None
        found.append(float(value.reshape(())[()]))
    return found[0], found[1]


def _tried(at: Builder, row: Row, goal: Result | None = None) -> list[Node] | None:
    """What a row makes of integers; None where it has no such form."""
    at.exact, at.result = True, goal
    try:
        made = row(at)
    except (ShapeError, UnsupportedError):
        return None
    finally:
        at.exact, at.result = False, None
    return made if isinstance(made, list) else [made]


def _computed(at: Builder, row: Row, goal: Result) -> Node:
    kind, wide = at.operator.kind, replace(goal, low=LOWEST, high=HIGHEST)
    if kind in CLAMPS:
        return _brought(at, at.input(0), goal)
    if kind in JOINS:
        parts = [at.quantized(at.input(k), wide) for k in range(len(at.operator.inputs))]
        axis = axis_of(parts[0], at.attribute("axis", 0))
        return _brought(at, reduce(lambda a, b: at.build("concat", a, b, axis=axis), parts), goal)
    if kind in MEANS:
        at.result = wide
    return _brought(at, row(at), goal)  # type: ignore[arg-type]


def _brought(at: Builder, y: Node, goal: Result) -> Node:
    """Integers of the goal's scale, clamped as it says."""
    low, high = y.attrs.get("low", LOWEST), y.attrs.get("high", HIGHEST)
    same = affine(y) == (goal.scale, goal.zero_point)
    return y if same and goal.low <= low and high <= goal.high else at.quantized(y, goal)
