"""Arithmetic, functions of each element, comparisons and choices."""

from __future__ import annotations

from functools import reduce
from math import inf

import numpy as np

from trainlet.errors import UnsupportedError
from trainlet.frontends.aten.elementwise import chosen, scaled, tensor
from trainlet.frontends.onnx.builder import Builder
from trainlet.frontends.onnx.file import one_of
from trainlet.frontends.onnx.table import onnx
from trainlet.ir.graph import Node, topological

UNARY = {
    "Abs": "abs", "Acos": "acos", "Asin": "asin", "Atan": "atan", "Ceil": "ceil", "Cos": "cos",
    "Cosh": "cosh", "Erf": "erf", "Exp": "exp", "Floor": "floor", "HardSwish": "hardswish",
    "IsNaN": "isnan", "Log": "log", "Mish": "mish", "Neg": "neg", "Not": "logical_not",
    "Reciprocal": "reciprocal", "Relu": "relu", "Round": "round", "Sigmoid": "sigmoid",
    "Sign": "sign", "Sin": "sin", "Sinh": "sinh", "Sqrt": "sqrt", "Tan": "tan", "Tanh": "tanh",
}  # fmt: skip
"""ONNX -> ATen."""
BINARY = {
    "Sub": "sub", "Mul": "mul", "Div": "div", "Equal": "eq", "Less": "lt", "LessOrEqual": "le",
    "Greater": "gt", "GreaterOrEqual": "ge",
}  # fmt: skip
CONDITIONS = {"And": "logical_and", "Or": "logical_or", "Xor": "logical_xor"}

for _name, _aten in UNARY.items():
    onnx(_name)(lambda at, name=_aten: at.aten(name, at.input(0)))
for _name, _aten in BINARY.items():
    onnx(_name)(lambda at, name=_aten: at.aten(name, at.operand(0), at.operand(1)))
for _name, _aten in CONDITIONS.items():
    onnx(_name)(lambda at, name=_aten: at.aten(name, at.input(0), at.input(1)))


@onnx("Asinh")
def _asinh(at: Builder) -> Node:
    """log(x + root), or below zero, where that cancels, -log(root - x)."""
    x = at.input(0)
    root = at.build("sqrt", at.build("offset", at.build("square", x), term=1.0))
    above = at.build("log", at.build("add", root, x))
    below = scaled(at, at.build("log", at.build("sub", root, x)), -1)
    return chosen(at, at.aten("lt", x, 0.0), below, above)


@onnx("Acosh")
def _acosh(at: Builder) -> Node:
    x = at.input(0)
    root = at.build("sqrt", at.build("offset", at.build("square", x), term=-1.0))
    return at.build("log", at.build("add", x, root))


@onnx("Atanh")
def _atanh(at: Builder) -> Node:
    """Half of log1p(x) - log1p(-x)."""
    x = at.input(0)
    parts = at.build("log1p", x), at.build("log1p", scaled(at, x, -1))
    return scaled(at, at.build("sub", *parts), 0.5)


@onnx("Add")
def _add(at: Builder) -> Node:
    """A vector that is added to a product which nothing else reads is a linear layer's bias."""
    a, b = at.operand(0), at.operand(1)
    for position, (product, bias) in enumerate(((a, b), (b, a))):
        if not isinstance(product, Node) or not isinstance(bias, Node):
            continue
        alone = len(at.readers[at.operator.inputs[position]]) == 1
        is_bare = product.op == "linear" and len(product.inputs) == 2 and bias.op == "param"
        if alone and is_bare and bias.type.shape == product.type.shape[-1:]:
            return at.build("linear", *product.inputs, bias)
    return at.aten("add", a, b)


@onnx("Sum")
def _sum(at: Builder) -> Node:
    return reduce(lambda a, b: at.build("add", a, b), at.all())


onnx("Mean")(lambda at: scaled(at, _sum(at), 1 / len(at.operator.inputs)))  # type: ignore[arg-type]
onnx("Max")(lambda at: reduce(lambda a, b: at.build("maximum", a, b), at.all()))
onnx("Min")(lambda at: reduce(lambda a, b: at.build("minimum", a, b), at.all()))


@onnx("Pow")
def _pow(at: Builder) -> Node:
    return at.aten("pow", at.operand(0), at.operand(1))


@onnx("Clip")
def _clip(at: Builder) -> Node:
    """Bounds are attributes in older versions."""
    x = at.input(0)
    if at.model.opset < 11:
        low, high = at.attribute("min", -inf), at.attribute("max", inf)
    else:
        low = at.operand(1) if at.has(1) else None
        high = at.operand(2) if at.has(2) else None
    if low == 0 and high in (None, inf):
        return at.build("relu", x)
    return at.build("relu6", x) if (low, high) == (0, 6) else at.aten("clamp", x, low, high)


@onnx("Where")
def _where(at: Builder) -> Node:
    """Infinities are large numbers here: a row that is hidden as a whole would not become NaN."""
    condition, chosen_from = at.input(0), [at.known.get(at.operator.input(k)) for k in (1, 2)]
    infinite = any(v is not None and np.isinf(v).any() for v in chosen_from)
    given = {n.name for n in topological([condition]) if n.op == "input"}
    if infinite and given & at.drawn_below.keys():
        raise UnsupportedError(
            "a condition that is an input chooses infinities; choose large numbers like -1e9, or "
            "make the condition a constant"
        )
    return at.aten("where", condition, at.operand(1), at.operand(2))


@onnx("IsInf")
def _is_inf(at: Builder) -> Node:
    both = at.attribute("detect_positive", 1), at.attribute("detect_negative", 1)
    name = {(1, 1): "isinf", (1, 0): "isposinf", (0, 1): "isneginf"}.get(both)
    if name is None:
        raise UnsupportedError("neither detect_positive nor detect_negative; allowed: one or both")
    return at.aten(name, at.input(0))


@onnx("Elu")
def _elu(at: Builder) -> Node:
    return at.aten("elu", at.input(0), at.attribute("alpha", 1.0))


@onnx("Selu")
def _selu(at: Builder) -> Node:
    alpha = at.attribute("alpha", 1.67326319217681884765625)
    return at.aten("elu", at.input(0), alpha, at.attribute("gamma", 1.05070102214813232421875))


@onnx("Celu")
def _celu(at: Builder) -> Node:
    return at.aten("celu", at.input(0), at.attribute("alpha", 1.0))


@onnx("LeakyRelu")
def _leaky_relu(at: Builder) -> Node:
    return at.aten("leaky_relu", at.input(0), at.attribute("alpha", 0.01))


@onnx("ThresholdedRelu")
def _thresholded(at: Builder) -> Node:
    return at.aten("threshold", at.input(0), at.attribute("alpha", 1.0), 0.0)


@onnx("Shrink")
def _shrink(at: Builder) -> Node:
    x, bias, bound = at.input(0), at.attribute("bias", 0.0), at.attribute("lambd", 0.5)
    if bias not in (0, bound):
        raise UnsupportedError(f"bias={bias}, lambd={bound}; allowed: a bias of 0 or of lambd")
    return at.aten("softshrink" if bias else "hardshrink", x, bound)


@onnx("HardSigmoid")
def _hard_sigmoid(at: Builder) -> Node:
    x, alpha, beta = at.input(0), at.attribute("alpha", 0.2), at.attribute("beta", 0.5)
    if abs(alpha - 1 / 6) < 1e-6 and beta == 0.5:
        return at.build("hard_sigmoid", x)
    return at.aten("clamp", at.aten("add", scaled(at, x, alpha), beta), 0.0, 1.0)


@onnx("Softplus")
def _softplus(at: Builder) -> Node:
    return at.aten("softplus", at.input(0), 1.0, 20.0)


@onnx("Softsign")
def _softsign(at: Builder) -> Node:
    x = at.input(0)
    return at.build("div", x, at.aten("add", at.build("abs", x), 1.0))


@onnx("Gelu")
def _gelu(at: Builder) -> Node:
    how = one_of(at.attribute("approximate", "none"), ("none", "tanh"), "approximate")
    return at.aten("gelu", at.input(0), how)


@onnx("Swish")
def _swish(at: Builder) -> Node:
    x, alpha = at.input(0), at.attribute("alpha", 1.0)
    return at.build("mul", x, at.build("sigmoid", scaled(at, x, alpha)))


@onnx("PRelu")
def _prelu(at: Builder) -> Node:
    """A slope of one element is one for all; others have the shape that broadcasting gives them."""
    x, slope = at.input(0), at.input(1)
    of_channels = at.model.opset < 7
    if x.type.rank > 1 and (slope.type.size == 1 or of_channels):
        slope = slope if of_channels else at.reshape(slope, (1,))
        return at.aten("prelu", x, slope)
    return at.build("prelu", x, slope)


def _along(at: Builder, name: str) -> Node:
    """Before opset 13 over all dimensions from the axis on."""
    x = at.input(0)
    if at.model.opset >= 13:
        return at.aten(name, x, at.attribute("axis", -1))
    axis = at.attribute("axis", 1) % max(x.type.rank, 1)
    rows = at.aten("flatten", x, axis, -1)
    return at.reshape(at.aten(name, rows, -1), x.type.shape)


onnx("Softmax")(lambda at: _along(at, "softmax"))
onnx("LogSoftmax")(lambda at: _along(at, "log_softmax"))


@onnx("Identity")
def _identity(at: Builder) -> Node:
    return at.any(0)


@onnx("Dropout")
def _dropout(at: Builder) -> Node:
    """A ratio does not matter where nothing is dropped."""
    at.attribute("ratio", 0.5)
    at.attribute("seed", 0)
    if at.model.opset < 7 and not at.attribute("is_test", 0):
        raise UnsupportedError("is_test=0; allowed: 1")
    if at.has(2) and (not at.is_known(2) or at.number(2, "training_mode")):
        raise UnsupportedError("dropout in training mode; export the model in evaluation mode")
    return at.input(0)


@onnx("Cast")
def _cast(at: Builder) -> Node:
    """Between floats, indices and conditions, where the value stays what it is."""
    x, to = at.any(0), at.attribute("to", 0)
    at.attribute("saturate", 1)
    at.attribute("round_mode", "up")
    floats, bools, integers = (1,), (9,), (6, 7)
    if (x.type.dtype == "float32" and to in floats) or (x.type.dtype == "int32" and to in integers):
        return x
    if x.type.dtype == "float32" and to in bools:
        return at.aten("logical_not", at.aten("logical_not", tensor(at, x)))
    raise UnsupportedError(f"a cast of {x.type.dtype} to type {to}; allowed: float32")


@onnx("CastLike")
def _cast_like(at: Builder) -> Node:
    """Of floats as floats."""
    at.attribute("saturate", 1)
    at.attribute("round_mode", "up")
    at.input(1)
    return at.input(0)
