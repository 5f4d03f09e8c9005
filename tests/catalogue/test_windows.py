"""Convolutions and pools under random windows: `eval` against PyTorch, C against `eval`."""

from dataclasses import replace

import numpy as np
import pytest

from catalogue.cases import Case, evaluate, leaves
from catalogue.test_torch import check_against_torch
from trainlet.errors import ShapeError
from trainlet.ir.graph import topological
from trainlet.ir.types import TensorType
from trainlet.ops.op import OPS, Sample, leaf

WINDOWS = 60


def random_sample(op, rng):
    """A map of random size under a random window that fits it; a convolution's may lie beyond it,
    on nothing but padding."""
    kernel, stride, dilation = (tuple(int(n) for n in rng.integers(1, 4, 2)) for _ in range(3))
    beyond = 4 if op in ("conv2d", "depthwise") else 0
    padding = tuple(int(n) for n in rng.integers(0, [k + beyond for k in (*kernel, *kernel)]))
    size = (int(rng.integers(d * (k - 1) + 1, 9)) for k, d in zip(kernel, dilation, strict=True))
    groups, inputs, outputs = (int(n) for n in rng.integers(1, 4, 3))
    channels = inputs * groups
    x, bias = TensorType((2, *size, channels)), TensorType((outputs * groups,))
    attrs = {"stride": stride, "padding": padding, "dilation": dilation}
    match op:
        case "conv2d":
            weight = TensorType((outputs * groups, *kernel, inputs))
            return Sample((x, weight, bias), {**attrs, "groups": groups})
        case "depthwise":
            return Sample((x, TensorType((*kernel, channels))), attrs)
        case "max_pool":
            return Sample((x,), {**attrs, "kernel": kernel})
    counted = {"kernel": kernel, "count_padding": bool(rng.integers(2))}
    return Sample((x,), {"stride": stride, "padding": padding, **counted})


@pytest.mark.parametrize("op", ["conv2d", "depthwise", "max_pool", "avg_pool"])
def test_random_windows(op, library):
    rng, tested = np.random.default_rng(0), 0
    while tested < WINDOWS:
        case = Case(replace(OPS[op], samples=[random_sample(op, rng)]), 0)
        try:
            node = case.node()
        except ShapeError:
            assert op == "max_pool"  # a dilated window can step over the whole map
            continue
        tested += 1
        arrays = case.draw()
        check_against_torch(node, arrays)

        values = leaves(node, arrays, "float32")
        g = leaf("input", "g", node.type)
        values[g] = rng.standard_normal(node.type.shape, "float32")
        gradients = [rule() for rule in case.op.vjp(node, g) if rule]
        for n in topological([node, *gradients]):
            if not n.is_leaf:
                given = [evaluate(i, values) for i in n.inputs]
                expected = evaluate(n, values)
                np.testing.assert_allclose(library.run(n, given), expected, rtol=1e-5, atol=1e-5)
