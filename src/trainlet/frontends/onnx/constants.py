"""Operators that no input reaches are computed when the file is read, by onnx's own reference."""

from __future__ import annotations

from math import prod
from typing import Any

import numpy as np

from trainlet.errors import FileError, UnsupportedError
from trainlet.frontends.onnx.builder import Builder
from trainlet.frontends.onnx.file import Operator, ints, package
from trainlet.ir.graph import unused

MOST_ELEMENTS = 1 << 26
ELEMENTWISE = frozenset(
    "Abs Add And BitwiseAnd BitwiseNot BitwiseOr Cast CastLike Ceil Clip Cos Div Equal Erf Exp "
    "Expand Floor Greater GreaterOrEqual Identity IsInf IsNaN Less LessOrEqual Log Max Mean Min "
    "Mod Mul Neg Not Or Pow Reciprocal Relu Round Sigmoid Sign Sin Sqrt Sub Sum Tanh Where "
    "Xor".split()
)
"""No result is larger than what broadcasting makes of the inputs."""
PARTS = frozenset(
    "ArgMax ArgMin Compress Concat CumSum DequantizeLinear Flatten GatherND NonZero QuantizeLinear "
    "ReduceL1 ReduceL2 ReduceMax ReduceMean ReduceMin ReduceProd ReduceSum Reshape ScatterElements "
    "ScatterND Shape Size Slice Softmax Split Squeeze Transpose Trilu Unsqueeze".split()
)
"""No result is larger than all inputs together, or than eight times these."""
SIZED = ("Constant", "ConstantOfShape", "EyeLike", "Gather", "GatherElements", "MatMul", "OneHot",
         "Pad", "Range", "Tile")  # fmt: skip
OLD = {"Squeeze": "axes", "Unsqueeze": "axes", "Split": "split"}
"""Attributes of older versions."""
FOLDED = ELEMENTWISE | PARTS | frozenset(SIZED)


def folded(at: Builder, operator: Operator) -> dict[str, np.ndarray] | None:
    """The results by name, or None if the trainer must compute them.

    Raises UnsupportedError for results that are too large, FileError for what onnx refuses.
    """
    kind, inputs = operator.kind, [n for n in operator.inputs if n]
    if kind in ("Shape", "Size") and inputs[:1] and (found := at.type(inputs[0])):
        return {operator.outputs[0]: _shape(operator, found.shape)}
    if kind == "CastLike" and inputs[0] in at.known and (found := at.type(inputs[1])):
        return {operator.outputs[0]: at.known[inputs[0]].astype(found.dtype)}
    if kind not in FOLDED or not all(n in at.known for n in inputs):
        return None
    values = [at.known[n] for n in inputs]
    size = _size(kind, values, operator)
    if size > MOST_ELEMENTS:
        raise UnsupportedError(f"a constant of {size} elements; allowed: {MOST_ELEMENTS}")
    proto, version = operator.proto, at.model.opset
    given = dict(zip(inputs, values, strict=True))
    if kind in OLD and version < 13 and OLD[kind] in operator.attributes:
        proto, version = _as_input(operator, given), 13
    made = _reference(proto, given, version)
    return {n: np.asarray(v) for n, v in zip(operator.outputs, made, strict=False) if n}


def _shape(operator: Operator, shape: tuple[int, ...]) -> np.ndarray:
    if operator.kind == "Size":
        return np.array(prod(shape), np.int64)
    ends = (operator.attributes.get(k, d) for k, d in (("start", 0), ("end", len(shape))))
    return np.array(shape[slice(*map(int, ends))], np.int64)


def _size(kind: str, values: list[np.ndarray], operator: Operator) -> int:
    """A bound of the number of elements, before any memory is taken."""
    total = sum(v.size for v in values) + 1
    if kind == "Constant":
        return 0
    if kind in ELEMENTWISE and kind != "Expand":
        return prod(np.broadcast_shapes(*(v.shape for v in values)))
    whole = [int(n) for n in values[-1].reshape(-1)[:64]] if kind in (
        "ConstantOfShape", "Expand", "Tile") else []  # fmt: skip
    if kind == "ConstantOfShape":
        return prod(whole)
    if kind in ("Expand", "Tile"):
        return values[0].size * prod(max(1, n) for n in whole)
    if kind == "Range":
        first, stop, step = (float(v.reshape(-1)[0]) for v in values)
        return max(0, int((stop - first) / step) + 1) if step else MOST_ELEMENTS + 1
    if kind == "OneHot":
        return values[0].size * max(1, int(values[1].reshape(-1)[0]))
    if kind == "Pad":
        pads = operator.attributes.get("pads") if len(values) < 2 else values[1].reshape(-1)
        sides = sum(abs(int(n)) for n in (pads if pads is not None else ()))
        return prod(n + sides for n in values[0].shape)
    if kind in ("Gather", "MatMul"):
        return values[0].size * values[1].size
    return 8 * total


def _as_input(operator: Operator, given: dict[str, np.ndarray]) -> Any:
    """The operator with an attribute as the input that it is in newer versions; the reference has
    only these."""
    what = OLD[operator.kind]
    name = unused(what, given)
    given[name] = np.array(ints(operator.attributes[what], what), np.int64)
    proto = type(operator.proto)()
    proto.CopyFrom(operator.proto)
    proto.input.append(name)
    kept = [a for a in proto.attribute if a.name != what]
    del proto.attribute[:]
    proto.attribute.extend(kept)
    return proto


def _reference(proto: Any, values: dict[str, np.ndarray], opset: int) -> list[Any]:
    package()
    from onnx.reference import ReferenceEvaluator

    try:
        with np.errstate(all="ignore"):
            run = ReferenceEvaluator(proto, opsets={"": opset})
            made = run.run(None, values)
    except Exception as error:  # whatever it says of hostile attributes
        raise FileError(
            f"it cannot be computed: {type(error).__name__}: {str(error)[:200]}"
        ) from None
    return made if isinstance(made, list) else list(made)
