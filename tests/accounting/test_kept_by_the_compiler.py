"""What the true rules of the published tables charge, against what the compiler keeps.

The network is built as TinyTL's is, in small: inverted bottlenecks with group norms, 8 channels a
group, and lite residual modules.
"""

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

import trainlet as tl
from trainlet.accounting.published.activations import TRUE, Choice, input_gradients, memory
from trainlet.accounting.published.layers import Block, Layer, Network, layers_of
from trainlet.accounting.published.tinytl import SCHEMES

SIZE, CLASSES, GROUP = 24, 5, 8
BLOCKS = (Block(3, 8, 8, 1), Block(5, 24, 16, 2), Block(3, 48, 16, 1), Block(3, 48, 24, 2))
NETWORK = Network("small", 8, BLOCKS, 32)


class Built(nn.Module):
    """The layers, each a module; a block's result is the sum of its branches."""

    def __init__(self, layers: tuple[Layer, ...]) -> None:
        super().__init__()
        self.layers = layers
        self.parts = nn.ModuleDict({key(layer): module_of(layer) for layer in layers})

    def forward(self, x: Tensor) -> Tensor:
        results: dict[str, Tensor] = {}
        for layer in self.layers:
            y = x if not layer.reads else branches([results[name] for name in layer.reads])
            if layer.kind == "linear":
                y = y.mean((2, 3))
            elif layer.name.endswith(".lite.conv1"):
                y = F.avg_pool2d(y, 2)
            results[layer.name] = self.parts[key(layer)](y)
        return results[self.layers[-1].name]


def branches(found: list[Tensor]) -> Tensor:
    """The sum; that of a lite residual module is made as large as the others."""
    size = max(y.shape[-1] for y in found)
    total = found[0]
    for y in found[1:]:
        if y.shape[-1] < size:
            y = F.interpolate(y, (size, size), mode="bilinear")
        total = total + y
    return total


def key(layer: Layer) -> str:
    return layer.name.replace(".", "_")


def module_of(layer: Layer) -> nn.Module:
    if layer.kind == "conv":
        pad = (layer.kernel - 1) // 2
        stride = -(-layer.size[0] // layer.size[1])
        how = {"padding": pad, "groups": layer.groups, "bias": False}
        return nn.Conv2d(*layer.channels, layer.kernel, stride, **how)
    if layer.kind == "norm":
        return nn.GroupNorm(layer.channels[0] // GROUP, layer.channels[0])
    return nn.ReLU() if layer.kind == "relu" else nn.Linear(*layer.channels)


@pytest.mark.parametrize("scheme", SCHEMES)
def test_every_byte_that_is_kept(scheme):
    """Beside those of the rules the compiler keeps a deviation for each group of a norm that has an
    input gradient, and the logits, which the loss reads."""
    torch.manual_seed(0)
    layers = layers_of(NETWORK, SIZE, CLASSES, lite="TinyTL-L" in scheme)
    model, choice = Built(layers).eval(), SCHEMES[scheme]
    names = []
    for layer in layers:
        learns = choice(layer)
        names += [f"parts.{key(layer)}.weight"] if learns.weight and layer.weights else []
        names += [f"parts.{key(layer)}.bias"] if learns.bias and layer.biases else []
    graph = tl.prepare(model, torch.zeros(1, 3, SIZE, SIZE), check=False)
    program = tl.compile(graph, None, dict.fromkeys(names, 1.0), target="host")
    rules = memory(layers, choice, TRUE)
    assert program.saved_bytes == rules.kept + 4 * CLASSES + 4 * deviations(layers, choice)


def deviations(layers: tuple[Layer, ...], choice: Choice) -> int:
    passed = input_gradients(layers, choice)
    norms = [layer for layer in layers if layer.kind == "norm" and layer.name in passed]
    return sum(layer.channels[0] // GROUP for layer in norms)
