"""Functions of each element: those of `ops/formula`, under the names of ATen."""

from __future__ import annotations

from math import log, pi

from trainlet.errors import UnsupportedError
from trainlet.frontends.aten.elementwise import scaled, tensor
from trainlet.frontends.aten.table import aten
from trainlet.frontends.importer import Importer, number
from trainlet.ir.graph import Node

for _name, _op in {
    "abs": "abs",
    "acos": "acos",
    "asin": "asin",
    "atan": "atan",
    "ceil": "ceil",
    "cos": "cos",
    "cosh": "cosh",
    "erf": "erf",
    "exp": "exp",
    "expm1": "expm1",
    "floor": "floor",
    "log": "log",
    "log1p": "log1p",
    "log_sigmoid": "log_sigmoid",
    "mish": "mish",
    "reciprocal": "reciprocal",
    "rsqrt": "rsqrt",
    "sgn": "sign",
    "sign": "sign",
    "sin": "sin",
    "sqrt": "sqrt",
    "sinh": "sinh",
    "square": "square",
    "tan": "tan",
    "trunc": "trunc",
}.items():
    aten(_name)(lambda at, x, op=_op: at.build(op, x))


@aten("log_sigmoid_forward")
def _log_sigmoid(at: Importer, x: Node) -> list[Node]:
    return [at.build("log_sigmoid", x)]


def _logarithm(base: float):
    return lambda at, x: scaled(at, at.build("log", x), 1 / log(base))


aten("log2")(_logarithm(2))
aten("log10")(_logarithm(10))


@aten("exp2")
def _exp2(at: Importer, x: Node) -> Node:
    return at.build("exp", scaled(at, x, log(2)))


@aten("deg2rad")
def _deg2rad(at: Importer, x: Node) -> Node:
    return scaled(at, x, pi / 180)


@aten("round")
def _round(at: Importer, x: Node, decimals: int = 0) -> Node:
    if decimals:
        raise UnsupportedError(f"decimals={decimals}; allowed: 0")
    return at.build("round", x)


@aten("elu")
def _elu(at: Importer, x: Node, alpha: float, scale: float = 1, rate: float = 1) -> Node:
    numbers = {"alpha": number(alpha, "alpha"), "scale": number(scale, "scale"),
               "rate": number(rate, "input_scale")}  # fmt: skip
    if numbers["alpha"] * numbers["scale"] < 0 or numbers["scale"] <= 0:
        raise UnsupportedError(
            f"alpha={alpha}, scale={scale}; allowed: alpha from 0, scale above 0"
        )
    return at.build("elu", x, **numbers)


@aten("selu")
def _selu(at: Importer, x: Node) -> Node:
    return _elu(at, x, 1.6732632423543772848170429916717, 1.0507009873554804934193349852946)


@aten("celu")
def _celu(at: Importer, x: Node, alpha: float) -> Node:
    return _elu(at, x, alpha, 1, 1 / number(alpha, "alpha"))


@aten("softplus")
def _softplus(at: Importer, x: Node, beta: float, threshold: float) -> Node:
    beta, threshold = number(beta, "beta"), number(threshold, "threshold")
    return at.build("softplus", x, beta=beta, threshold=threshold)


@aten("softshrink")
def _softshrink(at: Importer, x: Node, bound: float) -> Node:
    return at.build("soft_shrink", x, bound=number(bound, "lambd"))


@aten("hardshrink")
def _hardshrink(at: Importer, x: Node, bound: float) -> Node:
    if number(bound, "lambd") < 0:
        raise UnsupportedError(f"lambd={bound}; allowed: from 0")
    return at.build("hard_shrink", x, bound=float(bound))


@aten("threshold")
def _threshold(at: Importer, x: Node, bound: float, value: float) -> Node:
    bound, value = number(bound, "threshold"), number(value, "value")
    return at.build("threshold", x, bound=bound, value=value)


@aten("prelu", "_prelu_kernel")
def _prelu(at: Importer, x: Node, slope: Node) -> Node:
    """A slope for each channel, which is dimension 1, or one for all: as a vector, a loop over
    several operations has room for it."""
    if x.type.rank > 1 and slope.type.rank <= 1:
        channels = x.type.shape[1]
        if slope.type.size < channels:
            slope = at.build("broadcast_to", slope, shape=(channels,))
        slope = at.reshape(slope, (channels, *[1] * (x.type.rank - 2)))
    return at.build("prelu", x, slope)


@aten("pow")
def _pow(at: Importer, x: Node | float, exponent: Node | float) -> Node:
    if isinstance(x, Node) and not isinstance(exponent, Node):
        return power(at, x, number(exponent, "the exponent"))
    if isinstance(exponent, Node) and not isinstance(x, Node) and number(x, "the base") > 0:
        return at.build("exp", scaled(at, exponent, log(x)))
    return at.build("pow_to", tensor(at, x), tensor(at, exponent))


def power(at: Importer, x: Node, exponent: float) -> Node:
    """x ** exponent, by the shortest way that there is."""
    ways = {-1: "reciprocal", -0.5: "rsqrt", 0.5: "sqrt", 2: "square", 3: "cube"}
    if exponent in ways:
        return at.build(ways[exponent], x)
    if exponent in (4, 6, 8):
        return at.build("square", power(at, x, exponent / 2))
    if exponent in (-2, -3):
        return at.build("reciprocal", power(at, x, -exponent))
    return x if exponent == 1 else at.build("pow", x, exponent=exponent)


for _name, _op in {"maximum": "maximum", "minimum": "minimum", "fmax": "maximum",
                   "fmin": "minimum"}.items():  # fmt: skip
    aten(_name)(lambda at, a, b, op=_op: at.build(op, a, b))
