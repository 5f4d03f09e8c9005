"""Windows of volumes [N,C,D,H,W], by the rows that ATen has for them."""

from __future__ import annotations

from trainlet.errors import UnsupportedError
from trainlet.frontends.importer import HIDDEN
from trainlet.frontends.onnx.builder import Builder
from trainlet.frontends.onnx.geometry import positive, sides
from trainlet.ir.graph import Node

RANK = 5


def convolution(
    at: Builder, x: Node, w: Node, b: Node | None, step: list[int], reach: list[int]
) -> Node:
    before, after = sides(at, x, list(w.type.shape[2:]), step, reach)
    x, pads = _bordered(at, x, before, after, 0.0)
    return at.aten("conv3d", x, w, b, step, pads, reach, at.attribute("group", 1))


def transposed_convolution(
    at: Builder, x: Node, w: Node, b: Node | None, step: list[int], reach: list[int]
) -> Node:
    """A convolution with the flipped weight of volumes between whose elements zeros stand."""
    kernel, groups = list(w.type.shape[2:]), at.attribute("group", 1)
    more = at.numbers("output_padding", [0] * 3) or []
    kind = at.attribute("auto_pad", "NOTSET")
    if at.numbers("output_shape") is not None or kind not in ("NOTSET", "VALID"):
        raise UnsupportedError(
            f"output_shape or auto_pad={kind!r} of a volume; allowed: pads and output_padding"
        )
    before, after = sides(at, x, kernel, step, reach)
    for axis, (k, s, d, low, high, m) in enumerate(
        zip(kernel, step, reach, before, after, more, strict=True), 2
    ):
        first, last = d * (k - 1) - low, d * (k - 1) - high + m
        if min(first, last) < 0:
            raise UnsupportedError(f"a border of {low} and {high}; allowed: at most {d * (k - 1)}")
        size = first + (x.type.shape[axis] - 1) * s + 1 + last
        x = at.build("pad_strided", x, axis=axis, start=first, size=size, step=s)
    inputs, own, *_ = w.type.shape
    each = at.reshape(w, (groups, inputs // groups, own, *kernel))
    moved = at.permute(each, 0, 2, 1, 3, 4, 5)
    turned = at.reshape(moved, (groups * own, inputs // groups, *kernel))
    flipped = at.aten("flip", turned, [2, 3, 4])
    return at.aten("conv3d", x, flipped, b, [1] * 3, [0] * 3, reach, groups)


def max_pool(at: Builder, x: Node) -> Node:
    """What stands behind an uneven border is never the largest."""
    kernel, step, reach, before, after = _window(at, x)
    x, pads = _bordered(at, x, before, after, float(HIDDEN))
    ceil = _rounded_up(at, before != after)
    return at.aten("max_pool3d", x, kernel, step, pads, reach, ceil)


def average_pool(at: Builder, x: Node, counted: bool = False) -> Node:
    """counted: whether the border counts, if no attribute says so"""
    kernel, step, reach, before, after = _window(at, x)
    counted = bool(at.attribute("count_include_pad", int(counted)))
    if reach != [1, 1, 1] or (before != after and not counted):
        raise UnsupportedError(
            f"dilations {reach}, a border of {before} and {after} with count_include_pad="
            f"{int(counted)}; allowed: dilations 1, a border that is the same on both sides"
        )
    x, pads = _bordered(at, x, before, after, 0.0)
    ceil = _rounded_up(at, before != after)
    return at.aten("avg_pool3d", x, kernel, step, pads, ceil, counted)


def _window(at: Builder, x: Node) -> tuple[list[int], ...]:
    kernel = positive(at, "kernel_shape", 3, [0, 0, 0])
    step, reach = positive(at, "strides", 3), positive(at, "dilations", 3)
    return kernel, step, reach, *sides(at, x, kernel, step, reach)


def _rounded_up(at: Builder, uneven: bool) -> bool:
    ceil = bool(at.attribute("ceil_mode", 0))
    if ceil and uneven:
        raise UnsupportedError("ceil_mode=1 with a border that differs between sides; allowed: 0")
    return ceil


def _bordered(
    at: Builder, x: Node, before: list[int], after: list[int], value: float
) -> tuple[Node, list[int]]:
    """x, and the border that its windows still need; one that differs between sides is joined."""
    if before == after:
        return x, before
    flat = [n for both in zip(before[::-1], after[::-1], strict=True) for n in both]
    return at.aten("constant_pad_nd", x, flat, value), [0, 0, 0]
