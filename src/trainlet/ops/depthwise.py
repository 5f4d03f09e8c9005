"""Depthwise convolution, channels last: one kernel a channel, w [KH,KW,C]; and its gradients."""

from __future__ import annotations

from typing import Any

from trainlet.ir.types import TensorType
from trainlet.ops.channels import chosen_channels
from trainlet.ops.conv import convolve, gradients, infer
from trainlet.ops.correlate import correlate_dw, correlate_dx
from trainlet.ops.op import ANOTHER_ORDER, Op, Sample, build, float32, register, require
from trainlet.ops.row_access import window_dx_rows, window_rows
from trainlet.ops.window import Geometry, Pair

PLAIN = {"stride": (1, 1), "padding": (1, 1, 1, 1), "dilation": (1, 1)}
ODD = {"stride": (2, 2), "padding": (2, 3, 3, 2), "dilation": (1, 2)}

DEPTHWISE = register(
    Op(
        "depthwise",
        rows=window_rows,
        infer=infer,
        eval=convolve,
        vjp=gradients,
        call=lambda n: Geometry.of(n).literals(n.inputs[0].type, n.type),
        pointers=3,
        macs=lambda n: Geometry.of(n).macs(n.type, n.inputs[1].type),
        channel_axis=2,
        tolerance=ANOTHER_ORDER,
        samples=[
            Sample((float32(2, 5, 4, 3), float32(3, 3, 3), float32(3)), PLAIN),
            Sample((float32(1, 8, 9, 2), float32(5, 3, 2)), ODD),
        ],
    )
)


register(
    Op(
        "depthwise_dx",
        rows=window_dx_rows,
        infer=lambda g, w, *, size, **_: g.with_shape((g.shape[0], *size, g.shape[3])),
        eval=lambda g, w, size, **window: correlate_dx(g, w, size, Geometry.of_weight(w, **window)),
        call=lambda n: Geometry.of(n).literals(n.type, n.inputs[0].type),
        macs=lambda n: Geometry.of(n).macs(n.inputs[0].type, n.inputs[1].type),
        tolerance=ANOTHER_ORDER,
        samples=[
            Sample((float32(2, 5, 4, 3), float32(3, 3, 3)), {"size": (5, 4), **PLAIN}),
            Sample((float32(1, 5, 5, 2), float32(5, 3, 2)), {"size": (8, 9), **ODD}),
        ],
    )
)


def _infer_dw(g: TensorType, x: TensorType, *, kernel: Pair, **_: Any) -> TensorType:
    require(g.shape[3] == x.shape[3], f"gradient {g} and input {x} must have the same channels")
    return g.with_shape((*kernel, g.shape[3]))


register(
    Op(
        "depthwise_dw",
        infer=_infer_dw,
        eval=lambda g, x, **window: correlate_dw(g, x, Geometry(**window)),
        narrow=lambda n, chosen: build(
            n.op, *(chosen_channels(t, chosen) for t in n.inputs), label=n.name, **n.attrs
        ),
        call=lambda n: Geometry.of(n).literals(n.inputs[1].type, n.inputs[0].type),
        macs=lambda n: Geometry.of(n).macs(n.inputs[0].type, n.type),
        tolerance=ANOTHER_ORDER,
        samples=[
            Sample((float32(2, 5, 4, 3), float32(2, 5, 4, 3)), {"kernel": (3, 3), **PLAIN}),
            Sample((float32(1, 5, 5, 2), float32(1, 8, 9, 2)), {"kernel": (5, 3), **ODD}),
        ],
    )
)
