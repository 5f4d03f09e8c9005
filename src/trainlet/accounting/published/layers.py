"""The layers of an inverted-bottleneck network, with the sizes that rules of memory read."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass


@dataclass(frozen=True)
class Block:
    """Pointwise convolution to `expanded` channels, depthwise convolution, pointwise convolution to
    `channels`; the first one is absent where the input has `expanded` channels already."""

    kernel: int
    expanded: int
    channels: int
    stride: int


@dataclass(frozen=True)
class Network:
    """A 3x3 convolution with stride 2 to `stem` channels, blocks, a pointwise convolution to `mix`
    channels (0: none), the mean of each map, a linear layer."""

    name: str
    stem: int
    blocks: tuple[Block, ...]
    mix: int = 0


@dataclass(frozen=True)
class Layer:
    """A layer for one image.

    kind: "conv", "linear", "norm" or "relu"
    channels, size: of its input and of its output; size is height and width
    held: elements of the block's input, which the shortcut reads after this layer
    reads: the layers whose results it reads
    """

    name: str
    kind: str
    channels: tuple[int, int]
    size: tuple[int, int]
    kernel: int = 1
    groups: int = 1
    held: int = 0
    reads: tuple[str, ...] = ()

    @property
    def inputs(self) -> int:
        """Elements of its input."""
        return self.channels[0] * self.size[0] ** 2

    @property
    def outputs(self) -> int:
        """Elements of its output."""
        return self.channels[1] * self.size[1] ** 2

    @property
    def weights(self) -> int:
        """Elements of its weight; gamma of a norm."""
        if self.kind == "relu":
            return 0
        fan = 1 if self.kind == "norm" else self.channels[0] // self.groups * self.kernel**2
        return self.channels[1] * fan

    @property
    def biases(self) -> int:
        """Elements of its bias; beta of a norm.  A convolution before a norm has none."""
        return self.channels[1] if self.kind in ("norm", "linear") else 0


def layers_of(
    network: Network, resolution: int, classes: int, lite: bool = False
) -> tuple[Layer, ...]:
    """The layers in the order in which they run.

    lite: with TinyTL's lite residual module beside every block but the first
    """
    return tuple(_Builder(network, resolution, lite).layers(classes))


class _Builder:
    def __init__(self, network: Network, resolution: int, lite: bool) -> None:
        self.network, self.lite = network, lite
        self.size, self.channels, self.held = resolution, 3, 0
        self.reads: tuple[str, ...] = ()
        self.lite_size = 128 if lite else 0  # TinyTL's, whatever the image's resolution is

    def layers(self, classes: int) -> Iterator[Layer]:
        yield from self.conv("first_conv", self.network.stem, 3, 2, act=True)
        for k, block in enumerate(self.network.blocks):
            yield from self.block(f"blocks.{k}", block, self.lite and k > 0)
        if self.network.mix:
            yield from self.conv("feature_mix", self.network.mix, act=True)
        ends = (self.channels, classes), (1, 1)
        yield Layer("classifier", "linear", *ends, reads=self.reads)

    def block(self, name: str, block: Block, lite: bool) -> Iterator[Layer]:
        start = self.size, self.channels, self.reads
        shortcut = block.stride == 1 and block.channels == self.channels
        self.held = self.channels * self.size**2 if shortcut else 0
        if block.expanded != self.channels:
            yield from self.conv(f"{name}.pointwise1", block.expanded, act=True)
        depthwise = block.expanded, block.kernel, block.stride, block.expanded
        yield from self.conv(f"{name}.depthwise", *depthwise, act=True)
        yield from self.conv(f"{name}.pointwise2", block.channels)
        end = self.size, self.channels, self.reads
        if lite:
            self.size, self.channels, self.reads = start
            yield from self.lite_residual(f"{name}.lite", block)
            end = (*end[:2], (*end[2], *self.reads))
        self.size, self.channels, self.reads = end
        if shortcut:
            self.reads += start[2]
        self.held = 0

    def lite_residual(self, name: str, block: Block) -> Iterator[Layer]:
        """Average pooling, a convolution with 2 groups, a pointwise one; the kernel is smaller
        where the pooled map is, and one pixel is left of a map of one."""
        pooled, kernel = max(1, self.lite_size // 2), 5
        self.lite_size //= block.stride
        self.size = 1 if pooled == 1 else self.size // 2
        while pooled < kernel:
            kernel -= 2
        yield from self.conv(f"{name}.conv1", self.channels, kernel, block.stride, 2, act=True)
        yield from self.conv(f"{name}.conv2", block.channels)

    def conv(
        self, name: str, channels: int, kernel: int = 1, stride: int = 1, groups: int = 1,
        act: bool = False,
    ) -> Iterator[Layer]:  # fmt: skip
        """A convolution, its norm, and its ReLU if `act`."""
        size = (self.size - 1) // stride + 1
        ends = (self.channels, channels), (self.size, size)
        yield self.layer(name, "conv", *ends, kernel, groups)
        self.channels, self.size = channels, size
        for kind in ("norm", "relu") if act else ("norm",):
            yield self.layer(f"{name}.{kind}", kind, (channels, channels), (size, size))

    def layer(self, name: str, kind: str, *sizes) -> Layer:
        layer = Layer(name, kind, *sizes, held=self.held, reads=self.reads)
        self.reads = (name,)
        return layer
