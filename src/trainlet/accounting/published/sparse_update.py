"""The memory of sparse update (Lin et al., 2022), and what a compiled trainer needs for it."""

from __future__ import annotations

import numpy as np

from trainlet.accounting.published.layers import Layer, Network
from trainlet.accounting.published.sparse_schemes import SCHEMES, SparseScheme, convolutions
from trainlet.accounting.published.table import PublishedFigure, PublishedTable
from trainlet.compiler import train
from trainlet.frontends.mcunet import backbone
from trainlet.ir.graph import Graph
from trainlet.ops.quantized.precision import Int8
from trainlet.planning.program import saved_for_backward

CLASSES = 10
PAPER = {
    "mcunet-5fps": ("49.8", "74.8", "99.8", "125.0", "148.4"),
    "mbv2-w0.35": ("49.8", "73.9", "99.4", "123.6", "138.2"),
    "proxyless-w0.3": ("49.7", "74.9", "98.5", "120.2", "148.2"),
}


def memory(scheme: SparseScheme) -> int:
    """Bytes by the paper's rule: of each updated layer one bit for an element of its output and 4
    bytes for a bias; of each updated weight its bytes and those of the input channels that its
    gradient reads; the input of the head."""
    layers = convolutions(scheme.network)
    bits = 8 * layers[-1].channels[1]
    for layer in layers[-scheme.biases :]:
        bits += layer.outputs + 32 * layer.channels[1]
    for k, share in scheme.weights.items():
        bits += 8 * _weight(layers[k], share)
    return bits // 8


def _weight(layer: Layer, share: float) -> int:
    """Bytes of the trained share of a weight and of the input that its gradient reads."""
    channels = round(share * layer.channels[0])
    weights = layer.weights * channels // layer.channels[0]
    return channels * layer.size[0] ** 2 + weights


def true(scheme: SparseScheme) -> tuple[int, int]:
    """Bytes that a compiled trainer keeps for the backward pass, and bytes of what learns."""
    precision = Int8(extra_bits=0, bias_bits=32)  # as in the reference engine
    step = train(int8_graph(scheme.network), scheme.update_scheme, precision=precision).step
    return saved_for_backward(step), sum(n.type.nbytes for n in step.leaves("param"))


def int8_graph(network: Network, classes: int = CLASSES) -> Graph:
    """The int8 graph of a network with weights of zero: its sizes are those of the real one."""
    arrays: dict[str, np.ndarray] = {}
    config = {"first_conv": None, "blocks": [{} for _ in network.blocks]}
    for layer in convolutions(network):
        described = _described(layer, arrays)
        first, *rest = layer.name.split(".")
        if rest:
            config["blocks"][int(rest[0])][rest[1]] = described
        else:
            config[first] = described
    channels = network.stem
    for structure, block in zip(config["blocks"], network.blocks, strict=True):
        structure.setdefault("pointwise1", None)
        adds = block.stride == 1 and block.channels == channels
        structure["residual"] = {"params": _quantised()} if adds else None
        channels = block.channels
    return backbone(config, arrays, classes)


def _described(layer: Layer, arrays: dict[str, np.ndarray]) -> dict:
    """A layer as the published files describe it; adds its arrays."""
    (inputs, outputs), kernel, name = layer.channels, layer.kernel, layer.name
    arrays[f"{name}.weight"] = np.zeros((outputs, inputs // layer.groups, kernel, kernel), np.int8)
    arrays[f"{name}.bias"] = np.zeros(outputs, np.int32)
    arrays[f"{name}.w_scales"] = np.ones(outputs, np.float32)
    named = {part: {"array": f"{name}.{part}"} for part in ("weight", "bias", "w_scales")}
    return {
        "in_channel": inputs, "in_shape": layer.size[0], "stride": layer.size[0] // layer.size[1],
        "kernel_size": [kernel, kernel], "groups": layer.groups, "depthwise": layer.groups > 1,
        "params": {**named, **_quantised()},
    }  # fmt: skip


def _quantised() -> dict[str, float | int]:
    return {"x_scale": 1.0, "x_zero": 0, "y_scale": 1.0, "y_zero": 0}


def sparse_update() -> PublishedTable:
    """All 15 released schemes, and what a trainer for ten classes needs."""
    rows = []
    for network, schemes in SCHEMES.items():
        for (name, scheme), paper in zip(schemes.items(), PAPER[network], strict=True):
            kept, learns = true(scheme)
            columns = {"true": kept + learns, "of it kept": kept, "of it learns": learns}
            rows.append(PublishedFigure(f"{network}, {name}", paper, memory(scheme), columns))
    notes = (
        "The paper's rule leaves out the head's weights, its float32 input, and a bit for each "
        "element that a shortcut adds to.",
        f"true: what the compiler keeps for the backward pass, and what learns, {CLASSES} classes.",
        "The sums are beside what inference needs; `trainlet plan` tells the RAM of all of it.",
    )
    return PublishedTable("Sparse update: int8, 128x128, batch 1", "KB", tuple(rows), notes)
