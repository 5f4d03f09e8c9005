"""Functions that are made of formulas: their error, their C, and what NaN and infinity become."""

import numpy as np
import pytest
import torch

from catalogue.cases import evaluate
from catalogue.torch_reference import FORMULAS as REFERENCE
from catalogue.ulps import check_error
from trainlet.backends.torch.table import LOWERINGS
from trainlet.ir.graph import Node
from trainlet.ir.types import TensorType
from trainlet.ops.formula.binary import BINARY
from trainlet.ops.formula.c import C, Term, function_text
from trainlet.ops.formula.record import FORMULAS
from trainlet.ops.formula.unary import UNARY
from trainlet.ops.op import OPS, build, leaf

EVERY = np.arange(0, 2**32, 40013, dtype=np.uint64).astype(np.uint32).view(np.float32)
"""A hundred thousand numbers of all signs and exponents, infinities and NaNs among them."""
DENSE = np.linspace(-9, 9, 200_001, dtype=np.float32)
UNIT = np.linspace(-1, 1, 200_001, dtype=np.float32)
TURNS = np.linspace(-8000, 8000, 200_001, dtype=np.float32)
ODD = np.array([np.nan, np.inf, -np.inf, 0, -0.0, 1e-45, -1e-40, 3e38, -3e38, 0.5, -0.5, 1.5, 2.5,
                -2.5, 8388607.5, 3, -3, 20, -20], "f4")  # fmt: skip

# name: (numbers, meaning in float64, largest error found in ulps, rounded up)
RELATIVE = {
    "exp": ([EVERY, DENSE], np.exp, 1.5),
    "expm1": ([EVERY, DENSE], np.expm1, 3),
    "log1p": ([EVERY, DENSE], np.log1p, 4),
    "atan": ([EVERY, DENSE], np.arctan, 3),
    "asin": ([EVERY, UNIT], np.arcsin, 2.5),
    "acos": ([EVERY, UNIT], np.arccos, 2),
    "floor": ([EVERY, DENSE], np.floor, 0),
    "round": ([EVERY, DENSE], np.round, 0),
    "trunc": ([EVERY, DENSE], np.trunc, 0),
}


def run(library, op, *arrays, **attrs):
    inputs = [leaf("input", "", TensorType(a.shape)) for a in arrays]
    node = build(op, *inputs, **attrs)
    with np.errstate(all="ignore"):
        expected = evaluate(node, dict(zip(inputs, arrays, strict=True)))
    return library.run(node, list(arrays)), expected, node


@pytest.mark.parametrize("name", RELATIVE)
def test_error_in_ulps(name, library):
    parts, meaning, allowed = RELATIVE[name]
    x = np.concatenate([*parts, ODD])
    found, _, _ = run(library, name, x)
    with np.errstate(all="ignore"):
        exact = meaning(x.astype(np.float64))
    check_error(found, exact, x, allowed)


@pytest.mark.parametrize("name", ["sin", "cos"])
def test_absolute_error_of_a_sine(name, library):
    """Of angles beyond 8,000 the remainder of a turn has fewer bits."""
    found, _, _ = run(library, name, np.concatenate([DENSE, TURNS]))
    exact = getattr(np, name)(np.concatenate([DENSE, TURNS]).astype(np.float64))
    np.testing.assert_allclose(found, exact, rtol=0, atol=1.5e-7)
    assert np.isnan(run(library, name, np.array([np.inf, -np.inf, np.nan], "f4"))[0]).all()


@pytest.mark.parametrize("name", UNARY)
def test_numbers_that_are_none(name, library):
    """The kernel gives what `eval` gives, and NaN goes through."""
    for attrs in UNARY[name].attrs:
        found, expected, node = run(library, name, ODD, **attrs)
        np.testing.assert_allclose(found, expected, rtol=2e-5, atol=1e-6)
        if attrs.get("exponent") != 0:
            assert np.isnan(found[0]), "NaN must go through"
        if UNARY[name].slope:
            g = leaf("input", "g", node.type)
            (rule,) = OPS[name].vjp(node, g)
            saved = found if UNARY[name].of_result else ODD
            slopes, wanted, _ = run(library, f"{name}_dx", ODD, saved, **rule().attrs)
            np.testing.assert_allclose(slopes, wanted, rtol=2e-5, atol=1e-6)


@pytest.mark.parametrize("name", [n for n in BINARY if n != "pow_to"])
def test_two_numbers_that_are_none(name, library):
    p, q = (np.ascontiguousarray(a.reshape(-1)) for a in np.meshgrid(ODD, ODD))
    found, expected, _ = run(library, name, p, q)
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("name", FORMULAS)
def test_the_simulation_has_the_bits_of_the_kernel(name, library):
    case = OPS[name].samples[0]
    rng = np.random.default_rng(3)
    arrays = [
        np.asarray(case.values[k](rng) if k in case.values else rng.standard_normal(t.shape), "f4")
        for k, t in enumerate(case.types)
    ]
    found, _, node = run(library, name, *arrays, **case.attrs)
    made = LOWERINGS[name](node, *(torch.from_numpy(a[None]) for a in arrays))[0].numpy()
    np.testing.assert_array_equal(made, found)


def test_gradients_where_torch_has_a_rule_of_its_own():
    """At kinks and ties: abs and sign at zero, halves of equal maxima, a clamp at its bound."""
    points = {
        "abs": [0.0], "elu": [0.0], "hard_shrink": [0.5, -0.5], "soft_shrink": [0.5, -0.5],
        "threshold": [0.5], "mish": [0.0], "square": [0.0],
    }  # fmt: skip
    for name, values in points.items():
        attrs, x = UNARY[name].attrs[0], np.array(values)
        node = Node(name, (leaf("input", "x", TensorType(x.shape)),), TensorType(x.shape), attrs)
        g = leaf("input", "g", node.type)
        (rule,) = OPS[name].vjp(node, g)
        slope = evaluate(rule(), {node.inputs[0]: x, g: np.ones_like(x)})
        t = torch.tensor(x, requires_grad=True)
        REFERENCE[name](t, **attrs).sum().backward()
        np.testing.assert_array_equal(slope, t.grad.numpy(), err_msg=name)
    for name in ("maximum", "minimum"):
        x = np.array([1.0, 2.0])
        node = build(name, *(leaf("input", k, TensorType((2,))) for k in "pq"))
        g = leaf("input", "g", node.type)
        known = {node.inputs[0]: x, node.inputs[1]: x, g: np.ones(2)}
        for rule in OPS[name].vjp(node, g):
            np.testing.assert_array_equal(evaluate(rule(), known), [0.5, 0.5])


def test_a_value_that_is_read_twice_is_a_variable():
    x = Term("x")
    y = C.exp(x)
    assert function_text("f", ["x"], y * y + C.where(x > 0, 1.0, y)) == (
        '#include "exp.h"\n'
        "#ifndef TRAINLET_F_F32\n"
        "#define TRAINLET_F_F32\n"
        "static inline float f_f32(float x) {\n"
        "  float v4 = exp_f32(x);\n"
        "  return ((v4 * v4) + ((x > 0.0f) ? 1.0f : v4));\n"
        "}\n"
        "#endif\n"
    )
