"""PyTorch's function of the same meaning, for every op that has a gradient.

Maps are [N,H,W,C] here and [N,C,H,W] in PyTorch; the conversion is part of the reference.
"""

from __future__ import annotations

from collections.abc import Callable
from math import prod
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from trainlet.ops.repeat.loop import Loop


def _first(x: Tensor) -> Tensor:
    return x.permute(0, 3, 1, 2)


def _last(x: Tensor) -> Tensor:
    return x.permute(0, 2, 3, 1)


def _padded(x: Tensor, padding: tuple[int, ...], value: float = 0) -> Tensor:
    """x [N,H,W,C] as [N,C,H,W] with its border."""
    top, left, bottom, right = padding
    return F.pad(_first(x), (left, right, top, bottom), value=value)


def _max_to(x: Tensor, shape: tuple[int, ...]) -> Tensor:
    padded = (1,) * (x.ndim - len(shape)) + tuple(shape)
    axes = [k for k, (n, m) in enumerate(zip(x.shape, padded, strict=True)) if n != m]
    return x.amax(axes, keepdim=True).reshape(shape)


def _conv2d(x: Tensor, w: Tensor, b: Tensor | None = None, *, padding: Any, **attrs: Any) -> Tensor:
    return _last(F.conv2d(_padded(x, padding), w.permute(0, 3, 1, 2), b, **attrs))


def _conv_transpose(
    x: Tensor, w: Tensor, b: Tensor | None = None, *, size: Any, padding: Any, groups: int,
    **attrs: Any,
) -> Tensor:  # fmt: skip
    """Without a border, which is then cut off, or added where no tap reaches it."""
    weight = w.unflatten(0, (groups, -1)).permute(0, 4, 1, 2, 3).flatten(0, 1)
    y = F.conv_transpose2d(_first(x), weight, None, groups=groups, **attrs)
    top, left = padding[:2]
    y = F.pad(y, (0, size[1] + left, 0, size[0] + top))
    y = _last(y[:, :, top : top + size[0], left : left + size[1]])
    return y if b is None else y + b


def _clip(x: Tensor, low: float, high: float, inclusive: bool) -> Tensor:
    return x.clamp(low, high) if inclusive else F.hardtanh(x, low, high)


def _depthwise(
    x: Tensor, w: Tensor, b: Tensor | None = None, *, padding: Any, **attrs: Any
) -> Tensor:
    weight = w.permute(2, 0, 1).unsqueeze(1)
    return _last(F.conv2d(_padded(x, padding), weight, b, groups=x.shape[3], **attrs))


def _matmul(a: Tensor, b: Tensor, ta: bool = False, tb: bool = False) -> Tensor:
    return (a.mT if ta else a) @ (b.mT if tb else b)


def _max_pool(x: Tensor, *, kernel: Any, stride: Any, padding: Any, dilation: Any) -> Tensor:
    padded = _padded(x, padding, -torch.inf)
    return _last(F.max_pool2d(padded, kernel, stride, dilation=dilation))


def _avg_pool(x: Tensor, *, kernel: Any, stride: Any, padding: Any, count_padding: bool) -> Tensor:
    mean = F.avg_pool2d(_padded(x, padding), kernel, stride)
    if not count_padding:
        mean = mean / F.avg_pool2d(_padded(torch.ones_like(x), padding), kernel, stride)
    return _last(mean)


def _normalize(x: Tensor, view: tuple[int, int, int, int], eps: float) -> Tensor:
    rows, spots, groups, members = view
    if spots == groups == 1:
        return F.layer_norm(x.reshape(rows, members), (members,), eps=eps).reshape(x.shape)
    first = x.reshape(rows, spots, groups * members).mT
    return F.group_norm(first, groups, eps=eps).mT.reshape(x.shape)


def _pad_strided(g: Tensor, axis: int, start: int, size: int, step: int = 1) -> Tensor:
    shape = list(g.shape)
    shape[axis] = size
    end = start + (g.shape[axis] - 1) * step + 1
    return torch.slice_scatter(g.new_zeros(shape), g, axis, start, end, step)


def _nll(z: Tensor, label: Tensor, weights: Tensor, ignored: int) -> Tensor:
    """torch's own takes no gradient of the weights."""
    kept = label != ignored
    own = label[kept].long()
    return -(weights[own] * z[kept][range(len(own)), own]).sum() / weights[own].sum()


def _distillation(z: Tensor, t: Tensor, temperature: float) -> Tensor:
    own, wanted = (F.log_softmax(v / temperature, 1) for v in (z, t))
    divergence = F.kl_div(own, wanted, reduction="batchmean", log_target=True)
    return temperature**2 * divergence


def _gather(x: Tensor, index: Tensor, axes: Any, many: Any, copies: int) -> Tensor:
    for axis, part in zip(axes, index.split(many), strict=True):
        x = x.index_select(axis, part)
    return x


def _resample(x: Tensor, index: Tensor, weight: Tensor, axis: int, taps: int) -> Tensor:
    along = [1] * x.ndim
    along[axis] = -1
    parts = [
        x.index_select(axis, index[t::taps]) * weight[t::taps].reshape(along) for t in range(taps)
    ]
    return torch.stack(parts).sum(0)


def _scatter(g: Tensor, index: Tensor, axes: Any, many: Any, sizes: Any) -> Tensor:
    for axis, part, size in zip(axes, index.split(many), sizes, strict=True):
        shape = list(g.shape)
        shape[axis] = size
        g = g.new_zeros(shape).index_add(axis, part, g)
    return g


def _slice(x: Tensor, axis: int, start: int, stop: int, step: int = 1) -> Tensor:
    return x.index_select(axis, torch.arange(start, stop, step))


def _cross_entropy(z: Tensor, label: Tensor, smoothing: float = 0) -> Tensor:
    return F.cross_entropy(z, label.long(), label_smoothing=smoothing)


def _repeat(*inputs: Tensor, **attrs: Any) -> Tensor:
    """The body's own references, turn by turn; the results in the order in which they lie."""
    loop = Loop.of(attrs)
    given = {k: inputs[position] for k, position in loop.position.items()}
    zeros = [inputs[0].new_zeros(t.shape) for t in loop.body.inputs]
    states = [given.get(k, zeros[k]) for k in range(loop.body.states)]
    before, stacks = [states], []
    turns = range(loop.count)
    for at in reversed(turns) if loop.reverse else turns:
        made = [*states, *(given[k][at] for k in loop.sliced), *(given[k] for k in loop.fixed)]
        for op, operands, own in loop.body.steps:
            made.append(REFERENCE[op](*(made[k] for k in operands), **own))
        states = [made[k] for k in loop.body.after]
        before.append(states)
        stacks.append([made[k] for k in loop.body.each])
    order = -1 if loop.reverse else 1
    parts = [torch.stack([row[k] for row in before][::order]) for k in loop.stacked]
    parts += [states[k] for k in loop.last]
    parts += [torch.stack([row[k] for row in stacks][::order]) for k in range(len(loop.body.each))]
    return torch.cat([part.reshape(-1) for part in parts])


def _rounded(**numbers: float) -> dict[str, float]:
    """As float32 has them."""
    return {k: float(np.float32(v)) for k, v in numbers.items()}


def _elu(x: Tensor, **numbers: float) -> Tensor:
    known = _rounded(**numbers)
    return torch.ops.aten.elu(x, known["alpha"], known["scale"], known["rate"])


FORMULAS: dict[str, Callable[..., Tensor]] = {
    "abs": torch.abs,
    "acos": torch.acos,
    "asin": torch.asin,
    "atan": torch.atan,
    "ceil": torch.ceil,
    "cos": torch.cos,
    "cosh": torch.cosh,
    "cube": lambda x: x**3,
    "div": torch.div,
    "elu": _elu,
    "equal": lambda p, q: (p == q).double(),
    "erf": torch.erf,
    "exp": torch.exp,
    "expm1": torch.expm1,
    "floor": torch.floor,
    "hard_shrink": lambda x, bound: F.hardshrink(x, bound),
    "le": lambda p, q: (p <= q).double(),
    "log": torch.log,
    "log1p": torch.log1p,
    "log_sigmoid": F.logsigmoid,
    "lt": lambda p, q: (p < q).double(),
    "maximum": torch.maximum,
    "minimum": torch.minimum,
    "mish": F.mish,
    "norm_sqrt": torch.sqrt,
    "pow": lambda x, exponent: x ** _rounded(exponent=exponent)["exponent"],
    "pow_to": torch.pow,
    "prelu": lambda p, q: torch.where(p > 0, p, p * q),
    "reciprocal": torch.reciprocal,
    "round": torch.round,
    "rsqrt": torch.rsqrt,
    "sign": torch.sign,
    "sin": torch.sin,
    "sinh": torch.sinh,
    "soft_shrink": lambda x, bound: F.softshrink(x, bound),
    "softplus": F.softplus,
    "sqrt": torch.sqrt,
    "square": torch.square,
    "tan": torch.tan,
    "threshold": lambda x, bound, value: F.threshold(x, bound, value),
    "trunc": torch.trunc,
    "where_false": lambda p, q: torch.where(p == 0, q, 0.0),
    "where_true": lambda p, q: torch.where(p == 0, 0.0, q),
}

REFERENCE: dict[str, Callable[..., Tensor]] = {
    **FORMULAS,
    "adaptive_avg_pool": lambda x, out: _last(F.adaptive_avg_pool2d(_first(x), out)),
    "add": torch.add,
    "avg_pool": _avg_pool,
    "bce": F.binary_cross_entropy,
    "bce_with_logits": F.binary_cross_entropy_with_logits,
    "broadcast_to": lambda x, shape, factor=1.0: x.expand(shape) * factor,
    "concat": lambda a, b, axis: torch.cat([a, b], axis),
    "conv2d": _conv2d,
    "conv_transpose": _conv_transpose,
    "cross_entropy": _cross_entropy,
    "clip": _clip,
    "depthwise": _depthwise,
    "gather": _gather,
    "gelu": F.gelu,
    "gelu_tanh": lambda x: F.gelu(x, approximate="tanh"),
    "hard_sigmoid": F.hardsigmoid,
    "hard_swish": F.hardswish,
    "leaky_relu": lambda x, slope: F.leaky_relu(x, float(np.float32(slope))),
    "linear": F.linear,
    "matmul": _matmul,
    "log_softmax": lambda x: F.log_softmax(x, -1),
    "max_pool": _max_pool,
    "max_to": _max_to,
    "mse": F.mse_loss,
    "distillation": _distillation,
    "nll": _nll,
    "mul": torch.mul,
    "normalize": _normalize,
    "offset": lambda x, term: x + term,
    "permute": lambda x, permutation: x.permute(permutation),
    "relu": F.relu,
    "relu6": F.relu6,
    "repeat": _repeat,
    "resample": _resample,
    "reshape": torch.reshape,
    "scale": lambda x, factor: x * factor,
    "scatter": _scatter,
    "sigmoid": torch.sigmoid,
    "silu": F.silu,
    "slice": _slice,
    "softmax": lambda x: F.softmax(x, -1),
    "pad_strided": _pad_strided,
    "sub": torch.sub,
    "sum_to": lambda x, before=0, *, shape, factor=1.0: before + x.sum_to_size(shape) * factor,
    "tanh": torch.tanh,
    "view": lambda x, start, shape: x.reshape(-1)[start : start + prod(shape)].reshape(shape),
}
