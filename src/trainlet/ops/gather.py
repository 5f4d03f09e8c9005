"""Slices of a tensor by an index along one or two dimensions, and the gradient.

Everything that repeats, reorders, mirrors or leaves out slices is a gather: flip, roll, repeat,
reflecting borders, nearest up-sampling, an embedding.  The index is int32 of one dimension; of two
axes, the slices along the first come first.
"""

from __future__ import annotations

from collections.abc import Callable
from math import prod
from typing import Any

import numpy as np

from trainlet.ir.graph import Node
from trainlet.ir.types import TensorType
from trainlet.ops.layout import ALONG_AXES_IN_ORDER
from trainlet.ops.op import Literal, Op, Sample, Thunk, build, float32, register, require, typed

Sizes = tuple[int, ...]


def _check(t: TensorType, index: TensorType, axes: Sizes, many: Sizes) -> None:
    require(
        1 <= len(axes) == len(many) <= 2
        and len(set(axes)) == len(axes)
        and all(0 <= k < t.rank for k in axes),
        f"axes {axes} of {t}, slices {many}; allowed: one or two axes",
    )
    require(
        index.dtype == "int32" and index.shape == (sum(many),) and min(many) > 0,
        f"index {index}; allowed: int32[{sum(many)}], for {many} slices",
    )


def resized(shape: Sizes, axes: Sizes, sizes: Sizes) -> Sizes:
    """The shape with these sizes along these axes."""
    changed = dict(zip(axes, sizes, strict=True))
    return tuple(changed.get(k, size) for k, size in enumerate(shape))


def infer(x: TensorType, index: TensorType, *, axes: Sizes, many: Sizes, copies: int) -> TensorType:
    """many: slices along each axis; copies: how often an element of x may occur in the result."""
    _check(x, index, axes, many)
    require(copies > 0, f"copies={copies}; allowed: at least 1")
    return x.with_shape(resized(x.shape, axes, many))


def _parts(index: np.ndarray, many: Sizes) -> list[np.ndarray]:
    return np.split(index, np.cumsum(many)[:-1])


def evaluate(
    x: np.ndarray, index: np.ndarray, *, axes: Sizes, many: Sizes, copies: int
) -> np.ndarray:
    """The gather."""
    for axis, part in zip(axes, _parts(index, many), strict=True):
        x = x.take(part, axis)
    return x


def literals(x: TensorType, y: TensorType, axes: Sizes) -> tuple[Literal, ...]:
    """Sizes of the loops over the result y, its strides, and those of x, from which it comes."""
    low, high, two = min(axes), max(axes), len(axes) == 2
    between = prod(y.shape[low + 1 : high]) if two else 1
    along = [y.shape[k] for k in axes] + [1]
    sizes = prod(y.shape[:low]), along[0], between, along[1], prod(y.shape[high + 1 :])

    def strides(t: TensorType) -> Sizes:
        of = [prod(t.shape[k + 1 :]) for k in range(t.rank)]
        second = (prod(t.shape[high:]), of[axes[1]]) if two else (0, 0)
        return prod(t.shape[low:]), of[axes[0]], *second

    return *sizes, *strides(y), *strides(x)


def _gradients(n: Node, g: Node) -> list[Thunk | None]:
    return [lambda: build("scatter", g, n.inputs[1], label=n.name, **scatter_attrs(n)), None]


def scatter_attrs(n: Node) -> dict[str, Sizes]:
    """The attributes of the gradient of a gather n."""
    axes = n.attrs["axes"]
    return {"axes": axes, "many": n.attrs["many"], "sizes": pick(n.inputs[0].type.shape, axes)}


def pick(shape: Sizes, axes: Sizes) -> Sizes:
    """The sizes along these axes."""
    return tuple(shape[k] for k in axes)


def drawn_index(sizes: Sizes, many: Sizes) -> Callable[[np.random.Generator], np.ndarray]:
    """An index of slices below `sizes`: some twice, some not at all."""

    def draw(rng: np.random.Generator) -> np.ndarray:
        parts = [rng.integers(0, size, count) for size, count in zip(sizes, many, strict=True)]
        return np.concatenate(parts).astype(np.int32)

    return draw


CASES: list[tuple[Sizes, Sizes, Sizes]] = [
    ((3, 5, 2), (1,), (7,)),
    ((2, 4, 3, 3), (1, 2), (7, 5)),
    ((2, 3, 2, 4), (3, 1), (3, 5)),
    ((6,), (0,), (4,)),
]
"""Shape of x, axes, and how many slices along each."""

register(
    Op(
        "gather",
        infer=infer,
        eval=evaluate,
        vjp=_gradients,
        call=lambda n: literals(n.inputs[0].type, n.type, n.attrs["axes"]),
        layout=ALONG_AXES_IN_ORDER,
        samples=[
            Sample(
                (float32(*x), typed("int32", sum(many))),
                {"axes": axes, "many": many, "copies": prod(many)},
                {1: drawn_index(pick(x, axes), many)},
            )
            for x, axes, many in CASES
        ],
    )
)


def infer_scatter(
    g: TensorType, index: TensorType, *, axes: Sizes, many: Sizes, sizes: Sizes
) -> TensorType:
    """sizes: of the result along the axes."""
    _check(g, index, axes, many)
    require(pick(g.shape, axes) == many, f"{many} slices do not fit {g} along {axes}")
    return g.with_shape(resized(g.shape, axes, sizes))


def scatter(
    g: np.ndarray, index: np.ndarray, *, axes: Sizes, many: Sizes, sizes: Sizes
) -> np.ndarray:
    """Terms are added in the order of the first axis' slices, then of the second's."""
    first = range(len(axes))
    moved = np.moveaxis(g, axes, first)
    total = np.zeros((*sizes, *moved.shape[len(axes) :]), g.dtype)
    np.add.at(total, np.ix_(*_parts(index, many)), moved)
    return np.moveaxis(total, first, axes)


def _scatter_gradients(n: Node, g: Node) -> list[Thunk | None]:
    attrs = {"axes": n.attrs["axes"], "many": n.attrs["many"], "copies": prod(n.attrs["many"])}
    return [lambda: build("gather", g, n.inputs[1], label=n.name, **attrs), None]


def scatter_cases() -> list[tuple[Sizes, dict[str, Any], Any]]:
    """Shape of g, attributes, and the drawing of the index, of each case."""
    return [
        (
            resized(x, axes, many),
            {"axes": axes, "many": many, "sizes": pick(x, axes)},
            drawn_index(pick(x, axes), many),
        )
        for x, axes, many in CASES
    ]


register(
    Op(
        "scatter",
        infer=infer_scatter,
        eval=scatter,
        vjp=_scatter_gradients,
        call=lambda n: (n.type.size, *literals(n.type, n.inputs[0].type, n.attrs["axes"])),
        layout=ALONG_AXES_IN_ORDER,
        samples=[
            Sample((float32(*g), typed("int32", sum(attrs["many"]))), attrs, {1: draw})
            for g, attrs, draw in scatter_cases()
        ],
    )
)
