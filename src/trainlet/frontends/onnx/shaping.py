"""Operators that reshape, join and cut."""

from __future__ import annotations

from math import prod

import numpy as np

from trainlet.errors import FileError, UnsupportedError
from trainlet.frontends.onnx.builder import Builder
from trainlet.frontends.onnx.table import onnx
from trainlet.ir.graph import Node
from trainlet.ops.op import require


def axis_of(x: Node, axis: int) -> int:
    """An axis from 0; raises FileError for one that is not there."""
    if not -x.type.rank <= axis < x.type.rank:
        raise FileError(f"axis {axis} of {x.type}")
    return axis % x.type.rank


@onnx("Flatten")
def _flatten(at: Builder) -> Node:
    x, axis = at.any(0), at.attribute("axis", 1)
    axis = axis if axis == x.type.rank else axis_of(x, axis)
    return at.reshape(x, (prod(x.type.shape[:axis]), prod(x.type.shape[axis:])))


@onnx("Reshape")
def _reshape(at: Builder) -> Node:
    """A 0 keeps the dimension that stands there."""
    x = at.any(0)
    shape = at.ints(1, "shape")
    if not at.attribute("allowzero", 0):
        require(len([n for n in shape[x.type.rank :] if n == 0]) == 0, f"shape {shape} of {x.type}")
        shape = [x.type.shape[k] if n == 0 else n for k, n in enumerate(shape)]
    known = prod(n for n in shape if n != -1)
    require(known > 0 and shape.count(-1) <= 1, f"shape {shape} of {x.type}")
    return at.reshape(x, [x.type.size // known if n == -1 else n for n in shape])


@onnx("Transpose")
def _transpose(at: Builder) -> Node:
    x = at.any(0)
    order = at.numbers("perm", list(range(x.type.rank))[::-1]) or []
    require(sorted(order) == list(range(x.type.rank)), f"perm {order} of {x.type}")
    return at.permute(x, *order) if order else x


@onnx("Squeeze")
def _squeeze(at: Builder) -> Node:
    x, axes = at.any(0), at.given("axes", 1)
    chosen = [axis_of(x, k) for k in axes] if axes else range(x.type.rank)
    require(not axes or all(x.type.shape[k] == 1 for k in chosen), f"axes {axes} of {x.type}")
    return at.reshape(x, [n for k, n in enumerate(x.type.shape) if not (k in chosen and n == 1)])


@onnx("Unsqueeze")
def _unsqueeze(at: Builder) -> Node:
    x, axes = at.any(0), at.given("axes", 1) or []
    rank = x.type.rank + len(axes)
    require(all(-rank <= k < rank for k in axes), f"axes {axes} of {x.type}")
    places = {k % rank for k in axes}
    rest = iter(x.type.shape)
    require(len(places) == len(axes), f"axes {axes}")
    return at.reshape(x, [1 if k in places else next(rest) for k in range(rank)])


@onnx("Concat")
def _concat(at: Builder) -> Node:
    parts = [at.input(k) for k in range(len(at.operator.inputs))]
    return at.aten("cat", parts, axis_of(parts[0], at.attribute("axis", 0)))


@onnx("Split")
def _split(at: Builder) -> list[Node]:
    """Sizes, or as many equal parts as there are results, of which the last may be smaller."""
    x, sizes = at.input(0), at.given("split", 1)
    axis, many = axis_of(x, at.attribute("axis", 0)), len(at.operator.outputs)
    total = x.type.shape[axis]
    if at.attribute("num_outputs", many) != many:
        raise FileError(f"its num_outputs is {at.attribute('num_outputs', many)} of {many}")
    if not sizes:
        part = -(-total // many)
        sizes = [min(part, total - k) for k in range(0, total, part)]
    require(sum(sizes) == total and min(sizes) > 0, f"parts {sizes[:8]} of {x.type}")
    return at.aten("split", x, sizes, axis)


@onnx("Slice")
def _slice(at: Builder) -> Node:
    """Starts and ends are attributes in older versions."""
    x = at.any(0)
    starts, ends = at.given("starts", 1) or [], at.given("ends", 2) or []
    axes = at.given("axes", 3) or list(range(len(starts)))
    steps = at.ints(4, "steps") if at.has(4) else [1] * len(starts)
    require(len({len(v) for v in (starts, ends, axes, steps)}) == 1, "slices of several lengths")
    for start, end, axis, step in zip(starts, ends, axes, steps, strict=True):
        axis = axis_of(x, axis)
        size = x.type.shape[axis]
        if step == 0:
            raise FileError("a slice in steps of 0")
        if step > 0:
            x = at.aten("slice", x, axis, start, end, step)
            continue
        chosen = np.arange(size)[slice(start, None if end < -size else end, step)]
        x = at.aten("index_select", x, axis, at.known_index(chosen))
    return x


@onnx("Expand")
def _expand(at: Builder) -> Node:
    x, shape = at.input(0), at.ints(1, "shape")
    require(all(n > 0 for n in shape), f"shape {shape[:8]}")
    return at.aten("expand", x, np.broadcast_shapes(x.type.shape, tuple(shape)))


@onnx("Tile")
def _tile(at: Builder) -> Node:
    return at.aten("repeat", at.input(0), at.ints(1, "repeats"))


MODES = {"reflect": "reflect", "edge": "edge", "wrap": "wrap"}
"""ONNX -> NumPy."""


@onnx("Pad")
def _pad(at: Builder) -> Node:
    """Pads and value are attributes in older versions."""
    x, mode = at.input(0), at.attribute("mode", "constant")
    given = at.given("pads", 1) or []
    axes = [axis_of(x, k) for k in at.ints(3, "axes")] if at.has(3) else list(range(x.type.rank))
    require(len(given) == 2 * len(axes), f"pads {given[:16]} of {x.type}")
    value = at.number(2, "value") if at.has(2) else at.attribute("value", 0.0)
    pairs = [(0, 0)] * x.type.rank
    for k, axis in enumerate(axes):
        pairs[axis] = given[k], given[k + len(axes)]
    if mode == "constant":
        flat = [n for both in reversed(pairs) for n in both]
        return at.aten("constant_pad_nd", x, flat, value)
    if mode not in MODES or any(n < 0 for both in pairs for n in both):
        raise UnsupportedError(
            f"mode {mode[:40]!r} with pads {given[:16]}; allowed: constant, and reflect, edge, "
            "wrap with pads from 0"
        )
    for axis, both in enumerate(pairs):
        if any(both):
            size = x.type.shape[axis]
            if max(both) > size - (mode == "reflect"):
                raise UnsupportedError(f"pads {both} of {size} slices in mode {mode}")
            index = np.pad(np.arange(size), both, MODES[mode])  # type: ignore[call-overload]
            x = at.aten("index_select", x, axis, at.known_index(index))
    return x


@onnx("Gather")
def _gather(at: Builder) -> Node:
    axis, shape = at.attribute("axis", 0), at.index_shape(1)
    x = at.input(0)
    axis = axis_of(x, axis)
    after = (*x.type.shape[:axis], *shape, *x.type.shape[axis + 1 :])
    if at.is_known(1):
        index = at.constant(1, "index").astype(np.int64).reshape(-1)
        size = x.type.shape[axis]
        require(bool(((-size <= index) & (index < size)).all()), f"an index out of {size} slices")
        y = at.aten("index_select", x, axis, at.known_index(index % size))
        return at.reshape(y, after)
    index_node, many = at.any(1), prod(shape)
    require(index_node.type.dtype == "int32", f"index {index_node.type}; allowed: integers")
    flat = at.reshape(index_node, (many,))
    y = at.build("gather", x, flat, axes=(axis,), many=(many,), copies=many)
    return at.reshape(y, after)


@onnx("GatherElements")
def _gather_elements(at: Builder) -> Node:
    x, axis = at.input(0), at.attribute("axis", 0)
    index = at.constant(1, "index").astype(np.int64)
    size = x.type.shape[axis_of(x, axis)]
    return at.aten("gather", x, axis_of(x, axis), at.known_index(index % size), False)


@onnx("DepthToSpace")
def _depth_to_space(at: Builder) -> Node:
    x, size, mode = at.input(0), at.attribute("blocksize", 1), at.attribute("mode", "DCR")
    n, c, h, w = _map(x)
    if mode == "CRD":
        return at.aten("pixel_shuffle", x, size)
    require(mode == "DCR" and size > 0 and c % size**2 == 0, f"mode {mode}, {size} of {x.type}")
    split = at.reshape(x, (n, size, size, c // size**2, h, w))
    return at.reshape(at.permute(split, 0, 3, 4, 1, 5, 2), (n, c // size**2, h * size, w * size))


@onnx("SpaceToDepth")
def _space_to_depth(at: Builder) -> Node:
    x, size = at.input(0), at.attribute("blocksize", 1)
    n, c, h, w = _map(x)
    require(size > 0 and h % size == w % size == 0, f"blocks of {size} of {x.type}")
    split = at.reshape(x, (n, c, h // size, size, w // size, size))
    return at.reshape(at.permute(split, 0, 3, 5, 1, 2, 4), (n, c * size**2, h // size, w // size))


def _map(x: Node) -> tuple[int, ...]:
    require(x.type.rank == 4, f"input {x.type}; allowed: four dimensions")
    return x.type.shape


@onnx("Trilu")
def _trilu(at: Builder) -> Node:
    k = int(at.number(1, "k")) if at.has(1) else 0
    return at.aten("triu" if at.attribute("upper", 1) else "tril", at.input(0), k)
