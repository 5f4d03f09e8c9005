"""Grouped convolution, transposed or not, and its gradients, in int8, block floating point and
float32.

x [E,N,H,W,C], w [E,O,KH,KW,C/groups], channels last.
"""

from __future__ import annotations

import torch
from torch import Tensor

from trainlet.backends.torch.eager import in_pieces, prepared
from trainlet.backends.torch.exact import float_for, layer_bound
from trainlet.backends.torch.experiments import aligned, inner_products, products
from trainlet.backends.torch.fixed_point import Factor, biased, rescaled
from trainlet.backends.torch.layer import map_gradients, weight_gradients
from trainlet.backends.torch.shape import joined
from trainlet.backends.torch.sums import rows
from trainlet.backends.torch.table import lowering
from trainlet.backends.torch.windows import Window, convolves, folded, real_input
from trainlet.ir.graph import Node


def _window(n: Node, x: Tensor) -> Window:
    """On maps x [E,N,H,W,C]."""
    return Window.of(n, (x.shape[2], x.shape[3]))


def _patches(x: Tensor, window: Window, groups: int) -> Tensor:
    """x [E,N,H,W,C]: every window as a row, [groups, E, rows, KH KW C/groups]."""
    if window.is_point and groups == 1:
        return rows(x)[None]
    views = window.patches(window.padded(folded(x)))
    split = views.unflatten(5, (groups, -1)).permute(5, 0, 1, 2, 3, 4, 6)
    return split.reshape(groups, x.shape[0], -1, split.shape[4:].numel())


def _matrix(w: Tensor, dtype: torch.dtype, groups: int) -> Tensor:
    """[groups, E, KH KW C/groups, O/groups]."""
    return prepared(
        w,
        ("matrix", dtype, groups),
        lambda w: w.to(dtype).reshape(w.shape[0], groups, w.shape[1] // groups, -1)
        .permute(1, 0, 3, 2).contiguous(),
    )  # fmt: skip


def _sums(x: Tensor, w: Tensor, window: Window, groups: int) -> Tensor:
    """[E, rows, O]; x in the float type in which it is computed."""
    if convolves(x, w) and not window.is_point:
        kernels = prepared(w, torch.float32, lambda w: w[0].float())
        y = window.convolved(window.padded(folded(x)), kernels, groups)
        return y.reshape(x.shape[0], -1, y.shape[3])
    pairs = zip(_patches(x, window, groups), _matrix(w, x.dtype, groups), strict=True)
    parts = [products(patches, weights) for patches, weights in pairs]
    return torch.cat(parts, 2) if groups > 1 else parts[0]


@lowering("conv2d_i8")
@in_pieces
def conv2d_i8(n: Node, x: Tensor, w: Tensor, b: Tensor, q: Tensor) -> Tensor:
    zero = n.attrs["source"][1]
    bound = layer_bound(w, zero, w[0, 0].numel(), (2, 3, 4))
    real, window = real_input(x, zero, float_for(bound)), _window(n, x)
    total, bias = aligned(_sums(real, w, window, n.attrs["groups"]), b[:, None])
    sums, small = biased(total, bias, bound)
    return rescaled(sums, Factor.of(q), n, small).reshape(-1, *n.type.shape)


@lowering("conv2d_parts_i8")
def conv2d_parts_i8(
    n: Node, x: Tensor, first: Tensor, second: Tensor, b: Tensor, q: Tensor
) -> Tensor:
    return conv2d_i8(n, x, joined(first, second, 3), b, q)


@lowering("conv2d")
def conv2d(n: Node, x: Tensor, w: Tensor, b: Tensor | None = None) -> Tensor:
    total = _sums(x, w, _window(n, x), n.attrs["groups"])
    if b is not None:
        total, bias = aligned(total, b[:, None])
        total = total + bias
    return total.reshape(-1, *n.type.shape)


def _transposed_sums(n: Node, g: Tensor, w: Tensor) -> Tensor:
    """The sum that every element of the input gets from the windows that contain it:
    [E,N,H,W,C]."""
    groups, maps = n.attrs["groups"], g.shape[1]
    window = Window.of(n, n.attrs["size"])
    matrix = _matrix(w, g.dtype, groups).transpose(2, 3)
    per_group = rows(g).unflatten(2, (groups, -1)).permute(2, 0, 1, 3)
    parts = [products(own, weights) for own, weights in zip(per_group, matrix, strict=True)]
    experiments = parts[0].shape[0]
    shape = (experiments * maps, *window.out, *window.kernel, w.shape[4])
    if window.is_point:
        made = torch.cat(parts, 2) if groups > 1 else parts[0]
        return made.reshape(experiments, maps, *window.size, -1)
    padded = window.empty(experiments * maps, groups * w.shape[4], g)
    for k, part in enumerate(parts):
        columns = part.reshape(shape)
        own = padded[..., k * w.shape[4] : (k + 1) * w.shape[4]]
        for ky, kx, met in window.taps():
            own[met] += columns[:, :, :, ky, kx]
    return window.inside(padded).unflatten(0, (experiments, maps))


map_gradients("conv2d", _transposed_sums)


def _weight_sums(n: Node, g: Tensor, x: Tensor) -> Tensor:
    """[E,O,KH,KW,C/groups]; both in the float type in which they are computed."""
    groups = n.attrs["groups"]
    window = _window(n, x)
    gradients = rows(g).unflatten(2, (groups, -1)).permute(2, 0, 1, 3)
    pairs = zip(gradients, _patches(x, window, groups), strict=True)
    made = torch.cat([inner_products(own, patches) for own, patches in pairs], 1)
    return made.reshape(made.shape[0], *n.type.shape)


weight_gradients("conv2d", _weight_sums)


def _swapped(w: Tensor, groups: int) -> Tensor:
    """As `trainlet.ops.conv_transpose.swapped`: outputs in the place of inputs."""
    split = w.unflatten(1, (groups, -1))
    return split.permute(0, 1, 5, 3, 4, 2).flatten(1, 2)


def _spread_sums(n: Node, x: Tensor, w: Tensor) -> Tensor:
    """A transposed convolution: what an input gradient of a convolution sums."""
    return _transposed_sums(n, x, _swapped(w, n.attrs["groups"]))


@lowering("conv_transpose_i8")
def conv_transpose_i8(n: Node, x: Tensor, w: Tensor, b: Tensor, q: Tensor) -> Tensor:
    zero = n.attrs["source"][1]
    bound = layer_bound(w, zero, w[0, 0].numel(), (2, 3, 4))
    sums = _spread_sums(n, real_input(x, zero, float_for(bound)), w)
    total, bias = aligned(sums, b[:, None, None, None])
    made, small = biased(total, bias, bound)
    return rescaled(made, Factor.of(q), n, small).reshape(-1, *n.type.shape)


@lowering("conv_transpose")
def conv_transpose(n: Node, x: Tensor, w: Tensor, b: Tensor | None = None) -> Tensor:
    total = _spread_sums(n, x, w)
    if b is None:
        return total
    total, bias = aligned(total, b[:, None, None, None])
    return total + bias


def _gathered_sums(n: Node, g: Tensor, w: Tensor) -> Tensor:
    """The input gradient of a transposed convolution: a convolution of the result's."""
    groups, window = n.attrs["groups"], _window(n, g)
    sums = _sums(g, _swapped(w, groups), window, groups)
    return sums.reshape(sums.shape[0], g.shape[1], *window.out, -1)


map_gradients("conv_transpose", _gathered_sums)


def _weight_sums_transposed(n: Node, g: Tensor, x: Tensor) -> Tensor:
    groups, window = n.attrs["groups"], _window(n, g)
    inputs = rows(x).unflatten(2, (groups, -1)).permute(2, 0, 1, 3)
    pairs = zip(inputs, _patches(g, window, groups), strict=True)
    made = torch.cat([inner_products(own, patches) for own, patches in pairs], 1)
    channels = n.type.shape[3] * groups, *n.type.shape[1:3], n.type.shape[0] // groups
    return _swapped(made.reshape(made.shape[0], *channels), groups)


weight_gradients("conv_transpose", _weight_sums_transposed)
