"""Broadcasting as literals of a C call: four loop sizes and, per operand, four strides.

Shapes align on the right, as in NumPy.  Neighbouring dimensions
are merged where every operand allows it, so most calls run one or two real loops.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate
from operator import mul

import numpy as np

from trainlet.errors import UnsupportedError

LOOPS = 4


def repeats_to(full: Sequence[int], *operands: Sequence[int]) -> bool:
    """Whether every operand's shape broadcasts to `full`."""
    try:
        return np.broadcast_shapes(tuple(full), *map(tuple, operands)) == tuple(full)
    except ValueError:
        return False


def strides(shape: Sequence[int], rank: int) -> list[int]:
    """Element strides of a dense tensor in a loop of `rank` dimensions; 0 where it broadcasts."""
    padded = [1] * (rank - len(shape)) + list(shape)
    dense = [1, *accumulate(reversed(padded[1:]), mul)][::-1]
    return [0 if n == 1 else step for n, step in zip(padded, dense, strict=True)]


def loop_literals(full: Sequence[int], *operands: Sequence[int]) -> tuple[int, ...]:
    """Sizes of the four loops over `full`, then four strides for each operand's shape.

    Raises UnsupportedError when the shapes cannot be walked by four loops.
    """
    full = tuple(full) or (1,)  # a scalar is one element
    walks = [list(full), *(strides(shape, len(full)) for shape in operands)]
    merged: list[list[int]] = []
    for size, *steps in zip(*walks, strict=True):
        if size == 1:
            continue
        if merged and all(a == size * b for a, b in zip(merged[-1][1:], steps, strict=True)):
            merged[-1] = [merged[-1][0] * size, *steps]
        else:
            merged.append([size, *steps])
    if len(merged) > LOOPS:
        raise UnsupportedError(
            f"broadcasting {', '.join(str(tuple(s)) for s in operands)} over {tuple(full)} needs "
            f"{len(merged)} loops, at most {LOOPS} are supported; reshape the tensors first"
        )
    padding = [[1, *[0] * len(operands)]] * (LOOPS - len(merged))
    return tuple(n for column in zip(*padding, *merged, strict=True) for n in column)
