"""The ATen operators that Trainlet knows: a row an operator, named without its overload.

A builder takes the importer and the operator's own arguments, in PyTorch's order; tensors are
Nodes in PyTorch's layout.  Layout changes cost nothing here: `passes.layout` removes them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import prod, sqrt

import numpy as np

from trainlet.errors import UnsupportedError
from trainlet.frontends.importer import Importer, pair
from trainlet.ir.graph import Node

Builder = Callable[..., "Node | list[Node]"]
ATEN: dict[str, Builder] = {}
Pads = tuple[int, int, int, int]


def aten(*names: str) -> Callable[[Builder], Builder]:
    """Enter a builder under the operators' names."""

    def enter(builder: Builder) -> Builder:
        ATEN.update(dict.fromkeys(names, builder))
        return builder

    return enter


def _spatial(x: Node, values: int | Sequence[int], missing: int = 1) -> tuple[int, int]:
    """(height, width) for a map, (missing, length) for a sequence."""
    return pair(values) if x.type.rank == 4 else (missing, pair(values)[0])


def _pads(
    x: Node, padding: str | int | Sequence[int], kernel: tuple = (1, 1), dilation: tuple = (1, 1)
) -> Pads:
    if padding == "same":
        total = [d * (k - 1) for k, d in zip(kernel, dilation, strict=True)]
        return total[0] // 2, total[1] // 2, total[0] - total[0] // 2, total[1] - total[1] // 2
    if isinstance(padding, str) and padding != "valid":
        raise UnsupportedError(f"padding {padding!r}; allowed: numbers, 'same', 'valid'")
    h, w = (0, 0) if isinstance(padding, str) else _spatial(x, padding, missing=0)
    return h, w, h, w


@aten("conv2d", "conv1d")
def _conv(
    at: Importer,
    x: Node,
    w: Node,
    b: Node | None = None,
    stride: Sequence[int] = (1,),
    padding: str | Sequence[int] = (0,),
    dilation: Sequence[int] = (1,),
    groups: int = 1,
) -> Node:
    outputs, inputs, *kernel = w.type.shape
    size, step, reach = (_spatial(x, v) for v in (kernel, stride, dilation))
    pads = _pads(x, padding, size, reach)
    attrs = {"stride": step, "padding": pads, "dilation": reach}
    spots = range(2, w.type.rank)
    bias = () if b is None else (b,)
    if inputs == 1 and groups == outputs == x.type.shape[1]:
        weight = at.reshape(at.permute(w, *spots, 1, 0), (*size, outputs))
        return at.channels_last("depthwise", x, weight, *bias, **attrs)
    weight = at.reshape(at.permute(w, 0, *spots, 1), (outputs, *size, inputs))
    return at.channels_last("conv2d", x, weight, *bias, **attrs, groups=groups)


@aten("convolution")
def _convolution(
    at: Importer,
    x: Node,
    w: Node,
    b: Node | None,
    stride: Sequence[int],
    padding: Sequence[int],
    dilation: Sequence[int],
    transposed: bool,
    output_padding: Sequence[int],
    groups: int,
) -> Node:
    if transposed:
        raise UnsupportedError("a transposed convolution; use a convolution and an upsampling")
    return _conv(at, x, w, b, stride, padding, dilation, groups)


@aten("linear")
def _linear(at: Importer, x: Node, w: Node, b: Node | None = None) -> Node:
    return at.build("linear", x, w, *([] if b is None else [b]))


@aten("addmm")
def _addmm(at: Importer, b: Node, x: Node, w: Node) -> Node:
    return _linear(at, x, at.permute(w, 1, 0), b)


@aten("batch_norm", "_native_batch_norm_legit_no_training", "_native_batch_norm_legit")
def _batch_norm(
    at: Importer,
    x: Node,
    gamma: Node | None,
    beta: Node | None,
    mean: Node | None,
    var: Node | None,
    *rest: object,
) -> Node:
    training, eps = (rest[0], rest[2]) if len(rest) > 2 else (False, rest[1])
    if training:
        raise UnsupportedError(
            "batch-norm in training mode; Trainlet trains with frozen statistics: export "
            "model.eval()"
        )
    channels = (x.type.shape[1],)
    centre = at.value(mean, "batch-norm's running mean")
    spread = np.sqrt(at.value(var, "batch-norm's running variance") + np.float32(float(eps)))  # type: ignore[arg-type]
    gamma = gamma or at.const(np.ones(channels), f"{at.label}.ones")
    beta = beta or at.const(np.zeros(channels), f"{at.label}.zeros")
    factor = at.const(1 / spread, f"{at.label}.rstd")
    term = at.const(-centre / spread, f"{at.label}.shift")
    return at.build("batch_norm", x, gamma, beta, factor, term, axis=1)


def _affine(at: Importer, x: Node, gamma: Node | None, beta: Node | None) -> Node:
    """x * gamma + beta over the last dimensions."""
    x = x if gamma is None else at.build("mul", x, gamma)
    return x if beta is None else at.build("add", x, beta)


@aten("layer_norm")
def _layer_norm(
    at: Importer,
    x: Node,
    shape: Sequence[int],
    gamma: Node | None = None,
    beta: Node | None = None,
    eps: float = 1e-5,
    *_: object,
) -> Node:
    size = prod(shape)
    view = (x.type.size // size, 1, 1, size)
    return _affine(at, at.build("normalize", x, view=view, eps=eps), gamma, beta)


@aten("group_norm")
def _group_norm(
    at: Importer,
    x: Node,
    groups: int,
    gamma: Node | None = None,
    beta: Node | None = None,
    eps: float = 1e-5,
    *_: object,
) -> Node:
    n, c, *spots = x.type.shape
    rank = x.type.rank
    last = at.permute(x, 0, *range(2, rank), 1)
    view = (n, prod(spots), groups, c // groups)
    y = _affine(at, at.build("normalize", last, view=view, eps=eps), gamma, beta)
    return at.permute(y, 0, rank - 1, *range(1, rank - 1))


def _unary(op: str) -> Builder:
    return lambda at, x: at.build(op, x)


for _op, _names in {
    "relu": ("relu", "relu_"),
    "relu6": ("relu6", "relu6_"),
    "hard_swish": ("hardswish", "hardswish_"),
    "hard_sigmoid": ("hardsigmoid", "hardsigmoid_"),
    "sigmoid": ("sigmoid", "sigmoid_"),
    "tanh": ("tanh", "tanh_"),
    "silu": ("silu", "silu_"),
}.items():
    aten(*_names)(_unary(_op))


@aten("gelu")
def _gelu(at: Importer, x: Node, approximate: str = "none") -> Node:
    return at.build("gelu_tanh" if approximate == "tanh" else "gelu", x)


@aten("hardtanh", "hardtanh_", "clamp", "clamp_")
def _hardtanh(at: Importer, x: Node, low: float | None = -1, high: float | None = 1) -> Node:
    if (low, high) == (0, 6):
        return at.build("relu6", x)
    if low == 0 and high is None:
        return at.build("relu", x)
    raise UnsupportedError(f"clamping to {low}..{high}; allowed: 0..6 (ReLU6) and 0.. (ReLU)")


@aten("clamp_min", "clamp_min_")
def _clamp_min(at: Importer, x: Node, low: float) -> Node:
    return _hardtanh(at, x, low, None)


@aten("dropout", "dropout_", "feature_dropout", "alias", "contiguous", "detach", "lift_fresh_copy")
@aten("clone", "native_dropout")
def _identity(at: Importer, x: Node, *_: object, **__: object) -> Node:
    return x


def _binary(op: str, scalar: str, scale: Callable[[float], float]) -> Builder:
    def builder(at: Importer, a: Node | float, b: Node | float, alpha: float = 1) -> Node:
        if alpha != 1:
            raise UnsupportedError(f"{op} with alpha={alpha}; multiply explicitly")
        if isinstance(a, Node) and isinstance(b, Node):
            return at.build(op, a, b)
        if isinstance(a, Node):
            key = {"scale": "factor", "offset": "term"}[scalar]
            return at.build(scalar, a, **{key: scale(float(b))})  # type: ignore[arg-type]
        return builder(at, b, a) if op != "sub" else _reverse_sub(at, float(a), b)  # type: ignore[arg-type]

    return builder


def _reverse_sub(at: Importer, a: float, b: Node) -> Node:
    return at.build("offset", at.build("scale", b, factor=-1.0), term=a)


aten("add", "add_")(_binary("add", "offset", lambda v: v))
aten("sub", "sub_")(_binary("sub", "offset", lambda v: -v))
aten("mul", "mul_")(_binary("mul", "scale", lambda v: v))


@aten("rsub")
def _rsub(at: Importer, x: Node, other: float, alpha: float = 1) -> Node:
    if isinstance(other, Node) or alpha != 1:
        raise UnsupportedError("rsub of two tensors; write a - b")
    return _reverse_sub(at, float(other), x)


@aten("neg")
def _neg(at: Importer, x: Node) -> Node:
    return at.build("scale", x, factor=-1.0)


@aten("div", "div_")
def _div(at: Importer, x: Node, divisor: Node | float) -> Node:
    if not isinstance(divisor, Node):
        return at.build("scale", x, factor=1 / float(divisor))
    if divisor.op != "const":
        raise UnsupportedError("division by a computed tensor; allowed: by a number or a buffer")
    reciprocal = at.const(1 / at.value(divisor, "the divisor"), f"{divisor.name}.reciprocal")
    return at.build("mul", x, reciprocal)


@aten("max_pool2d", "max_pool1d")
def _max_pool(
    at: Importer,
    x: Node,
    kernel: Sequence[int],
    stride: Sequence[int] = (),
    padding: Sequence[int] = (0,),
    dilation: Sequence[int] = (1,),
    ceil_mode: bool = False,
) -> Node:
    _reject_ceil(ceil_mode)
    size, step, reach = (_spatial(x, v) for v in (kernel, stride or kernel, dilation))
    pads = _pads(x, padding)
    return at.channels_last(
        "max_pool", x, kernel=size, stride=step, padding=pads, dilation=reach
    )


@aten("avg_pool2d", "avg_pool1d")
def _avg_pool(
    at: Importer,
    x: Node,
    kernel: Sequence[int],
    stride: Sequence[int] = (),
    padding: Sequence[int] = (0,),
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
) -> Node:
    _reject_ceil(ceil_mode)
    if divisor_override:
        raise UnsupportedError(f"average pooling with divisor_override={divisor_override}")
    size, step = (_spatial(x, v) for v in (kernel, stride or kernel))
    attrs = {"kernel": size, "stride": step, "padding": _pads(x, padding)}
    return at.channels_last("avg_pool", x, **attrs, count_padding=count_include_pad)


def _reject_ceil(ceil_mode: bool) -> None:
    if ceil_mode:
        raise UnsupportedError("pooling with ceil_mode=True; pad the input instead")


@aten("adaptive_avg_pool2d", "_adaptive_avg_pool2d", "adaptive_avg_pool1d")
def _adaptive_avg_pool(at: Importer, x: Node, out: Sequence[int]) -> Node:
    size = x.type.shape[2:]
    goal = pair(out) if x.type.rank == 4 else pair(out)[:1]
    if set(goal) == {1}:
        return _mean(at, x, range(2, x.type.rank), True)
    if all(n % m == 0 for n, m in zip(size, goal, strict=True)):
        return _avg_pool(at, x, [n // m for n, m in zip(size, goal, strict=True)])
    return at.channels_last("adaptive_avg_pool", x, out=_spatial(x, goal))


@aten("adaptive_max_pool2d", "adaptive_max_pool1d")
def _adaptive_max_pool(at: Importer, x: Node, out: Sequence[int]) -> list[Node]:
    size = x.type.shape[2:]
    goal = pair(out)[: len(size)]
    if any(n % m for n, m in zip(size, goal, strict=True)):
        raise UnsupportedError(f"adaptive max pooling of {size} to {goal}: must divide evenly")
    return [_max_pool(at, x, [n // m for n, m in zip(size, goal, strict=True)])]


@aten("mean")
def _mean(
    at: Importer,
    x: Node,
    dims: Sequence[int] | None = None,
    keepdim: bool = False,
    dtype: object = None,
) -> Node:
    axes = {d % x.type.rank for d in (dims if dims else range(x.type.rank))}
    kept = tuple(1 if k in axes else n for k, n in enumerate(x.type.shape))
    y = at.build("sum_to", x, shape=kept, factor=1 / prod(x.type.shape[k] for k in axes))
    if keepdim:
        return y
    return at.reshape(y, [n for k, n in enumerate(x.type.shape) if k not in axes])


@aten("flatten")
def _flatten(at: Importer, x: Node, start: int = 0, end: int = -1) -> Node:
    shape = x.type.shape
    start, end = start % len(shape), end % len(shape)
    return at.reshape(x, (*shape[:start], prod(shape[start : end + 1]), *shape[end + 1 :]))


@aten("view", "reshape", "_unsafe_view")
def _reshape(at: Importer, x: Node, shape: Sequence[int]) -> Node:
    known = prod(n for n in shape if n != -1)
    return at.reshape(x, [x.type.size // known if n == -1 else n for n in shape])


@aten("unflatten")
def _unflatten(at: Importer, x: Node, axis: int, sizes: Sequence[int]) -> Node:
    axis %= x.type.rank
    known = prod(n for n in sizes if n != -1)
    parts = [x.type.shape[axis] // known if n == -1 else n for n in sizes]
    return at.reshape(x, (*x.type.shape[:axis], *parts, *x.type.shape[axis + 1 :]))


@aten("permute")
def _permute(at: Importer, x: Node, dims: Sequence[int]) -> Node:
    return at.permute(x, *(d % x.type.rank for d in dims))


@aten("transpose")
def _transpose(at: Importer, x: Node, a: int, b: int) -> Node:
    order = list(range(x.type.rank))
    order[a], order[b] = order[b], order[a]
    return at.permute(x, *order)


@aten("mT")
def _matrix_transpose(at: Importer, x: Node) -> Node:
    return _transpose(at, x, -2, -1)


@aten("t", "numpy_T")
def _t(at: Importer, x: Node) -> Node:
    return at.permute(x, *reversed(range(x.type.rank)))


@aten("unsqueeze")
def _unsqueeze(at: Importer, x: Node, axis: int) -> Node:
    axis %= x.type.rank + 1
    return at.reshape(x, (*x.type.shape[:axis], 1, *x.type.shape[axis:]))


@aten("squeeze")
def _squeeze(at: Importer, x: Node, dims: int | Sequence[int] | None = None) -> Node:
    rank = x.type.rank
    chosen = range(rank) if dims is None else [dims] if isinstance(dims, int) else dims
    axes = {d % rank for d in chosen}
    return at.reshape(
        x, [n for k, n in enumerate(x.type.shape) if not (k in axes and n == 1)]
    )


@aten("expand")
def _expand(at: Importer, x: Node, sizes: Sequence[int], implicit: bool = False) -> Node:
    lead = len(sizes) - x.type.rank
    shape = tuple(x.type.shape[k - lead] if n == -1 else n for k, n in enumerate(sizes))
    return x if shape == x.type.shape else at.build("broadcast_to", x, shape=shape)


def _part(at: Importer, x: Node, axis: int, start: int, stop: int, step: int = 1) -> Node:
    if (start, stop, step) == (0, x.type.shape[axis], 1):
        return x
    return at.build("slice", x, axis=axis, start=start, stop=stop, step=step)


@aten("slice")
def _slice(
    at: Importer,
    x: Node,
    axis: int = 0,
    start: int | None = None,
    stop: int | None = None,
    step: int = 1,
) -> Node:
    axis %= x.type.rank
    first, last, _ = slice(start, stop, step).indices(x.type.shape[axis])
    return _part(at, x, axis, first, last, step)


@aten("select")
def _select(at: Importer, x: Node, axis: int, index: int) -> Node:
    axis %= x.type.rank
    index %= x.type.shape[axis]
    return _squeeze(at, _part(at, x, axis, index, index + 1), axis)


@aten("narrow")
def _narrow(at: Importer, x: Node, axis: int, start: int, length: int) -> Node:
    axis %= x.type.rank
    return _part(at, x, axis, start, start + length)


def _cut(at: Importer, x: Node, sizes: Sequence[int], axis: int) -> list[Node]:
    edges = np.cumsum([0, *sizes]).tolist()
    return [_part(at, x, axis, a, b) for a, b in zip(edges, edges[1:], strict=False)]


@aten("chunk")
def _chunk(at: Importer, x: Node, chunks: int, axis: int = 0) -> list[Node]:
    axis %= x.type.rank
    return _split(at, x, -(-x.type.shape[axis] // chunks), axis)


@aten("split", "split_with_sizes")
def _split(at: Importer, x: Node, size: int | Sequence[int], axis: int = 0) -> list[Node]:
    axis %= x.type.rank
    total = x.type.shape[axis]
    if isinstance(size, int):
        size = [min(size, total - k) for k in range(0, total, size)]
    return _cut(at, x, size, axis)


@aten("unbind")
def _unbind(at: Importer, x: Node, axis: int = 0) -> list[Node]:
    return [_select(at, x, axis, k) for k in range(x.type.shape[axis])]


@aten("cat", "concat", "concatenate")
def _cat(at: Importer, parts: Sequence[Node], axis: int = 0) -> Node:
    axis %= parts[0].type.rank
    joined = parts[0]
    for part in parts[1:]:
        joined = at.build("concat", joined, part, axis=axis)
    return joined


@aten("stack")
def _stack(at: Importer, parts: Sequence[Node], axis: int = 0) -> Node:
    return _cat(at, [_unsqueeze(at, p, axis) for p in parts], axis % (parts[0].type.rank + 1))


@aten("pad", "constant_pad_nd")
def _pad(
    at: Importer, x: Node, pads: Sequence[int], mode: str | float = "constant", value: float = 0
) -> Node:
    if mode not in ("constant", 0) or value:
        raise UnsupportedError(f"pad with mode {mode!r} and value {value}; allowed: zeros")
    for k in range(0, len(pads), 2):
        axis, (before, after) = x.type.rank - 1 - k // 2, pads[k : k + 2]
        if min(before, after) < 0:
            raise UnsupportedError(f"negative padding {list(pads)}; slice instead")
        if before or after:
            size = x.type.shape[axis] + before + after
            x = at.build("spread", x, axis=axis, start=before, size=size, step=1)
    return x


@aten("matmul", "bmm", "mm")
def _matmul(at: Importer, a: Node, b: Node) -> Node:
    if b.type.rank == 2 and a.type.rank > 2:
        rows = at.reshape(a, (a.type.size // a.type.shape[-1], a.type.shape[-1]))
        return at.reshape(_matmul(at, rows, b), (*a.type.shape[:-1], b.type.shape[1]))
    return at.build("matmul", a, b)


@aten("softmax", "_softmax")
def _softmax(at: Importer, x: Node, axis: int, *_: object) -> Node:
    axis %= x.type.rank
    if axis == x.type.rank - 1:
        return at.build("softmax", x)
    moved = _transpose(at, x, axis, x.type.rank - 1)
    return _transpose(at, at.build("softmax", moved), axis, x.type.rank - 1)


@aten("scaled_dot_product_attention")
def _attention(
    at: Importer,
    q: Node,
    k: Node,
    v: Node,
    mask: Node | None = None,
    dropout: float = 0.0,
    causal: bool = False,
    *,
    scale: float | None = None,
    enable_gqa: bool = False,
) -> Node:
    if enable_gqa:
        raise UnsupportedError("scaled_dot_product_attention with enable_gqa; repeat the heads")
    factor = 1 / sqrt(q.type.shape[-1]) if scale is None else scale
    logits = at.build("matmul", at.build("scale", q, factor=factor), k, tb=True)
    if causal:
        hidden = np.triu(np.full(logits.type.shape[-2:], -1e9, np.float32), 1)
        logits = at.build("add", logits, at.const(hidden, f"{at.label}.causal"))
    if mask is not None:
        logits = at.build("add", logits, mask)
    return at.build("matmul", at.build("softmax", logits), v)
