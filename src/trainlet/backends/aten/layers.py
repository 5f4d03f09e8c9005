"""Convolutions, products, normalisations and softmax, with their gradients.

Maps [N,H,W,C] and weights [O,KH,KW,C/groups] lie channels last, as cuDNN and oneDNN like them: a
permutation to torch's shape moves nothing.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from trainlet.backends.aten.table import computed, form, widened
from trainlet.backends.torch.repeat import unrolled
from trainlet.backends.torch.table import Lowering
from trainlet.ir.graph import Node
from trainlet.ops.window import Geometry

Pair = tuple[int, int]


def _first(x: Tensor) -> Tensor:
    """Channels first."""
    return x.permute(0, 3, 1, 2)


def _last(x: Tensor) -> Tensor:
    """Channels last."""
    return x.permute(0, 2, 3, 1)


def _rows(x: Tensor) -> Tensor:
    return x.reshape(-1, x.shape[-1])


def _is_point(geometry: Geometry) -> bool:
    """Whether every element is a window of its own, and sees all channels."""
    plain = geometry.kernel == geometry.stride == (1, 1) and geometry.groups == 1
    return plain and not any(geometry.padding)


def _margins(geometry: Geometry) -> tuple[Pair, list[int]]:
    """The padding that torch's layer can add itself, and what is left for a padding of its own."""
    top, left, bottom, right = geometry.padding
    if (top, left) == (bottom, right):
        return (top, left), [0, 0, 0, 0]
    return (0, 0), [left, right, top, bottom]


def _convolved(geometry: Geometry, x: Tensor, w: Tensor, b: Tensor | None, groups: int) -> Tensor:
    """Of maps channels last and a weight channels first."""
    both, more = _margins(geometry)
    padded = F.pad(_first(x), more) if any(more) else _first(x)
    y = F.conv2d(padded, w, b, geometry.stride, both, geometry.dilation, groups)
    return _last(y)


def _backward(
    geometry: Geometry, g: Tensor, x: Tensor, w: Tensor, groups: int, of_input: bool
) -> Tensor:
    """The gradient of the input or of the weight; all channels first, the other is only a shape."""
    both, more = _margins(geometry)
    if any(more):
        x = F.pad(x, more)
    made = torch.ops.aten.convolution_backward(
        g, x, w, None, geometry.stride, both, geometry.dilation, False, (0, 0), groups,
        (of_input, not of_input, False),
    )[0 if of_input else 1]  # fmt: skip
    if of_input and any(more):
        left, right, top, bottom = more
        made = made[:, :, top : made.shape[2] - bottom, left : made.shape[3] - right]
    return made


def _of_shape(like: Tensor, *shape: int) -> Tensor:
    """A tensor of which only the shape is read."""
    return like.new_empty(1).expand(shape)


@form("conv2d")
def conv2d(n: Node, x: Tensor, w: Tensor, b: Tensor | None = None) -> Tensor:
    geometry = Geometry.of(n)
    if _is_point(geometry):
        return F.linear(x, w.flatten(1), b)
    return _convolved(geometry, x, _first(w), b, n.attrs["groups"])


@form("conv2d_dx")
def conv2d_dx(n: Node, g: Tensor, w: Tensor) -> Tensor:
    geometry = Geometry.of(n)
    if _is_point(geometry):
        return g @ w.flatten(1)
    x = _of_shape(g, *_first_shape(n.type.shape))
    return _last(_backward(geometry, _first(g), x, _first(w), n.attrs["groups"], True))


@form("conv2d_dw")
def conv2d_dw(n: Node, g: Tensor, x: Tensor) -> Tensor:
    geometry = Geometry.of(n)
    if _is_point(geometry):
        return (_rows(g).T @ _rows(x)).reshape(n.type.shape)
    w = _of_shape(g, *_first_shape(n.type.shape))
    return _last(_backward(geometry, _first(g), _first(x), w, n.attrs["groups"], False))


def _first_shape(shape: tuple[int, ...]) -> tuple[int, ...]:
    return shape[0], shape[3], shape[1], shape[2]


def _taps(w: Tensor) -> Tensor:
    """A depthwise weight [KH,KW,C] as [C,1,KH,KW]."""
    return w.permute(2, 0, 1)[:, None]


@form("depthwise")
def depthwise(n: Node, x: Tensor, w: Tensor, b: Tensor | None = None) -> Tensor:
    return _convolved(Geometry.of(n), x, _taps(w), b, w.shape[2])


@form("depthwise_dx")
def depthwise_dx(n: Node, g: Tensor, w: Tensor) -> Tensor:
    x = _of_shape(g, *_first_shape(n.type.shape))
    return _last(_backward(Geometry.of(n), _first(g), x, _taps(w), w.shape[2], True))


@form("depthwise_dw")
def depthwise_dw(n: Node, g: Tensor, x: Tensor) -> Tensor:
    height, width, channels = n.type.shape
    w = _of_shape(g, channels, 1, height, width)
    made = _backward(Geometry.of(n), _first(g), _first(x), w, channels, False)
    return made[:, 0].permute(1, 2, 0)


@form("linear")
def linear(n: Node, x: Tensor, w: Tensor, b: Tensor | None = None) -> Tensor:
    return F.linear(x, w, b)


@form("linear_dx")
def linear_dx(n: Node, g: Tensor, w: Tensor) -> Tensor:
    return g @ w


@form("linear_dw")
def linear_dw(n: Node, g: Tensor, x: Tensor) -> Tensor:
    return _rows(g).T @ _rows(x)


@form("matmul")
def matmul(n: Node, a: Tensor, b: Tensor) -> Tensor:
    a = a.transpose(-1, -2) if n.attrs.get("ta") else a
    return a @ (b.transpose(-1, -2) if n.attrs.get("tb") else b)


@form("softmax")
def softmax(n: Node, x: Tensor) -> Tensor:
    return torch.softmax(x, -1)


@form("softmax_dx")
def softmax_dx(n: Node, g: Tensor, y: Tensor) -> Tensor:
    return y * (g - (g * y).sum(-1, keepdim=True))


@form("log_softmax")
def log_softmax(n: Node, x: Tensor) -> Tensor:
    return torch.log_softmax(x, -1)


@form("log_softmax_dx")
def log_softmax_dx(n: Node, g: Tensor, y: Tensor) -> Tensor:
    return g - y.exp() * g.sum(-1, keepdim=True)


@form("batch_norm")
def batch_norm(n: Node, x: Tensor, *vectors: Tensor) -> Tensor:
    """(x factor + term) gamma + beta along an axis."""
    axis = n.attrs["axis"] % x.ndim
    gamma, beta, factor, term = (v.reshape(-1, *[1] * (x.ndim - 1 - axis)) for v in vectors)
    return (x * factor + term) * gamma + beta


@form("repeat")
def repeat(n: Node, *inputs: Tensor) -> Tensor:
    def function_of(m: Node) -> Lowering:
        return lambda _, *x: computed(m, *(each[0] for each in x))[None]

    return unrolled(n, [widened(x)[None] for x in inputs], function_of)[0]
