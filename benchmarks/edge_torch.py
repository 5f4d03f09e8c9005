"""The networks of `edge_networks.py` in PyTorch."""

from __future__ import annotations

import torch
from edge_networks import CLASSES, Block, Layer, Network
from torch import Tensor, nn

ACTS = {"relu": nn.functional.relu, "relu6": nn.functional.relu6, "": lambda v: v}


class Part(nn.Module):
    """A block."""

    def __init__(self, block: Block) -> None:
        super().__init__()
        self.block = block
        self.layers = nn.ModuleList(_conv(layer) for layer in block.layers)
        if block.shortcut:
            self.shortcut = _conv(block.shortcut)

    def forward(self, x: Tensor) -> Tensor:
        before = x
        for layer, conv in zip(self.block.layers, self.layers, strict=True):
            x = ACTS[layer.act](conv(x))
        if self.block.residual:
            x = x + (self.shortcut(before) if self.block.shortcut else before)
        x = ACTS[self.block.act](x)
        return nn.functional.max_pool2d(x, 3, 2, 1) if self.block.pool else x


class Model(nn.Module):
    """A whole network."""

    def __init__(self, network: Network) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(Part(block) for block in network.blocks)
        self.head = nn.Linear(network.blocks[-1].layers[-1].outputs, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        for block in self.blocks:
            x = block(x)
        return self.head(x.mean((2, 3)))


def _conv(layer: Layer) -> nn.Conv2d:
    made = nn.Conv2d(layer.inputs, layer.outputs, layer.kernel, layer.stride, layer.kernel // 2,
                     groups=layer.groups)  # fmt: skip
    nn.init.kaiming_normal_(made.weight, nonlinearity="relu" if layer.act else "linear")
    if not layer.act:  # so that sums of many blocks stay small
        made.weight.data *= 0.2
    nn.init.normal_(made.bias, 0, 0.01)
    return made


def seeded(network: Network, batch: int) -> tuple[Model, Tensor, Tensor]:
    """The model, a batch of images and their labels, always the same."""
    torch.manual_seed(0)
    model = Model(network).eval()
    x = torch.randn(batch, 3, network.size, network.size)
    return model, x, torch.randint(CLASSES, (batch,))
