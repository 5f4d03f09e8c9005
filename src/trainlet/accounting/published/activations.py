"""The memory of a training step by the rules of TinyTL's profiler (Cai et al., 2020), and by rules
that charge every value which the backward pass reads.

Both add up parameters (4 bytes where they learn) and, for each image of the batch, the largest
sum over the forward pass of what the layers before have kept, what the layer itself needs, and the
input of the block if its shortcut reads it later.  Neither counts gradients or the optimiser's
state.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from trainlet.accounting.published.layers import Layer

FLOAT = 4  # bytes


@dataclass(frozen=True)
class Learns:
    """Which parameters of a layer learn: its weight (a norm's gamma), its bias (a norm's beta)."""

    weight: bool = False
    bias: bool = False


Choice = Callable[[Layer], Learns]


@dataclass(frozen=True)
class Rules:
    """How a layer is charged.

    input_gradients: whether a norm keeps its normalised input wherever a gradient passes through
    it, as a group norm must, and a ReLU its mask only there; else a norm keeps its input only
    where its weight learns, and a ReLU its mask wherever anything but the classifier learns
    whole_outputs: whether the output of a depthwise convolution needs its bytes; else they are
    divided by the number of groups
    norm_bytes: bytes of an element of a norm's normalised input
    """

    input_gradients: bool
    whole_outputs: bool
    norm_bytes: int = FLOAT


TINYTL = Rules(input_gradients=False, whole_outputs=False)
TRUE = Rules(input_gradients=True, whole_outputs=True)
TRUE_INT8_NORMS = Rules(input_gradients=True, whole_outputs=True, norm_bytes=1)


@dataclass(frozen=True)
class Memory:
    """Bytes: of the parameters, and for one image the peak and what is kept at the end."""

    parameters: int
    peak: int
    kept: int

    def total(self, batch: int) -> int:
        """Bytes of a training step, or of an inference where nothing is kept."""
        return self.parameters + batch * self.peak


def memory(
    layers: Sequence[Layer], learns: Choice, rules: Rules, frozen_bytes: int = FLOAT
) -> Memory:
    """What a training step needs.

    frozen_bytes: bytes of an element of a frozen parameter
    """
    passed = input_gradients(layers, learns)
    backward = any(_learns(layer, learns(layer)) for layer in layers if layer.kind != "linear")
    parameters = kept = peak = 0
    for layer in layers:
        choice = learns(layer)
        parameters += layer.weights * (FLOAT if choice.weight else frozen_bytes)
        parameters += layer.biases * (FLOAT if choice.bias else frozen_bytes)
        peak = max(peak, kept + _needed(layer, rules) + FLOAT * layer.held)
        passes = layer.name in passed if rules.input_gradients else backward
        kept += _kept(layer, choice, passes, rules)
    return Memory(parameters, peak, kept)


def input_gradients(layers: Sequence[Layer], learns: Choice) -> set[str]:
    """The layers whose input needs a gradient, since a parameter before them learns."""
    given: set[str] = set()  # whose output needs a gradient
    passed: set[str] = set()
    for layer in layers:
        if not given.isdisjoint(layer.reads):
            passed.add(layer.name)
        if layer.name in passed or _learns(layer, learns(layer)):
            given.add(layer.name)
    return passed


def _learns(layer: Layer, choice: Learns) -> bool:
    """Whether a parameter that the layer has learns."""
    return bool((choice.weight and layer.weights) or (choice.bias and layer.biases))


def _needed(layer: Layer, rules: Rules) -> int:
    """Bytes of a layer's input and output; a norm and a ReLU overwrite their input."""
    if layer.kind in ("norm", "relu"):
        return FLOAT * layer.inputs
    shared = 1 if rules.whole_outputs else layer.groups
    return FLOAT * layer.inputs + FLOAT * layer.outputs // shared


def _kept(layer: Layer, choice: Learns, passes: bool, rules: Rules) -> int:
    """Bytes that the backward pass reads of what a layer read."""
    if layer.kind == "relu":
        return -(-layer.inputs // 8) if passes else 0
    if layer.kind == "norm":
        charged = choice.weight or (passes and rules.input_gradients)
        return rules.norm_bytes * layer.inputs if charged else 0
    return FLOAT * layer.inputs if choice.weight else 0
