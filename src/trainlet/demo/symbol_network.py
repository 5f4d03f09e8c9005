"""The network of the few-shot demo: it turns a drawing into 64 features."""

from __future__ import annotations

from pathlib import Path

from safetensors.torch import load_file
from torch import nn

WEIGHTS = Path(__file__).parent / "assets" / "symbol_network.safetensors"
LAYERS = ((1, 16, 2), (16, 24, 2), (24, 32, 2), (32, 64, 1))
"""Channels before and after, and stride of each 3x3 convolution."""
SCALE = "scale"


def symbol_network() -> nn.Sequential:
    """Drawings [n, 1, 28, 28] -> features [n, 64]."""
    layers: list[nn.Module] = []
    for before, after, stride in LAYERS:
        layers += [nn.Conv2d(before, after, 3, stride, 1), nn.ReLU()]
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten())


def load_meta_trained() -> tuple[nn.Sequential, float]:
    """The network and the scale of its head, as demo/meta_train.py left them."""
    found = load_file(WEIGHTS)
    scale = found.pop(SCALE).item()
    network = symbol_network()
    network.load_state_dict(found)
    return network.eval(), scale
