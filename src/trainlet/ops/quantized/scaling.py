"""The update node of a quantised parameter: quantisation-aware scaling as a constant a channel."""

from __future__ import annotations

import numpy as np

from trainlet.ir.graph import Node
from trainlet.ir.storage import read_type, storage
from trainlet.ir.types import Quant, TensorType
from trainlet.ops.op import build, leaf
from trainlet.ops.quantized.precision import Int8
from trainlet.ops.quantized.random import tensor_id
from trainlet.ops.quantized.update import SGD_OF

DEAD = 1e-3
"""A channel whose scale is below this share of the tensor's median holds nothing but zeros in the
pretrained network; its 1 / s is clamped, or one step would throw it across its whole range."""


def inverse_scales(quant: Quant, qas: bool) -> np.ndarray:
    """1 / s for each output channel, dead ones clamped; s itself without QAS."""
    scale = np.asarray(quant.scale, np.float64)
    if not qas:
        return scale.astype(np.float32)
    return (1 / np.maximum(scale, DEAD * np.median(scale))).astype(np.float32)


def integer_update(
    p: Node, direction: Node, lr: Node, step: Node, precision: Int8
) -> tuple[Node, dict[str, np.ndarray]]:
    """The node that moves an integer parameter by -lr * direction (real units), and the value of
    the constant that it needs."""
    planes = storage(p).planes
    quant = read_type(p).quant
    assert quant is not None and quant.axis is not None
    inverse = inverse_scales(quant, precision.qas)
    scales = leaf("const", f"{p.name}.inverse_scale", TensorType(inverse.shape))
    op = "sgd_planes" if planes else SGD_OF[p.type.dtype]
    attrs = {
        "axis": quant.axis,
        "seed": precision.seed,
        "tensor": tensor_id(p.name),
        "rounding": precision.rounding,
        **({"planes": planes} if planes else {}),
    }
    update = build(op, p, direction, scales, lr, step, label=p.name, **attrs)
    return update, {scales.name: inverse}
