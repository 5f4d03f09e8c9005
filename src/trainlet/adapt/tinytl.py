"""Lite residual modules (TinyTL: Cai et al., 2020) beside the inverted bottlenecks of a network.

    block(x) + up(norm(conv 1x1(relu(norm(group conv(pool(x)))))))

The module works on maps of a quarter of the size, so what its weights' gradients keep is small.
The last norm begins with a weight of zero, so the network begins as it was.
"""

from __future__ import annotations

from math import gcd
from zlib import crc32

import numpy as np

from trainlet.adapt.blocks import Block, bottlenecks
from trainlet.adapt.layers import norm_after
from trainlet.adapt.upsample import upsampled
from trainlet.arguments import graph_of
from trainlet.errors import SchemeError
from trainlet.ir.arguments import finite, whole
from trainlet.ir.graph import Graph, Node
from trainlet.ops.op import build, float32, leaf
from trainlet.ops.quantized.cast import dequantized
from trainlet.ops.quantized.types import HIGHEST, LOWEST, affine
from trainlet.ops.verify import verify

MODULE, SHIFT = "lite", "lite_shift"
"""What a parameter is: of the module, or the last norm's bias, which the block's own bias makes
needless where it learns too."""
EPS = 1e-5


def tinytl(graph: Graph, expand: float = 1.0, kernel: int = 5, *, seed: int = 0) -> Graph:
    """The graph with a lite residual module beside each inverted bottleneck; train it with the
    scheme "tinytl" (modules and biases) or "tinytl_l" (modules alone).

    Each block gets the parameters `<block>.lite.conv1.weight` [m, c / 2, k, k],
    `.norm1.weight` and `.norm1.bias` [m], `.conv2.weight` [out, m, 1, 1], `.norm2.weight` and
    `.norm2.bias` [out].  c is the number of the block's input channels.

    expand: m is expand * c, to a multiple of 8
    kernel: k is this, or less where the pooled map is smaller: an odd number
    seed: of the values that convolutions begin with, normal with variance 2 / (k k outputs)

    The norms are group norms of at most 8 channels a group, so no statistics are needed; of an
    int8 network the module computes in float32, and its result is quantised.
    Raises SchemeError for a graph without inverted bottlenecks.
    """
    blocks = bottlenecks(graph_of(graph))
    if finite("expand", expand, SchemeError) <= 0:
        raise SchemeError(f"expand is {expand}; allowed: a number above 0")
    if whole("kernel", kernel, 1, 15, SchemeError) % 2 == 0:
        raise SchemeError(f"kernel={kernel}; allowed: an odd number")
    whole("seed", seed, 0, 2**32 - 1, SchemeError)
    if not blocks:
        raise SchemeError(
            "the graph has no inverted bottleneck: a 1x1 convolution to more channels, a depthwise "
            "convolution, a 1x1 convolution to fewer"
        )
    paths = norm_after(graph)
    at = {paths.get(b.project, (b.project,))[-1]: b for b in blocks}
    values = dict(graph.values)
    new: dict[Node, Node] = {}
    for n in graph.nodes():
        new[n] = n.with_inputs(new[i] for i in n.inputs)
        if block := at.get(n):
            module = _Module(block, seed, values)
            lite = module.of(new[block.x], expand, kernel)
            for step in paths.get(block.project, ())[:-1]:
                lite = build(step.op, lite, label=step.name, **step.attrs)
            new[n] = _sum(new[n], lite)
    return verify(Graph({name: new[n] for name, n in graph.outputs.items()}, values))


def _sum(main: Node, lite: Node) -> Node:
    if main.type.dtype != "int8":
        return build("add", main, lite, label=main.name)
    scale, zero = affine(main)
    own = {"scale": scale, "zero_point": zero, "low": LOWEST, "high": HIGHEST}
    return build("add_i8", main, lite, sources=(affine(main), affine(lite)), label=main.name, **own)


class _Module:
    """Builds the module of a block; the values of its leaves go into `values`."""

    def __init__(self, block: Block, seed: int, values: dict[str, np.ndarray]) -> None:
        self.block, self.values = block, values
        self.name = f"{block.name}.lite"
        self.rng = np.random.default_rng([seed, crc32(block.name.encode())])
        if f"{self.name}.conv1.weight" in values:
            raise SchemeError(f"the block {block.name!r} has a lite residual module already")

    def of(self, x: Node, expand: float, kernel: int) -> Node:
        """What is added to the block's result on x: float32, or int8 in its scale."""
        main, channels = self.block.project, x.type.shape[3]
        middle, outputs = divisible(channels * expand), main.type.shape[3]
        y = self.pooled(x)
        while min(y.type.shape[1:3]) < kernel:
            kernel -= 2
        groups = gcd(2, channels, middle)
        y = self.conv(y, "conv1", (middle, channels // groups, kernel, kernel), groups)
        y = build("relu", self.norm(y, "norm1", 1.0), label=self.name)
        y = self.norm(self.conv(y, "conv2", (outputs, middle, 1, 1), 1), "norm2", 0.0)
        if main.type.dtype == "int8":
            clamp = {"zero_point": 0, "low": LOWEST, "high": HIGHEST}
            y = build("quantize", y, scale=affine(main)[0], label=self.name, **clamp)
        y, constants = upsampled(y, main.type.shape[1:3], f"{self.name}.upsample")
        self.values |= constants
        return y

    def pooled(self, x: Node) -> Node:
        """Averages over 2 by 2 elements, as real numbers; a side of 1 stays."""
        sides = tuple(min(2, n) for n in x.type.shape[1:3])
        window = {
            "kernel": sides, "stride": sides, "padding": (0, 0, 0, 0), "dilation": (1, 1)
        }  # fmt: skip
        if x.type.dtype != "int8":
            return build("avg_pool", x, count_padding=False, label=self.name, **window)
        scale, zero = affine(x)
        own = {"scale": scale, "zero_point": zero, "low": LOWEST, "high": HIGHEST}
        return dequantized(build("avg_pool_i8", x, label=self.name, **window, **own))

    def conv(self, x: Node, name: str, shape: tuple[int, int, int, int], groups: int) -> Node:
        half = shape[2] // 2
        deviation = (2 / (shape[2] * shape[3] * shape[0])) ** 0.5
        weight = self.leaf(f"{name}.weight", self.rng.normal(0, deviation, shape))
        stride = self.block.stride if name == "conv1" else (1, 1)
        return build(
            "conv2d", x, build("permute", weight, permutation=(0, 2, 3, 1)), stride=stride,
            padding=(half,) * 4, dilation=(1, 1), groups=groups, label=f"{self.name}.{name}",
        )  # fmt: skip

    def norm(self, x: Node, name: str, begins: float) -> Node:
        """A group norm whose weight begins with one number, and its bias with zeros."""
        n, height, width, channels = x.type.shape
        members = next(k for k in range(8, 0, -1) if channels % k == 0)
        view = (n, height * width, channels // members, members)
        last = name == "norm2"
        weight = self.leaf(f"{name}.weight", np.full(channels, begins))
        bias = self.leaf(f"{name}.bias", np.zeros(channels), SHIFT if last else MODULE)
        y = build("normalize", x, view=view, eps=EPS, label=f"{self.name}.{name}")
        y = build("mul", y, weight, label=f"{self.name}.{name}")
        return build("add", y, bias, label=f"{self.name}.{name}")

    def leaf(self, name: str, value: np.ndarray, adapter: str = MODULE) -> Node:
        name = f"{self.name}.{name}"
        self.values[name] = value.astype(np.float32)
        return leaf("param", name, float32(*value.shape), adapter=adapter)


def divisible(channels: float) -> int:
    """The multiple of 8 that is nearest, at least nine tenths of the number, and at least 8."""
    found = max(8, int(channels + 4) // 8 * 8)
    return found + 8 if found < 0.9 * channels else found
