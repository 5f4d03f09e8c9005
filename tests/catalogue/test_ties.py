"""Where an operator says that axes belong together, the same permutation of the slices along all of
them permutes its result, and changes nothing else."""

import numpy as np
import pytest

from catalogue.cases import CASES
from trainlet.ops.op import build, float32, leaf
from trainlet.ops.ties import reshaped
from trainlet.passes.permute import tied

TIED = [case for case in CASES if any(len(tie) > 1 for tie in tied(case.node()))]


@pytest.mark.parametrize("case", TIED, ids=str)
def test_a_permutation_passes(case):
    node, arrays, rng = case.node(), case.draw(), case.rng()
    plain = case.op.eval(*arrays, **node.attrs)
    for tie in tied(node):
        axes = dict(tie)
        (size,) = {n.type.shape[axis] for n, axis in tie}
        order = rng.permutation(size)
        moved = [
            a.take(order, axes[n]) if n in axes else a
            for n, a in zip(node.inputs, arrays, strict=True)
        ]
        expected = plain.take(order, axes[node]) if node in axes else plain
        found = case.op.eval(*moved, **node.attrs)
        np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(
    ("old", "new", "kept"),
    [
        ((2, 1, 1, 6), (2, 6), {(0, 0), (1, 3)}),
        ((2, 6), (2, 6, 1, 1), {(0, 0), (1, 1)}),
        ((2, 3, 4, 6), (2, 12, 6), {(0, 0), (2, 3)}),
        ((2, 3, 4), (2, 12), {(0, 0)}),
        ((4, 3), (3, 4), set()),
        ((2, 2, 2), (2, 4), {(0, 0)}),
    ],
)
def test_a_reshape_keeps_some_axes(old, new, kept):
    """(axis of the result, axis of the input)"""
    node = build("reshape", leaf("input", "x", float32(*old)), shape=new)
    assert {(axis, source) for (_, axis), (_, source) in reshaped(node)} == kept


def test_the_operators_of_a_network_are_tied():
    names = {case.op.name for case in TIED}
    assert {"conv2d", "conv2d_i8", "depthwise", "linear", "linear_i8", "relu", "add_i8"} <= names
    assert {"max_pool", "avg_pool_i8", "mean_i8", "sum_to", "permute", "resample"} <= names
    assert not names & {"softmax", "matmul", "gather"}
