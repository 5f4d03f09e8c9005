"""torch's losses as Trainlet's, and the other way round: those that compute the same."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch.nn.functional as F
from torch import Tensor, nn

from trainlet.errors import TrainletError, shown
from trainlet.ops.loss import LOSSES, Loss

_MODULES: dict[type[nn.Module], str] = {
    nn.CrossEntropyLoss: "cross_entropy",
    nn.MSELoss: "mse",
    nn.BCELoss: "bce",
    nn.BCEWithLogitsLoss: "bce_with_logits",
}
_FUNCTIONS = {
    F.cross_entropy: "cross_entropy",
    F.mse_loss: "mse",
    F.binary_cross_entropy: "bce",
    F.binary_cross_entropy_with_logits: "bce_with_logits",
}
_STANDARD = {"reduction": "mean", "weight": None, "pos_weight": None, "ignore_index": -100}
"""Options that must be as torch sets them."""


def loss_of(loss: Any) -> Loss:
    """The loss that a name, a Loss, or torch's module or function of that meaning stands for.

    Raises TrainletError for another, and for an option that a trainlet does not compute.
    """
    if isinstance(loss, Loss):
        return loss
    if type(loss) in _MODULES:
        return _of_module(loss, _MODULES[type(loss)])
    known = [name for function, name in _FUNCTIONS.items() if function is loss]
    if known:
        return Loss(known[0])
    if isinstance(loss, str):
        return Loss(loss)
    raise TrainletError(f"loss={shown(loss)}; allowed: {', '.join(LOSSES)}, a Loss, or torch's "
                        "module of the same meaning")  # fmt: skip


def _of_module(module: nn.Module, name: str) -> Loss:
    for option, standard in _STANDARD.items():
        value = getattr(module, option, standard)
        if value is not standard and value != standard:
            raise TrainletError(
                f"loss: {type(module).__name__} has {option}={shown(value)}; allowed: "
                f"{standard!r}; the loss {name!r} is a mean without weights"
            )
    return Loss(name, getattr(module, "label_smoothing", 0.0))


def torch_loss(loss: Loss) -> Callable[[Tensor, Tensor], Tensor]:
    """torch's function of the prediction and the target that computes this loss."""
    function = next(function for function, name in _FUNCTIONS.items() if name == loss.name)
    if function is F.cross_entropy:
        return lambda z, y: F.cross_entropy(z, y.long(), label_smoothing=loss.label_smoothing)
    return lambda z, y: function(z, y.to(z.dtype))
