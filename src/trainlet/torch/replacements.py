"""Which class a module gets so that it keeps less, and what it keeps then."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from torch import nn
from torch.nn.modules.linear import NonDynamicallyQuantizableLinear

from trainlet.torch import modules as saving
from trainlet.torch.functions.pools import LARGEST_WINDOW
from trainlet.torch.learning_channels import Learns

Modules = Mapping[type[nn.Module], type[nn.Module]]


@dataclass(frozen=True)
class Replacement:
    """The class that a module gets; None: it stays as it is.

    keeps: what the module keeps then, in words
    channels: of a weight that learns in part, the input channels (groups) that do
    """

    kind: type[nn.Module] | None
    keeps: str
    channels: tuple[int, ...] | None = None


@dataclass(frozen=True)
class Asked:
    """weight: what learns of the module's; int8: whether values may be kept in 8 bits"""

    weight: Learns
    int8: bool


Rule = Callable[[nn.Module, Asked], Replacement]
BITS, SHAPE, BYTES = "one bit an element", "its shape", "8 bits an element"
QUARTER = 'its input; precision="int8" keeps a quarter of that'
INPUT = "its input, since its weight learns"

RECTIFIERS: Modules = {
    nn.ReLU: saving.ReLU, nn.ReLU6: saving.ReLU6, nn.Hardtanh: saving.Hardtanh,
    nn.LeakyReLU: saving.LeakyReLU,
}  # fmt: skip
AVERAGES: Modules = {
    nn.AvgPool2d: saving.AvgPool2d, nn.AdaptiveAvgPool2d: saving.AdaptiveAvgPool2d,
}  # fmt: skip
EIGHT_BITS: Modules = {
    nn.SiLU: saving.SiLU, nn.GELU: saving.GELU, nn.Hardswish: saving.Hardswish,
    nn.Hardsigmoid: saving.Hardsigmoid, nn.Sigmoid: saving.Sigmoid, nn.Tanh: saving.Tanh,
    nn.GroupNorm: saving.GroupNorm, nn.LayerNorm: saving.LayerNorm,
}  # fmt: skip
CONVOLUTIONS: Modules = {
    nn.Conv1d: saving.Conv1d, nn.Conv2d: saving.Conv2d, nn.Conv3d: saving.Conv3d,
}  # fmt: skip
TRANSPOSED: Modules = {
    nn.ConvTranspose1d: saving.ConvTranspose1d, nn.ConvTranspose2d: saving.ConvTranspose2d,
    nn.ConvTranspose3d: saving.ConvTranspose3d,
}  # fmt: skip
BATCH_NORMS: Mapping[type[nn.Module], tuple[type[nn.Module], type[nn.Module]]] = {
    nn.BatchNorm1d: (saving.FrozenBatchNorm1d, saving.BatchNorm1dInt8),
    nn.BatchNorm2d: (saving.FrozenBatchNorm2d, saving.BatchNorm2dInt8),
    nn.BatchNorm3d: (saving.FrozenBatchNorm3d, saving.BatchNorm3dInt8),
}
NOT_LISTED = (
    nn.Identity, nn.Flatten, nn.Unflatten, nn.Embedding, nn.Upsample, nn.ZeroPad2d, nn.Sequential,
    nn.ModuleList, nn.ModuleDict, NonDynamicallyQuantizableLinear,
)  # fmt: skip
"""They keep nothing, are empty, or are part of `MultiheadAttention`."""


def replacement(module: nn.Module, asked: Asked) -> Replacement | None:
    """What becomes of a module; None of one that has nothing to save or is made of others."""
    kind = type(module)
    if kind in RECTIFIERS:
        return Replacement(RECTIFIERS[kind], BITS)
    if kind in AVERAGES:
        return Replacement(AVERAGES[kind], SHAPE)
    if kind in EIGHT_BITS:
        return Replacement(EIGHT_BITS[kind], BYTES) if asked.int8 else Replacement(None, QUARTER)
    if kind in CONVOLUTIONS:
        return _convolution(module, CONVOLUTIONS[kind], asked.weight)
    if kind in TRANSPOSED:
        return (
            Replacement(None, INPUT) if asked.weight else Replacement(TRANSPOSED[kind], "nothing")
        )
    if kind in BATCH_NORMS:
        return _batch_norm(module, *BATCH_NORMS[kind], asked)
    if kind is nn.Linear:
        return _linear(module, asked.weight)
    if kind is nn.MaxPool2d:
        return _max_pool(module)
    if kind is nn.Dropout:
        return Replacement(None, "nothing in eval mode, a mask in training mode")
    if kind is nn.MultiheadAttention:
        return Replacement(None, "queries, keys, values and its result")
    if any(True for _ in module.children()) or kind in NOT_LISTED:
        return None
    return Replacement(None, "what PyTorch keeps: save_memory does not know it")


def _convolution(module: nn.Module, kind: type[nn.Module], weight: Learns) -> Replacement:
    if weight is True:
        return Replacement(None, INPUT)
    return _in_part(kind, weight, int(module.groups), int(module.in_channels))  # type: ignore[arg-type]


def _linear(module: nn.Module, weight: Learns) -> Replacement:
    if isinstance(weight, bool):
        return Replacement(None, INPUT if weight else "nothing, as PyTorch's own does")
    return _in_part(saving.Linear, weight, 1, int(module.in_features))  # type: ignore[arg-type]


def _in_part(kind: type[nn.Module], weight: Learns, groups: int, inputs: int) -> Replacement:
    if isinstance(weight, bool):
        return Replacement(kind, "nothing")
    kept = len(weight) * inputs // groups if groups > 1 else len(weight)
    return Replacement(kind, f"{kept} of {inputs} channels of its input", weight)


def _batch_norm(
    module: nn.Module, frozen: type[nn.Module], int8: type[nn.Module], asked: Asked
) -> Replacement:
    if module.running_mean is None:
        return Replacement(None, "its input: it has no frozen statistics")
    now = "; it is in training mode now" if module.training else ""
    if not asked.weight:
        return Replacement(frozen, f"nothing in eval mode{now}")
    if not asked.int8:
        return Replacement(None, QUARTER)
    return Replacement(int8, f"{BYTES} in eval mode{now}")


def _max_pool(module: nn.Module) -> Replacement:
    height, width = saving.pair(module.kernel_size)
    if module.return_indices or height * width > LARGEST_WINDOW:
        return Replacement(None, "its input and the index of each maximum")
    return Replacement(saving.MaxPool2d, "one byte for each value of its result")
