"""A fast kernel takes more Flash: one that does little is the reference kernel."""

import pytest

from int8.networks import roomy
from kernels.shadows import node
from trainlet.backends.kernels import WORTH, source
from trainlet.ir.types import TensorType


def linear(rows: int):
    x, w, b = (TensorType(shape, "float32") for shape in ((rows, 64), (16, 64), (16,)))
    return node("linear", x, w, b)


@pytest.mark.parametrize(("rows", "times", "fast"), [(1, 1, False), (1, 12, True), (12, 1, True)])
def test_what_does_little_is_small(rows, times, fast):
    text = source([linear(rows) for _ in range(times)], roomy("cortex-m7").kernels)
    assert (rows * times * 64 * 16 >= WORTH) == fast
    assert ("rows_by_rows" in text) == fast
