"""A share of a weight's input channels is a whole number of them."""

import pytest

from trainlet.ops.op import kept


@pytest.mark.parametrize(
    ("channels", "ratio", "learn"),
    [(8, 1.0, 8), (5, 0.5, 3), (7, 0.5, 4), (10, 0.25, 3), (10, 0.24, 2), (3, 0.1, 1)],
)
def test_a_share_is_rounded_to_the_nearest_and_never_to_none(channels, ratio, learn):
    assert kept(channels, ratio) == learn
