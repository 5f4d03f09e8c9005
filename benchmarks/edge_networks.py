"""The networks and schemes of `edge.py` as plain data: every engine builds the same ones from it.

Batch norms are folded, as they are before deployment, so that each convolution has a bias.
"""

from __future__ import annotations

from typing import NamedTuple

CLASSES = 10
SCHEMES = ("full", "last", "bias", "blocks")
BLOCKS = 7
"""How many of the last blocks the scheme `blocks` updates."""


class Layer(NamedTuple):
    """A convolution with bias; padding keeps the size of the maps at stride 1."""

    inputs: int
    outputs: int
    kernel: int = 1
    stride: int = 1
    groups: int = 1
    act: str = ""


class Block(NamedTuple):
    """Layers in a row; with `residual` their input, or what `shortcut` makes of it, is added.

    act: of the sum.  pool: a max-pool of 3x3 at stride 2 ends the block.
    """

    layers: tuple[Layer, ...]
    residual: bool = False
    shortcut: Layer | None = None
    act: str = ""
    pool: bool = False


class Network(NamedTuple):
    """Blocks, the mean over positions, and a linear layer to the classes."""

    size: int
    blocks: tuple[Block, ...]


def mobilenet_v2(width: float, size: int) -> Network:
    """MobileNetV2 (Sandler et al., 2018)."""
    stages = [(1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1),
              (6, 160, 3, 2), (6, 320, 1, 1)]  # fmt: skip
    now = _divisible(32 * width)
    blocks = [Block((Layer(3, now, 3, 2, 1, "relu6"),))]
    for expansion, base, repeats, first in stages:
        for k in range(repeats):
            out, wide, stride = _divisible(base * width), now * expansion, first if k == 0 else 1
            expand = (Layer(now, wide, act="relu6"),) if expansion > 1 else ()
            rest = Layer(wide, wide, 3, stride, wide, "relu6"), Layer(wide, out)
            blocks.append(Block((*expand, *rest), stride == 1 and now == out))
            now = out
    last = _divisible(1280 * max(1.0, width))
    return Network(size, (*blocks, Block((Layer(now, last, act="relu6"),))))


def resnet50(size: int) -> Network:
    """The shapes of ResNet-50, with the stride in the 3x3 convolution."""
    blocks, now = [Block((Layer(3, 64, 7, 2, 1, "relu"),), pool=True)], 64
    for width, repeats, first in ((64, 3, 1), (128, 4, 2), (256, 6, 2), (512, 3, 2)):
        for k in range(repeats):
            stride, out = first if k == 0 else 1, 4 * width
            rows = (Layer(now, width, act="relu"), Layer(width, width, 3, stride, 1, "relu"),
                    Layer(width, out))  # fmt: skip
            shortcut = Layer(now, out, 1, stride) if k == 0 else None
            blocks.append(Block(rows, True, shortcut, "relu"))
            now = out
    return Network(size, tuple(blocks))


def _divisible(value: float, by: int = 8) -> int:
    rounded = max(by, int(value + by / 2) // by * by)
    return rounded + by if rounded < 0.9 * value else rounded


NETWORKS = {
    "MobileNetV2-0.35": mobilenet_v2(0.35, 128),
    "MobileNetV2-1.0": mobilenet_v2(1.0, 224),
    "ResNet-50": resnet50(224),
    "small": Network(16, mobilenet_v2(0.35, 16).blocks[:4]),
}
CELLS = [("MobileNetV2-0.35", 1), ("MobileNetV2-0.35", 8), ("MobileNetV2-1.0", 8), ("ResNet-50", 1)]


def learning(network: Network, scheme: str) -> list[str]:
    """The parameters that a scheme updates: `blocks` are the biases and the first pointwise weight
    of each of the last residual blocks, and the head."""
    every = {f"blocks.{b}.{name}": layer for b, block in enumerate(network.blocks)
             for name, layer in layers_of(block)}  # fmt: skip
    head = ["head.weight", "head.bias"]
    if scheme == "last":
        return head
    if scheme == "bias":
        return [*(f"{k}.bias" for k in every), *head]
    if scheme == "full":
        return [f"{k}.{part}" for k in every for part in ("weight", "bias")] + head
    last = [b for b, block in enumerate(network.blocks) if len(block.layers) > 1][-BLOCKS:]
    biases = [f"{k}.bias" for k in every if int(k.split(".")[1]) in last]
    return [*(f"blocks.{b}.layers.0.weight" for b in last), *biases, *head]


def layers_of(block: Block) -> list[tuple[str, Layer]]:
    """The layers of a block by their names in it."""
    shortcut = [("shortcut", block.shortcut)] if block.shortcut else []
    return [*((f"layers.{k}", layer) for k, layer in enumerate(block.layers)), *shortcut]
