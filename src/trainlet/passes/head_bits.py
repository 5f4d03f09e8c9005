"""Keeps the trained parameters of a float32 head as int16 multiples of a power of two: half the
RAM, and half the Flash of what they start from."""

from __future__ import annotations

from math import ceil, log2

import numpy as np

from trainlet.errors import SchemeError, shown
from trainlet.ir.graph import Graph, Node, rewrite, topological
from trainlet.ir.roles import predictions
from trainlet.ir.storage import storage, to_device
from trainlet.ir.types import Quant, TensorType
from trainlet.ops.op import OPS, build, leaf
from trainlet.ops.quantized.cast import DEQUANTIZE
from trainlet.ops.quantized.types import HIGHEST, LOWEST
from trainlet.ops.shape import RESHAPE
from trainlet.passes.update import PREFIX

GROWTH = 4.0
"""How many times its largest pretrained value a parameter can reach."""
LOGIT = 8.0
"""The logit that a bias, or a weight with the largest value of its input, can reach at least."""


def keep_head_in_16_bits(graph: Graph) -> Graph:
    """The float32 leaf of each trained parameter of a last layer becomes int16 with one scale.
    `dequantize_i16` makes the float32 tensor where the layer reads it.

    Raises SchemeError for a parameter that learns in part.
    """
    units = {
        p: unit_of(to_device(p, graph.values[p.name]), _most(layer.inputs[0], p))
        for layer in _last_layers(graph)
        for p in topological(layer.inputs[1:])
        if p.op == "param" and p.type.dtype == "float32" and f"{PREFIX}{p.name}" in graph.outputs
    }

    def rule(n: Node) -> Node | None:
        if n not in units:
            return None
        if storage(n).part:
            raise SchemeError(
                f"head_bits=16: {shown(n.name)} learns in part; allowed: a ratio of 1, or "
                "head_bits=32"
            )
        channels, unit = n.type.shape[0], units[n]
        quant = Quant((unit,) * channels, (0,) * channels, 0)
        moved = leaf("param", n.name, TensorType(n.type.shape, "int16", quant), **n.attrs)
        return build("dequantize_i16", moved, scale=unit, label=n.name)

    return rewrite(graph, rule)


def unit_of(pretrained: np.ndarray, most: float) -> float:
    """The smallest power of two of which 2^15 are at least GROWTH times the largest pretrained
    value, and make a logit of LOGIT out of an input of `most`."""
    reach = max(GROWTH * float(np.abs(pretrained).max()), LOGIT / most)
    return 2.0 ** (ceil(log2(reach)) - 15)


def _last_layers(graph: Graph) -> list[Node]:
    """The last layer that each prediction depends on."""
    layers = (
        [n for n in topological([output]) if not n.is_leaf and OPS[n.op].channel_axis is not None]
        for output in predictions(graph).values()
    )
    return [own[-1] for own in layers if own]


def _most(x: Node, p: Node) -> float:
    """The largest value of a layer's input, if a dequantised one; 1 for others, and for a bias."""
    while x.op == RESHAPE.name:
        x = x.inputs[0]
    if x.op != DEQUANTIZE.name or p.type.rank == 1:
        return 1.0
    zero = x.attrs["zero_point"]
    return x.attrs["scale"] * max(HIGHEST - zero, zero - LOWEST)
