"""Strides, dilations and padding of sliding windows."""

from __future__ import annotations

from collections.abc import Sequence

from trainlet.errors import FileError, UnsupportedError
from trainlet.frontends.aten.windows import Pads, Pair
from trainlet.frontends.onnx.builder import Builder
from trainlet.frontends.onnx.file import one_of
from trainlet.ir.graph import Node

KINDS = ("NOTSET", "SAME_UPPER", "SAME_LOWER", "VALID")


def positive(at: Builder, name: str, count: int, default: list[int] | None = None) -> list[int]:
    """An attribute of one positive number for each dimension of the map."""
    found = at.numbers(name, default or [1] * count)
    if found is None or len(found) != count or min(found) < 1:
        raise FileError(f"its {name} is {found}; allowed: {count} positive numbers")
    return found


def pair(values: Sequence[int], missing: int = 1) -> Pair:
    """(height, width) of a map; of a sequence (missing, length)."""
    return (values[0], values[1]) if len(values) == 2 else (missing, values[0])


def border(at: Builder, x: Node, kernel: list[int], step: list[int], reach: list[int]) -> Pads:
    """(top, left, bottom, right)."""
    before, after = sides(at, x, kernel, step, reach)
    return (*pair(before, 0), *pair(after, 0))


def sides(
    at: Builder, x: Node, kernel: list[int], step: list[int], reach: list[int]
) -> tuple[list[int], list[int]]:
    """The border before and behind each dimension; what SAME cannot halve goes to the end, or to
    the beginning."""
    count = x.type.rank - 2
    kind = one_of(at.attribute("auto_pad", "NOTSET"), KINDS, "auto_pad")
    if kind == "NOTSET":
        found = at.numbers("pads", [0] * 2 * count) or []
        if len(found) != 2 * count or min(found) < 0:
            raise FileError(f"its pads are {found}; allowed: {2 * count} numbers from 0")
        return found[:count], found[count:]
    at.numbers("pads")
    spots = zip(x.type.shape[2:], kernel, step, reach, strict=True)
    total = [max((-(-n // s) - 1) * s + (k - 1) * d + 1 - n, 0) for n, k, s, d in spots]
    total = [0] * count if kind == "VALID" else total
    before = [(t + (kind == "SAME_LOWER")) // 2 for t in total]
    return before, [t - b for t, b in zip(total, before, strict=True)]


def check_rank(x: Node, ranks: Sequence[int] = (3, 4)) -> None:
    if x.type.rank not in ranks:
        raise UnsupportedError(f"its input is {x.type}; allowed: one of {ranks} dimensions")
