"""The linear layer: int8, its gradients, and the float32 head in the order of the C code's sums."""

from __future__ import annotations

import torch
from torch import Tensor

from trainlet.backends.torch.eager import prepared
from trainlet.backends.torch.exact import float_for, layer_bound
from trainlet.backends.torch.experiments import aligned, inner_products, products, repeated
from trainlet.backends.torch.fixed_point import Factor, clamped, rescale_once
from trainlet.backends.torch.layer import gradient_float, input_gradients, real_sums
from trainlet.backends.torch.sums import added, ordered_products, rows
from trainlet.backends.torch.table import lowering
from trainlet.backends.torch.windows import real_input
from trainlet.ir.graph import Node


def _transposed(w: Tensor, dtype: torch.dtype) -> Tensor:
    return prepared(w, ("transposed", dtype), lambda w: w.to(dtype).transpose(1, 2).contiguous())


def _float(w: Tensor, dtype: torch.dtype) -> Tensor:
    return prepared(w, dtype, lambda w: w.to(dtype))


@lowering("linear_i8")
def linear_i8(n: Node, x: Tensor, w: Tensor, b: Tensor, q: Tensor) -> Tensor:
    zero = n.attrs["source"][1]
    exact = float_for(layer_bound(w, zero, w.shape[2], (2,)))
    total = products(rows(real_input(x, zero, exact)), _transposed(w, exact)).to(torch.int32)
    total, bias = aligned(total, b[:, None])
    y = clamped(rescale_once(total + bias, Factor.of(q)), n)
    return y.reshape(-1, *n.type.shape)


@lowering("linear_i8_f32")
def linear_i8_f32(n: Node, x: Tensor, w: Tensor, b: Tensor, s: Tensor) -> Tensor:
    scale, zero = n.attrs["source"]
    exact = float_for(layer_bound(w, zero, w.shape[2], (2,)))
    total = products(rows(real_input(x, zero, exact)), _transposed(w, exact)).to(torch.int32)
    total, bias, scales = aligned(total, b[:, None], s[:, None])
    return ((total + bias).float() * (scale * scales)).reshape(-1, *n.type.shape)


@lowering("linear_i8_dx")
def linear_i8_dx(n: Node, g: Tensor, w: Tensor, s: Tensor) -> Tensor:
    g, s = aligned(rows(g), s[:, None])
    made = ordered_products(g * s, _float(w, torch.float32))
    return made.reshape(-1, *n.type.shape)


@lowering("linear_i8_dw")
def linear_i8_dw(n: Node, g: Tensor, x: Tensor) -> Tensor:
    real = real_input(x, n.attrs["zero"], torch.float32)
    return ordered_products(rows(g).transpose(1, 2), rows(real)) * n.attrs["scale"]


def _input_sums(n: Node, g: Tensor, w: Tensor) -> Tensor:
    return products(rows(g), _float(w, g.dtype))


input_gradients("linear", _input_sums)


@lowering("linear_bfp_dw")
def linear_bfp_dw(n: Node, g: Tensor, x: Tensor, e: Tensor) -> Tensor:
    exact = gradient_float(g, n.attrs["zero"], g[0].numel() // g.shape[-1])
    real = real_input(x, n.attrs["zero"], exact)
    return real_sums(inner_products(rows(g.to(exact)), rows(real)), e, n.attrs["scale"])


@lowering("linear")
def linear(n: Node, x: Tensor, w: Tensor, b: Tensor | None = None) -> Tensor:
    """b + x0 w0 + x1 w1 + ..., in this order."""
    x, w, *bias = aligned(x, w, *([] if b is None else [b]))
    terms = rows(x).permute(2, 0, 1)[..., None] * w.permute(2, 0, 1)[:, :, None]
    start = bias[0][:, None] if bias else torch.zeros_like(terms[0])
    return added(start, terms).reshape(-1, *n.type.shape)


@lowering("linear_dx")
def linear_dx(n: Node, g: Tensor, w: Tensor) -> Tensor:
    g, w = aligned(g, w)
    terms = rows(g).permute(2, 0, 1)[..., None] * w.transpose(0, 1)[:, :, None]
    return added(torch.zeros_like(terms[0]), terms).reshape(-1, *n.type.shape)


@lowering("linear_dw")
def linear_dw(n: Node, g: Tensor, x: Tensor) -> Tensor:
    g, x = aligned(rows(g), rows(x))
    terms = g.transpose(0, 1)[..., None] * x.transpose(0, 1)[:, :, None]
    return added(torch.zeros_like(terms[0]), terms)


@lowering("matmul")
def matmul(n: Node, a: Tensor, b: Tensor) -> Tensor:
    a, b = aligned(a, b)
    a = a.transpose(-1, -2) if n.attrs.get("ta") else a
    b = b.transpose(-1, -2) if n.attrs.get("tb") else b
    return repeated(a, max(a.shape[0], b.shape[0])) @ b
