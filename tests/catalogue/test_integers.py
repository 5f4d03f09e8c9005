"""Gradients of integer ops: those of the float op on the real values, where nothing is clamped."""

import numpy as np
import pytest

from catalogue.cases import CASES, evaluate
from trainlet.ir.graph import Graph, topological
from trainlet.ir.types import Quant, TensorType
from trainlet.ops.conv import POINT
from trainlet.ops.objective import Loss, total_loss
from trainlet.ops.op import OPS, build, leaf
from trainlet.ops.quantized.cast import dequantized
from trainlet.ops.quantized.fixed_point import requantization
from trainlet.ops.quantized.types import affine, int8, weight
from trainlet.ops.verify import verify
from trainlet.ops.window import Geometry
from trainlet.passes.differentiate import differentiate
from trainlet.passes.freeze import fold_constants

PAIRS = ("conv2d_pair_i8", "linear_pair_i8")
SCALED = (
    *("conv2d_i8", "conv_transpose_i8", "depthwise_i8", "linear_i8", "linear_i8_f32"),
    *PAIRS,
)


def _window(n):
    return {k: n.attrs[k] for k in ("kernel", "stride", "padding")}


def _mean(n):
    (x,) = n.inputs
    kept = tuple(1 if k in n.attrs["axes"] else size for k, size in enumerate(x.type.shape))
    real = build("sum_to", float_leaf(x), shape=kept, factor=n.type.size / x.type.size)
    return build("reshape", real, shape=n.type.shape)


def _pad(n):
    x = float_leaf(n.inputs[0])
    for axis, (before, after) in enumerate(n.attrs["padding"]):
        x = build(
            "pad_strided", x, axis=axis, start=before, size=before + x.type.shape[axis] + after
        )
    return x


def _identity(n):
    return build("scale", float_leaf(n.inputs[0]), factor=1.0)


def _twin(n):
    name, _, _ = n.op.partition("_i8")
    attrs = {} if name == "linear" else Geometry.of(n).attrs
    attrs |= {"size": n.attrs["size"]} if "size" in n.attrs else {}
    return build(name, *map(float_leaf, n.inputs[:3]), **attrs)


def _pair(n):
    x, w, b, _, h, v = map(float_leaf, n.inputs)
    attrs = {} if n.op == "linear_pair_i8" else POINT
    layer = n.op.removesuffix("_pair_i8")
    return build("add", build(layer, x, w, b, **attrs), build(layer, h, v, **attrs))


def _gather(n):
    return build("gather", float_leaf(n.inputs[0]), n.inputs[1], **n.attrs)


def _resample(n):
    x, rows, down, columns, across = n.inputs
    wide = build("resample", float_leaf(x), rows, down, axis=1, taps=2)
    return build("resample", wide, columns, across, axis=2, taps=2)


def _same(n):
    return build(n.op.removesuffix("_i8"), *map(float_leaf, n.inputs), **n.attrs)


REAL = {
    "add_i8": lambda n: build("add", *map(float_leaf, n.inputs)),
    "avg_pool_i8": lambda n: build(
        "avg_pool", float_leaf(n.inputs[0]), count_padding=False, **_window(n)
    ),
    "concat_i8": _same,
    "conv2d_i8": _twin,
    "conv2d_pair_i8": _pair,
    "conv_transpose_i8": _twin,
    "depthwise_i8": _twin,
    "dequantize": _identity,
    "gather_i8": _gather,
    "leaky_relu_i8": lambda n: build("leaky_relu", float_leaf(n.inputs[0]), slope=n.attrs["slope"]),
    "linear_i8": _twin,
    "linear_i8_f32": _twin,
    "linear_pair_i8": _pair,
    "lookup_i8": lambda n: build(
        n.attrs["function"], float_leaf(n.inputs[0]), **dict(n.attrs["parameters"])
    ),
    "max_pool_i8": lambda n: build(
        "max_pool", float_leaf(n.inputs[0]), dilation=(1, 1), **_window(n)
    ),
    "mean_i8": _mean,
    "mul_i8": lambda n: build("mul", *map(float_leaf, n.inputs)),
    "pad_i8": _pad,
    "permute_i8": _same,
    "quantize": _identity,
    "requantize_i8": _identity,
    "resample_i8": _resample,
    "slice_i8": _same,
    "sub_i8": lambda n: build("sub", *map(float_leaf, n.inputs)),
}
"""The same on real values, as float ops on leaves named after the inputs."""


def float_leaf(n):
    return leaf("input", n.name, TensorType(n.type.shape))


def real(n, k, array, x_scale):
    """The real value of input k."""
    if array.dtype == np.float32:
        return array.astype(np.float64)
    if n.op in SCALED and k in (1, 2, 5):  # weight, bias, weight beside it
        quant = n.inputs[5 if k == 5 else 1].type.quant
        along = [1] * array.ndim
        along[0 if k == 2 else quant.axis] = -1
        return array * (np.array(quant.scale) * (x_scale if k == 2 else 1)).reshape(along)
    scale, zero = affine(n.inputs[k])
    return (array.astype(np.float64) - zero) * scale


def chain(root, seed):
    """Gradients of the leaves of a chain of one-argument nodes, by the float ops' own rules."""
    rules = OPS[root.op].vjp(root, seed)
    found = {}
    for i, rule in zip(root.inputs, rules, strict=True):
        if rule is None:
            continue
        if i.is_leaf:
            found[i.name] = rule()
        else:
            found |= chain(i, rule())
    return found


def leaf_of(node, name):
    return next(n for n in topological([node]) if n.name == name)


ROUNDING = [
    case
    for case in CASES
    if case.op.vjp
    and case.rounds
    and not case.op.name.endswith(("_i16", "_i16_i8"))
    and case.op.name != "less_zero_point"
]
"""What an LSTM of integers is made of has its own test, beside LiteRT's bits."""


def test_every_integer_op_has_a_real_one():
    assert {case.op.name for case in ROUNDING} == set(REAL)


@pytest.mark.parametrize("case", ROUNDING, ids=str)
def test_vjp_is_that_of_the_real_function(case):
    node, arrays, rng = case.node(), case.draw(), case.rng()
    g = leaf("input", "g", TensorType(node.type.shape))
    values = dict(zip(node.inputs, arrays, strict=True))
    y, upstream = evaluate(node, values), rng.standard_normal(node.type.shape)
    low, high = node.attrs.get("low", -1000), node.attrs.get("high", 1000)
    inside = np.where((y > low) & (y < high), upstream, 0)

    float_node = REAL[node.op](node)
    expected = chain(float_node, g)
    x_scale = node.attrs["source"][0] if node.op in SCALED else 1
    floats = {**values, g: inside}
    for k, (n, a) in enumerate(zip(node.inputs, arrays, strict=True)):
        if n.name in expected:
            floats[leaf_of(float_node, n.name)] = real(node, k, a, x_scale)

    rules = case.op.vjp(node, g)
    assert [rule is not None for rule in rules] == [n.name in expected for n in node.inputs]
    for n, rule in zip(node.inputs, rules, strict=True):
        if rule is None:
            continue
        gradient = rule()
        assert gradient.type == TensorType(n.type.shape)
        found = evaluate(gradient, {**values, g: upstream})
        wanted = evaluate(expected[n.name], floats)
        np.testing.assert_allclose(found, wanted, rtol=1e-6, atol=1e-6 * np.abs(wanted).max())


def layer(x, name, outputs, scale):
    """A linear_i8 with random parameters, and their values."""
    rng = np.random.default_rng(5)
    inputs, (s_x, _) = x.type.shape[-1], affine(x)
    kind = weight(outputs, inputs)
    scales = np.array(kind.quant.scale)
    bias = TensorType((outputs,), "int32", Quant(tuple(scales * s_x), (0,) * outputs, 0))
    q = leaf("const", f"{name}.q", TensorType((2, outputs), "int32"))
    w, b = leaf("param", f"{name}.weight", kind), leaf("param", f"{name}.bias", bias)
    attrs = {"scale": scale, "zero_point": 3, "low": -128, "high": 127}
    values = {
        w.name: rng.integers(-127, 128, kind.shape).astype(np.int8),
        b.name: rng.integers(-500, 500, outputs).astype(np.int32),
        q.name: requantization(s_x, scales, scale),
    }
    return build("linear_i8", x, w, b, q, source=affine(x), **attrs), values


def gradients(y, values):
    """The graph of a mean squared error of the real values of y and its gradients."""
    outputs = {"logits": dequantized(y), "y": y}
    loss = total_loss([Loss("mse")], {"logits": outputs["logits"]}, {})
    return verify(fold_constants(differentiate(Graph({**outputs, "loss": loss}, values))))


def run(graph, **inputs):
    known = {n: inputs.get(n.name, graph.values.get(n.name)) for n in graph.leaves()}
    return {name: evaluate(n, known) for name, n in graph.outputs.items()}


def test_zero_point_of_the_input_is_subtracted():
    """An input that is nothing but zero points is zero: no weight moves."""
    y, values = layer(leaf("input", "x", int8(3, 6, scale=0.25, zero_point=-128)), "l", 4, 0.5)
    x = np.full((3, 6), -128, np.int8)
    out = run(gradients(y, values), x=x, target=np.ones((3, 4), np.float32))
    assert not out["grad.l.weight"].any() and out["grad.l.bias"].any()


def test_residual_gradients_add_up():
    """y + y with a rounding of its own: twice the gradient of y."""
    x = leaf("input", "x", int8(3, 6, scale=0.25, zero_point=-20))
    y, values = layer(x, "l", 4, 0.5)
    once, twice = affine(y), (1.0, 7)
    attrs = {"scale": twice[0], "zero_point": twice[1], "low": -128, "high": 127}
    total = build("add_i8", y, y, sources=(once, once), **attrs)
    rng = np.random.default_rng(1)
    given = {
        "x": rng.integers(-128, 128, (3, 6)).astype(np.int8),
        "target": rng.standard_normal((3, 4)).astype(np.float32),
    }
    out = run(gradients(total, values), **given)
    inner = run(Graph({"y": y}, values), **given)["y"]
    inside = (abs(out["y"] + 0.5) < 127.5) & (abs(inner + 0.5) < 127.5)
    g = np.where(inside, 2 * (out["logits"] - given["target"]) / 12, 0)
    expected = 2 * g.T @ ((given["x"].astype(float) + 20) * 0.25)
    np.testing.assert_allclose(out["grad.l.weight"], expected, rtol=1e-5)
    np.testing.assert_allclose(out["grad.l.bias"], 2 * g.sum(0), rtol=1e-5)


def test_a_gradient_that_reaches_nobody_is_not_built():
    y, values = layer(leaf("input", "x", int8(3, 6)), "l", 4, 0.5)
    ops = {n.op for n in gradients(y, values).nodes()}
    assert "linear_i8_dw" in ops and not ops & {"linear_i8_dx", "channel_scale"}
