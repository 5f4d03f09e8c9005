"""Convolutions, products and linear layers."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from trainlet.errors import FileError, UnsupportedError
from trainlet.frontends.aten.elementwise import scaled
from trainlet.frontends.aten.layers import convolved, transposed
from trainlet.frontends.aten.windows import Pads
from trainlet.frontends.onnx.builder import Builder
from trainlet.frontends.onnx.file import one_of
from trainlet.frontends.onnx.geometry import KINDS, border, check_rank, pair, positive
from trainlet.frontends.onnx.table import onnx
from trainlet.frontends.onnx.volumes import RANK, convolution, transposed_convolution
from trainlet.ir.graph import Node
from trainlet.ops.op import require


def _operands(
    at: Builder, ranks: Sequence[int] = (3, 4)
) -> tuple[Node, Node, Node | None, list[int]]:
    """Input, weight, bias, and the size of the kernel."""
    x, w = at.input(0), at.weight(1)
    check_rank(x, ranks)
    require(
        w is not None and w.type.rank == x.type.rank, f"input {x.type} and weight {w and w.type}"
    )
    assert w is not None
    kernel = list(w.type.shape[2:])
    given = at.numbers("kernel_shape", kernel)
    if given != kernel:
        raise FileError(f"its kernel_shape is {given}, but its weight is {w.type}")
    return x, w, at.weight(2), kernel


@onnx("Conv")
def _conv(at: Builder) -> Node:
    x, w, b, kernel = _operands(at, (3, 4, RANK))
    step, reach = positive(at, "strides", len(kernel)), positive(at, "dilations", len(kernel))
    if x.type.rank == RANK:
        return convolution(at, x, w, b, step, reach)
    pads = border(at, x, kernel, step, reach)
    return convolved(at, x, w, b, pair(step), pads, pair(reach), at.attribute("group", 1))


@onnx("ConvTranspose")
def _conv_transpose(at: Builder) -> Node:
    x, w, b, kernel = _operands(at, (3, 4, RANK))
    count = len(kernel)
    step, reach = positive(at, "strides", count), positive(at, "dilations", count)
    if x.type.rank == RANK:
        return transposed_convolution(at, x, w, b, step, reach)
    more = at.numbers("output_padding", [0] * count) or []
    given = at.numbers("output_shape")
    kind = one_of(at.attribute("auto_pad", "NOTSET"), KINDS, "auto_pad")
    before = x.type.shape[2:]
    if kind.startswith("SAME") and given is None:
        given = [n * s for n, s in zip(before, step, strict=True)]
    whole = [(n - 1) * s + m + (k - 1) * d + 1
             for n, s, m, k, d in zip(before, step, more, kernel, reach, strict=True)]  # fmt: skip
    if given is None:
        pads = border(at, x, kernel, step, reach)
        first, last = (pads[:2], pads[2:]) if count == 2 else (pads[1:2], pads[3:])
        after = [n - a - b for n, a, b in zip(whole, first, last, strict=True)]
    else:
        at.numbers("pads")
        after, pads = given[-count:], _cut(whole, given[-count:], kind != "SAME_UPPER")
    groups = at.attribute("group", 1)
    return transposed(at, x, w, b, pair(step), pads, pair(reach), groups, pair(after))


def _cut(whole: list[int], after: list[int], more_before: bool) -> Pads:
    """The border that leaves a result of this size."""
    total = [n - m for n, m in zip(whole, after, strict=True)]
    if min(total) < 0:
        raise UnsupportedError(f"output_shape {after}; allowed: at most {whole}")
    first = [t - t // 2 if more_before else t // 2 for t in total]
    last = [t - f for t, f in zip(total, first, strict=True)]
    return (*pair(first, 0), *pair(last, 0))


@onnx("Gemm")
def _gemm(at: Builder) -> Node:
    """alpha x w + beta b: a linear layer, of whose weight the file may have the transpose."""
    x, w, b = at.input(0), at.weight(1), at.weight(2)
    assert w is not None
    require(x.type.rank == w.type.rank == 2, f"input {x.type} and weight {w.type}")
    alpha, beta = at.attribute("alpha", 1.0), at.attribute("beta", 1.0)
    x = at.permute(x, 1, 0) if at.attribute("transA", 0) else x
    w = w if at.attribute("transB", 0) else at.permute(w, 1, 0)
    if b is not None and (alpha, beta) == (1, 1) and b.type.shape == w.type.shape[:1]:
        return at.build("linear", x, w, b)
    y = scaled(at, at.build("linear", x, w), alpha)
    return y if b is None else at.build("add", y, scaled(at, b, beta))


@onnx("MatMul")
def _matmul(at: Builder) -> Node:
    """A linear layer where the second operand is a matrix or a vector, whatever made it."""
    x, w = at.input(0), at.weight(1)
    assert w is not None
    if x.type.rank == 1:
        y = _product(at, at.reshape(x, (1, *x.type.shape)), w)
        return at.reshape(y, (*y.type.shape[:-2], *y.type.shape[-1:]) if w.type.rank > 1 else ())
    return _product(at, x, w)


def _product(at: Builder, x: Node, w: Node) -> Node:
    if w.type.rank == 1:
        y = at.build("linear", x, at.reshape(w, (1, *w.type.shape)))
        return at.reshape(y, y.type.shape[:-1])
    if w.type.rank == 2:
        return at.build("linear", x, at.permute(w, 1, 0))
    batch = np.broadcast_shapes(x.type.shape[:-2], w.type.shape[:-2])
    a, b = (at.aten("expand", n, (*batch, *n.type.shape[-2:])) for n in (x, w))
    return at.build("matmul", a, b)
