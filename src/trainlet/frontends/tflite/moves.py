"""TensorFlow Lite's operators that copy elements to other places.

NumPy tells from where: what an operator makes of the numbers 0, 1, 2, .. in the shape of its input.
"""

from __future__ import annotations

from functools import reduce
from typing import Any

import numpy as np

from trainlet.errors import FileError, UnsupportedError
from trainlet.frontends.aten.moves import gather, gathered
from trainlet.frontends.tflite.builder import Builder
from trainlet.frontends.tflite.file import Operator
from trainlet.ir.graph import Node
from trainlet.ops.op import require


class Mover:
    """What `gathered` needs of an import in progress: nodes that move floats or int8 alike."""

    def __init__(self, at: Builder) -> None:
        self.at, self.label = at, at.label

    def build(self, op: str, x: Node, *rest: Node, **attrs: Any) -> Node:
        moves_bytes = x.type.dtype == "int8" and op != "reshape"
        return self.at.build(f"{op}_i8" if moves_bytes else op, x, *rest, **attrs)

    def reshape(self, x: Node, shape: Any) -> Node:
        shape = tuple(shape)
        return x if shape == x.type.shape else self.build("reshape", x, shape=shape)

    def permute(self, x: Node, *permutation: int) -> Node:
        return self.build("permute", x, permutation=permutation)

    def index(self, array: np.ndarray, name: str) -> Node:
        return self.at.made("index", np.asarray(array, np.int32))


def _numbers(x: Node) -> np.ndarray:
    return np.arange(x.type.size).reshape(x.type.shape)


def _moved(at: Builder, x: Node, sources: np.ndarray) -> Node:
    mover: Any = Mover(at)
    return mover.reshape(gathered(mover, x, sources), sources.shape)


def _axis(at: Builder, axis: int, x: Node) -> int:
    require(-x.type.rank <= axis < x.type.rank, f"axis {axis} of {x.type}")
    return axis % x.type.rank


def _ints(at: Builder, position: int, what: str) -> list[int]:
    return [int(k) for k in at.constant(position, what).reshape(-1)]


def _strided_slice(at: Builder, operator: Operator) -> Node:
    options, x = operator.options("StridedSliceOptions"), at.input(0)
    at.named("slice")
    if options.EllipsisMask() or options.NewAxisMask():
        raise UnsupportedError("an ellipsis or a new axis in a slice; allowed: none")
    parts = zip(*(_ints(at, k, what) for k, what in ((1, "begin"), (2, "end"), (3, "strides"))),
                strict=True)  # fmt: skip
    chosen: list[slice | int] = []
    for k, (begin, end, step) in enumerate(parts):
        if options.ShrinkAxisMask() >> k & 1:
            chosen.append(begin)
        else:
            first = None if options.BeginMask() >> k & 1 else begin
            last = None if options.EndMask() >> k & 1 else begin + end if options.Offset() else end
            chosen.append(slice(first, last, step))
    return _moved(at, x, _numbers(x)[tuple(chosen)])


def _slice(at: Builder, operator: Operator) -> Node:
    x = at.input(0)
    at.named("slice")
    begin, size = _ints(at, 1, "begin"), _ints(at, 2, "size")
    ends = [None if n == -1 else first + n for first, n in zip(begin, size, strict=True)]
    return _moved(at, x, _numbers(x)[tuple(map(slice, begin, ends))])


def _gather(at: Builder, operator: Operator) -> Node:
    options, x = operator.options("GatherOptions"), at.input(0)
    at.named("gather")
    if options.BatchDims():
        raise UnsupportedError(f"batch_dims={options.BatchDims()}; allowed: 0")
    axis, index = _axis(at, options.Axis(), x), at.required(1, "index")
    if index.data is not None:
        return _moved(at, x, _numbers(x).take(index.data.astype(np.int64), axis))
    mover, many = Mover(at), int(np.prod(index.shape))
    flat = mover.reshape(at.node(index.index), (many,))
    attrs = {"axes": (axis,), "many": (many,), "copies": many}
    return mover.reshape(mover.build("gather", x, flat, **attrs), at.output().shape)


def _embedding(at: Builder, operator: Operator) -> Node:
    """The index comes first, and then the table."""
    index, x = at.required(0, "index"), at.input(1)
    at.named("gather")
    mover, many = Mover(at), int(np.prod(index.shape))
    attrs = {"axes": (0,), "many": (many,), "copies": many}
    flat = mover.reshape(at.node(index.index), (many,))
    return mover.reshape(mover.build("gather", x, flat, **attrs), at.output().shape)


def _reverse(at: Builder, operator: Operator) -> Node:
    x = at.input(0)
    at.named("reverse")
    axes = tuple(_axis(at, k, x) for k in _ints(at, 1, "axes"))
    return _moved(at, x, np.flip(_numbers(x), axes))


def _tile(at: Builder, operator: Operator) -> Node:
    """The file declares the shape of every result."""
    x = at.input(0)
    at.named("tile")
    shape = at.output().shape
    require(len(shape) == x.type.rank, f"a result of shape {shape} from {x.type}")
    many = [m // n for m, n in zip(shape, x.type.shape, strict=True)]
    return _moved(at, x, np.tile(_numbers(x), many))


def _broadcast(at: Builder, operator: Operator) -> Node:
    x = at.input(0)
    at.named("broadcast")
    return _moved(at, x, np.broadcast_to(_numbers(x), at.output().shape))


def _mirror_pad(at: Builder, operator: Operator) -> Node:
    x, mode = at.input(0), operator.options("MirrorPadOptions").Mode()
    at.named("pad")
    padding = at.constant(1, "padding").astype(int)
    kind = {0: "reflect", 1: "symmetric"}.get(mode)
    if kind is None:
        raise UnsupportedError(f"mode {mode}; allowed: REFLECT, SYMMETRIC")
    limit = np.array(x.type.shape)[:, None] - (mode == 0)
    require(
        padding.shape == (x.type.rank, 2) and bool(((padding >= 0) & (padding <= limit)).all()),
        f"padding of shape {padding.shape} for {x.type}",
    )
    return _moved(at, x, np.pad(_numbers(x), padding, kind))  # type: ignore[call-overload]


def _nearest(at: Builder, operator: Operator) -> Node:
    options, x = operator.options("ResizeNearestNeighborOptions"), at.input(0)
    at.named("resize")
    require(x.type.rank == 4, f"input {x.type} must have four dimensions")
    corners, half = bool(options.AlignCorners()), bool(options.HalfPixelCenters())
    slices = []
    for before, after in zip(x.type.shape[1:3], at.output().shape[1:3], strict=True):
        ends = corners and after > 1
        scale = np.float32(before - ends) / np.float32(after - ends)
        places = (np.arange(after, dtype=np.float32) + np.float32(0.5 * half)) * scale
        whole = np.floor(places + np.float32(0.5)) if corners else np.floor(places)
        slices.append(np.minimum(whole, before - 1).astype(int))
    mover: Any = Mover(at)
    return gather(mover, x, (1, 2), slices)


def _blocks(at: Builder, operator: Operator) -> Node:
    """DEPTH_TO_SPACE and SPACE_TO_DEPTH of maps [N,H,W,C]."""
    grows = operator.name == "DEPTH_TO_SPACE"
    options = operator.options("DepthToSpaceOptions" if grows else "SpaceToDepthOptions")
    x, b = at.input(0), options.BlockSize()
    at.named("blocks")
    require(x.type.rank == 4 and b > 0, f"blocks of {b} of {x.type}")
    mover, (n, h, w, c) = Mover(at), x.type.shape
    if grows:
        split = mover.reshape(x, (n, h, w, b, b, c // b // b))
        return mover.reshape(mover.permute(split, 0, 1, 3, 2, 4, 5), at.output().shape)
    split = mover.reshape(x, (n, h // b, b, w // b, b, c))
    return mover.reshape(mover.permute(split, 0, 1, 3, 2, 4, 5), at.output().shape)


def _pack(at: Builder, operator: Operator) -> Node:
    parts = [at.input(k) for k in range(len(operator.inputs))]
    at.named("pack")
    require(bool(parts), "nothing to join")
    shape, rank = parts[0].type.shape, parts[0].type.rank + 1
    axis = operator.options("PackOptions").Axis()
    require(-rank <= axis < rank, f"axis {axis} of {rank} dimensions")
    axis, mover = axis % rank, Mover(at)
    single = [mover.reshape(p, (*shape[:axis], 1, *shape[axis:])) for p in parts]
    return reduce(lambda a, b: mover.build("concat", a, b, axis=axis), single)


def _unpack(at: Builder, operator: Operator) -> list[Node]:
    options, x = operator.options("UnpackOptions"), at.input(0)
    at.named("unpack")
    axis = _axis(at, options.Axis(), x)
    return [_moved(at, x, _numbers(x).take(k, axis)) for k in range(x.type.shape[axis])]


def _split(at: Builder, operator: Operator) -> list[Node]:
    """SPLIT has its axis first; SPLIT_V has it last, behind the sizes of the parts."""
    several = operator.name == "SPLIT_V"
    x = at.input(0 if several else 1)
    at.named("split")
    axis = _axis(at, _ints(at, 2 if several else 0, "axis")[0], x)
    sizes = [at.model.tensor(k).shape[axis] for k in operator.outputs]
    if sum(sizes) != x.type.shape[axis]:
        raise FileError(f"parts of {sizes} of axis {axis} of {x.type}")
    cuts = np.split(_numbers(x), np.cumsum(sizes)[:-1], axis)
    return [_moved(at, x, part) for part in cuts]


MOVES = {
    "BROADCAST_TO": _broadcast,
    "DEPTH_TO_SPACE": _blocks,
    "EMBEDDING_LOOKUP": _embedding,
    "GATHER": _gather,
    "MIRROR_PAD": _mirror_pad,
    "PACK": _pack,
    "RESIZE_NEAREST_NEIGHBOR": _nearest,
    "REVERSE_V2": _reverse,
    "SLICE": _slice,
    "SPACE_TO_DEPTH": _blocks,
    "SPLIT": _split,
    "SPLIT_V": _split,
    "STRIDED_SLICE": _strided_slice,
    "TILE": _tile,
    "UNPACK": _unpack,
}
