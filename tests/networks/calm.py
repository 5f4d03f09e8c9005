"""A network whose activations keep away from the kinks of its ReLUs.

Where a pre-activation is zero but for rounding, float32 and float64 fall on different sides of a
kink and their gradients differ by percents, both rightly.  So each channel is shifted a little,
until no element of the test's batch is that near; then gradients agree to the last digits, and
a difference is a mistake.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from zoo import Case

MARGIN = 3e-5
KINKS = {nn.ReLU: (0,), nn.ReLU6: (0, 6), nn.Hardswish: (-3, 3), nn.Hardsigmoid: (-3, 3)}
SHIFTED = (nn.Conv2d, nn.Conv1d, nn.Linear, nn.BatchNorm2d, nn.GroupNorm)


def calm(case: Case) -> Case:
    """The case itself; biases of its model are changed in place."""
    steering = _Steering()
    hooks = [
        module.register_forward_pre_hook(steering.steer)
        if type(module) in KINKS
        else module.register_forward_hook(steering.remember)
        for module in case.model.modules()
        if type(module) in KINKS or isinstance(module, SHIFTED)
    ]
    case.model.double()
    with torch.no_grad():
        case.model(case.x.double())
    for hook in hooks:
        hook.remove()
    case.model.float()
    return case


class _Steering:
    """Shifts what enters an activation, by the bias of the layer that ran last."""

    def __init__(self) -> None:
        self.layer: nn.Module | None = None

    def remember(self, layer: nn.Module, _: object, result: Tensor) -> None:
        self.layer = layer

    def steer(self, activation: nn.Module, given: tuple[Tensor]) -> Tensor | None:
        (x,) = given
        bias = getattr(self.layer, "bias", None)
        if bias is None or bias.shape != x.shape[1:2]:
            return None
        shift = torch.stack([_shift(x[:, c], KINKS[type(activation)]) for c in range(x.shape[1])])
        bias += shift
        return x + shift.reshape(-1, *[1] * (x.ndim - 2))


def _shift(channel: Tensor, kinks: tuple[int, ...]) -> Tensor:
    """The smallest of a few shifts that leaves no element near a kink."""
    places = channel.new_tensor(kinks).reshape(-1, 1)
    distances = (channel.reshape(1, -1) - places).flatten()
    near = distances[distances.abs() < 0.1]
    for k in range(200):
        shift = (k + 1) // 2 * (-1) ** k * 2 * MARGIN
        if near.numel() == 0 or (near + shift).abs().min() > MARGIN:
            return channel.new_tensor(shift)
    raise AssertionError("no shift leaves the kinks alone")
