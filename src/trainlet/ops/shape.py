"""Operators that move elements: reshape (without code), permute, slice, pad, concat."""

from __future__ import annotations

from collections.abc import Iterable
from math import prod

import numpy as np

from trainlet.ir.graph import Node
from trainlet.ir.types import TensorType
from trainlet.ops.broadcast import LOOPS
from trainlet.ops.layout import (
    ALONG_AXIS,
    ALONG_AXIS_OF_BOTH,
    ELEMENTWISE,
    PERMUTES,
    Permutation,
    inverse,
)
from trainlet.ops.op import (
    OPS,
    Literal,
    Op,
    Sample,
    Thunk,
    build,
    float32,
    register,
    require,
    typed,
)
from trainlet.ops.row_access import channel_rows
from trainlet.ops.ties import RESULT, Tie, elementwise, permuted, reshaped

Shape = tuple[int, ...]


def _infer_reshape(x: TensorType, shape: tuple[int, ...]) -> TensorType:
    require(prod(shape) == x.size, f"{x} cannot be reshaped to {shape}")
    return x.with_shape(shape)


def _apart(n: Node) -> Iterable[Tie]:
    """`ties` of an op that joins or leaves out slices along an axis."""
    axis = n.attrs["axis"] % n.type.rank
    return (tie for tie in elementwise(n) if tie[0] != (RESULT, axis))


def _vjp_reshape(n: Node, g: Node) -> list[Thunk | None]:
    return [lambda: build("reshape", g, shape=n.inputs[0].type.shape)]


RESHAPE = register(
    Op(
        "reshape",
        ties=reshaped,
        infer=_infer_reshape,
        eval=lambda x, shape: x.reshape(shape),
        vjp=_vjp_reshape,
        vjp_bfp=_vjp_reshape,
        alias=True,
        window=lambda n: 0,
        samples=[Sample((float32(2, 6),), {"shape": (3, 4)})],
    )
)


register(
    Op(
        "detach",
        infer=lambda x: x,
        eval=lambda x: x,
        lowered=True,
        layout=ELEMENTWISE,
        detaches=True,
        samples=[
            Sample((float32(3, 4),)),
            Sample(
                (typed("int8", 3, 4),),
                values={0: lambda rng: rng.integers(-128, 128, (3, 4)).astype(np.int8)},
            ),
        ],
    )
)


def _infer_permute(x: TensorType, permutation: tuple[int, ...]) -> TensorType:
    require(sorted(permutation) == list(range(x.rank)), f"{permutation} does not permute {x}")
    return x.with_shape(tuple(x.shape[k] for k in permutation))


def _merged(shape: Shape, permutation: Permutation) -> list[list[int]]:
    """(size, stride in the input) of each loop over the result; neighbours are merged."""
    merged: list[list[int]] = []
    for k in permutation:
        stride = prod(shape[k + 1 :])
        if shape[k] == 1:
            continue
        if merged and merged[-1][1] == stride * shape[k]:
            merged[-1] = [merged[-1][0] * shape[k], stride]
        else:
            merged.append([shape[k], stride])
    return merged


def _call_permute(n: Node) -> tuple[Literal, ...]:
    """Four loops over the result and the input's stride in each."""
    permutation, shape = n.attrs["permutation"], n.inputs[0].type.shape
    merged = _merged(shape, permutation)
    require(len(merged) <= LOOPS, f"permutation {permutation} of {shape} needs over {LOOPS} loops")
    padded = [[1, 0]] * (LOOPS - len(merged)) + merged
    return *(size for size, _ in padded), *(stride for _, stride in padded)


def permutations_in_loops(shape: Shape, permutation: Permutation) -> list[Permutation]:
    """Permutations that, one after the other, are this one, each in as few loops as the kernel has.

    Where it has too many, its last dimensions are moved to the end one by one.
    """
    made: list[Permutation] = []
    for tail in range(len(shape) - 1, 0, -1):
        if len(_merged(shape, permutation)) <= LOOPS:
            break
        last = permutation[tail]
        others = [k for k in range(tail + 1) if k != last]
        move = (*others, last, *range(tail + 1, len(shape)))
        shape = tuple(shape[k] for k in move)
        permutation = tuple(move.index(k) for k in permutation)
        made.append(move)
    return [*made, permutation]


PERMUTE = register(
    Op(
        "permute",
        ties=permuted,
        infer=_infer_permute,
        eval=lambda x, permutation: np.transpose(x, permutation),
        vjp=lambda n, g: [
            lambda: build("permute", g, permutation=inverse(n.attrs["permutation"]), label=n.name)
        ],
        call=_call_permute,
        layout=PERMUTES,
        samples=[
            Sample((float32(2, 3, 4),), {"permutation": (2, 0, 1)}),
            Sample((float32(2, 3, 4, 5),), {"permutation": (0, 2, 3, 1)}),
            Sample((float32(2, 3, 4, 5),), {"permutation": (3, 2, 1, 0)}),
            Sample((float32(2, 1, 3, 2, 1, 5, 2),), {"permutation": (5, 6, 1, 2, 4, 3, 0)}),
        ],
    )
)


def source_of(n: Node) -> Node:
    """What n is in another shape or order of dimensions."""
    while not n.is_leaf:
        op = OPS[n.op]
        if not (op.alias or (op.layout and op.layout.permutes)):
            break
        n = n.inputs[0]
    return n


def _chunk(t: TensorType, axis: int) -> tuple[int, int]:
    """(number of outer rows, elements of a row) when `axis` is the row's first dimension."""
    axis %= t.rank
    return prod(t.shape[:axis]), prod(t.shape[axis:])


def _infer_slice(x: TensorType, axis: int, start: int, stop: int, step: int = 1) -> TensorType:
    require(
        -x.rank <= axis < x.rank and 0 <= start < stop <= x.shape[axis] and step > 0,
        f"slice [{start}:{stop}:{step}] leaves axis {axis} of {x}",
    )
    shape = list(x.shape)
    shape[axis] = -(-(stop - start) // step)
    return x.with_shape(tuple(shape))


def _window(rank: int, axis: int, *bounds: int) -> tuple[slice, ...]:
    window = [slice(None)] * rank
    window[axis] = slice(*bounds)
    return tuple(window)


def _vjp_slice(n: Node, g: Node) -> list[Thunk | None]:
    size = n.inputs[0].type.shape[n.attrs["axis"]]
    attrs = {"axis": n.attrs["axis"], "start": n.attrs["start"], "step": n.attrs.get("step", 1)}
    return [lambda: build("pad_strided", g, size=size, label=n.name, **attrs)]


def _slice_literals(whole: TensorType, part: TensorType, n: Node) -> tuple[Literal, ...]:
    """Rows, elements of a whole row, first element, picks, step, elements picked at once."""
    axis, start, step = n.attrs["axis"] % whole.rank, n.attrs["start"], n.attrs.get("step", 1)
    rows, row = _chunk(whole, axis)
    inner = prod(whole.shape[axis + 1 :])
    if step == 1:
        return rows, row, start * inner, 1, row, part.shape[axis] * inner
    return rows, row, start * inner, part.shape[axis], step * inner, inner


def _window_of_slice(n: Node) -> int | None:
    """The first element, if what is picked lies side by side."""
    rows, _, start, picks, _, _ = _slice_literals(n.inputs[0].type, n.type, n)
    return int(start) if rows == picks == 1 else None


register(
    Op(
        "slice",
        ties=_apart,
        window=_window_of_slice,
        rows=channel_rows,
        infer=_infer_slice,
        eval=lambda x, axis, start, stop, step=1: x[_window(x.ndim, axis, start, stop, step)],
        vjp=_vjp_slice,
        call=lambda n: _slice_literals(n.inputs[0].type, n.type, n),
        layout=ALONG_AXIS,
        samples=[
            Sample((float32(3, 6),), {"axis": 1, "start": 2, "stop": 5}),
            Sample((float32(3, 6, 2),), {"axis": 0, "start": 1, "stop": 3}),
            Sample((float32(3, 7, 2),), {"axis": 1, "start": 1, "stop": 7, "step": 2}),
            Sample((float32(3, 2, 5),), {"axis": -1, "start": 0, "stop": 4, "step": 3}),
        ],
    )
)


def _infer_pad_strided(
    g: TensorType, axis: int, start: int, size: int, step: int = 1
) -> TensorType:
    shape = list(g.shape)
    last = start + (shape[axis] - 1) * step
    require(0 <= start and last < size, f"{g} from {start} by {step} does not fit {size}")
    shape[axis] = size
    return g.with_shape(tuple(shape))


def _eval_pad_strided(g: np.ndarray, axis: int, start: int, size: int, step: int = 1) -> np.ndarray:
    shape = list(g.shape)
    shape[axis] = size
    x = np.zeros(shape, g.dtype)
    x[_window(g.ndim, axis, start, start + (g.shape[axis] - 1) * step + 1, step)] = g
    return x


def _vjp_pad_strided(n: Node, g: Node) -> list[Thunk | None]:
    axis, start, step = n.attrs["axis"], n.attrs["start"], n.attrs.get("step", 1)
    stop = start + (n.inputs[0].type.shape[axis] - 1) * step + 1
    return [lambda: build("slice", g, axis=axis, start=start, stop=stop, step=step, label=n.name)]


register(
    Op(
        "pad_strided",
        ties=_apart,
        infer=_infer_pad_strided,
        eval=_eval_pad_strided,
        vjp=_vjp_pad_strided,
        call=lambda n: _slice_literals(n.type, n.inputs[0].type, n),
        layout=ALONG_AXIS,
        samples=[
            Sample((float32(3, 2),), {"axis": 1, "start": 2, "size": 6}),
            Sample((float32(3, 3, 2),), {"axis": 1, "start": 1, "size": 7, "step": 2}),
            Sample((float32(3, 2, 3),), {"axis": -1, "start": 0, "size": 4}),
        ],
    )
)


def _infer_concat(a: TensorType, b: TensorType, axis: int) -> TensorType:
    axis %= a.rank
    sides = [t.shape[:axis] + t.shape[axis + 1 :] for t in (a, b)]
    require(a.rank == b.rank and sides[0] == sides[1], f"{a} and {b} differ beside axis {axis}")
    joined = a.shape[axis] + b.shape[axis]
    return a.with_shape((*a.shape[:axis], joined, *a.shape[axis + 1 :]))


def _vjp_concat(n: Node, g: Node) -> list[Thunk | None]:
    axis = n.attrs["axis"]
    edge, end = n.inputs[0].type.shape[axis], n.type.shape[axis]
    return [
        lambda: build("slice", g, axis=axis, start=0, stop=edge, label=n.name),
        lambda: build("slice", g, axis=axis, start=edge, stop=end, label=n.name),
    ]


def _call_concat(n: Node) -> tuple[Literal, ...]:
    rows, a = _chunk(n.inputs[0].type, n.attrs["axis"])
    return rows, a, _chunk(n.inputs[1].type, n.attrs["axis"])[1]


register(
    Op(
        "concat",
        ties=_apart,
        rows=channel_rows,
        infer=_infer_concat,
        eval=lambda a, b, axis: np.concatenate([a, b], axis),
        vjp=_vjp_concat,
        call=_call_concat,
        layout=ALONG_AXIS_OF_BOTH,
        samples=[
            Sample((float32(3, 2), float32(3, 4)), {"axis": 1}),
            Sample((float32(2, 2, 5), float32(1, 2, 5)), {"axis": 0}),
            Sample((float32(2, 3, 2), float32(2, 3, 1)), {"axis": -1}),
        ],
    )
)
