"""Products, normalisations and softmax, with their gradients."""

from __future__ import annotations

from trainlet.backends.onnx.emitter import Emitter, emits, shape
from trainlet.ir.graph import Node


@emits("linear")
def _linear(at: Emitter, n: Node, x: str, w: str, *bias: str) -> str:
    """As a product of matrices, which takes the weight as it is: it needs no transposed copy."""
    if n.type.rank == 2:
        return at.op("Gemm", x, w, *bias, transB=1)
    inputs = shape(n, 0)[-1]
    rows = at.reshape(x, (n.type.size // n.type.shape[-1], inputs))
    return at.reshape(at.op("Gemm", rows, w, *bias, transB=1), n.type.shape)


@emits("linear_dx")
def _linear_dx(at: Emitter, n: Node, g: str, w: str) -> str:
    return at.op("MatMul", g, w)


@emits("linear_dw")
def _linear_dw(at: Emitter, n: Node, g: str, x: str) -> str:
    flat = [at.reshape(v, (-1, shape(n, k)[-1])) for k, v in enumerate((g, x))]
    return at.op("Gemm", *flat, transA=1)


@emits("matmul")
def _matmul(at: Emitter, n: Node, a: str, b: str) -> str:
    def turned(x: str, position: int, turn: bool) -> str:
        rank = len(shape(n, position))
        return at.transpose(x, *range(rank - 2), rank - 1, rank - 2) if turn else x

    return at.op("MatMul", turned(a, 0, n.attrs.get("ta", False)),
                 turned(b, 1, n.attrs.get("tb", False)))  # fmt: skip


@emits("softmax")
def _softmax(at: Emitter, n: Node, x: str) -> str:
    return at.op("Softmax", x, axis=-1)


@emits("softmax_dx")
def _softmax_dx(at: Emitter, n: Node, g: str, y: str) -> str:
    along = at.op("ReduceSum", at.op("Mul", g, y), at.ints((-1,)), keepdims=1)
    return at.op("Mul", y, at.op("Sub", g, along))


@emits("log_softmax")
def _log_softmax(at: Emitter, n: Node, x: str) -> str:
    return at.op("LogSoftmax", x, axis=-1)


def _mean(at: Emitter, x: str) -> str:
    return at.op("ReduceMean", x, at.ints((1, 3)), keepdims=1)


def _rstd(at: Emitter, n: Node, v: str) -> str:
    apart = at.op("Sub", v, _mean(at, v))
    variance = _mean(at, at.op("Mul", apart, apart))
    return at.op("Reciprocal", at.op("Sqrt", at.op("Add", variance, at.number(n.attrs["eps"]))))


@emits("normalize")
def _normalize(at: Emitter, n: Node, x: str) -> str:
    v = at.reshape(x, n.attrs["view"])
    centred = at.op("Sub", v, _mean(at, v))
    return at.reshape(at.op("Mul", centred, _rstd(at, n, v)), n.type.shape)


@emits("normalize_rstd")
def _normalize_rstd(at: Emitter, n: Node, x: str) -> str:
    return at.reshape(_rstd(at, n, at.reshape(x, n.attrs["view"])), n.type.shape)


@emits("normalize_dx")
def _normalize_dx(at: Emitter, n: Node, g: str, xhat: str, rstd: str) -> str:
    view = n.attrs["view"]
    gv, xv = at.reshape(g, view), at.reshape(xhat, view)
    along = at.op("Mul", xv, _mean(at, at.op("Mul", gv, xv)))
    centred = at.op("Sub", at.op("Sub", gv, _mean(at, gv)), along)
    spread = at.reshape(rstd, (view[0], 1, view[2], 1))
    return at.reshape(at.op("Mul", centred, spread), n.type.shape)


@emits("batch_norm", free=True)
def _batch_norm(at: Emitter, n: Node, x: str, *vectors: str) -> str:
    """(x factor + term) gamma + beta along an axis."""
    rank, axis = n.type.rank, n.attrs["axis"]
    view = [-1 if k == axis % rank else 1 for k in range(rank)]
    gamma, beta, factor, term = (at.reshape(v, view) for v in vectors)
    y = at.op("Add", at.op("Mul", x, factor), term)
    return at.op("Add", at.op("Mul", y, gamma), beta)
