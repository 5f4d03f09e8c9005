"""torch's losses as Trainlet's, and the other way round: those that compute the same."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from trainlet.errors import TrainletError, shown
from trainlet.ops.objective import LOSSES, Loss, Objective, chosen_output
from trainlet.ops.penalty import L2, Proximal

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


def objective_of(loss: Any) -> Objective:
    """The objective that `loss=` asks for: one term, or a list of them.

    A term is the name of a loss, a Loss, torch's module or function of that meaning, or a penalty.
    Raises TrainletError for another, for an option that a trainlet does not compute, and where
    there are penalties alone.
    """
    given = list(loss) if isinstance(loss, (list, tuple)) else [loss]
    penalties = tuple(term for term in given if isinstance(term, (L2, Proximal)))
    losses = tuple(_loss_of(term) for term in given if not isinstance(term, (L2, Proximal)))
    if not losses:
        raise TrainletError(f"loss={shown(loss)} has no loss; allowed: {', '.join(LOSSES)}, a "
                            "Loss, or a list of these and of penalties")  # fmt: skip
    return Objective(losses, penalties)


def _loss_of(loss: Any) -> Loss:
    if isinstance(loss, Loss):
        return loss
    if type(loss) in _MODULES:
        return _of_module(loss, _MODULES[type(loss)])
    known = [name for function, name in _FUNCTIONS.items() if function is loss]
    if known:
        return Loss(known[0])
    if isinstance(loss, str):
        return Loss(loss)
    raise TrainletError(f"loss={shown(loss)}; allowed: {', '.join(LOSSES)}, a Loss, torch's "
                        "module of the same meaning, or a list of these")  # fmt: skip


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
    """torch's function of the prediction and the target that computes this loss, without its
    weight."""
    if loss.name == "distillation":
        return partial(_distillation, temperature=loss.temperature)
    function = next(function for function, name in _FUNCTIONS.items() if name == loss.name)
    if function is F.cross_entropy:
        return lambda z, y: F.cross_entropy(z, y.long(), label_smoothing=loss.label_smoothing)
    return lambda z, y: function(z, y.to(z.dtype))


def _distillation(z: Tensor, y: Tensor, temperature: float) -> Tensor:
    own, wanted = (F.log_softmax(v / temperature, 1) for v in (z, y.to(z.dtype)))
    return F.kl_div(own, wanted, reduction="batchmean", log_target=True) * temperature**2


def torch_objective(
    objective: Objective,
    outputs: Mapping[str, Tensor],
    targets: Mapping[str, Tensor],
    parameters: Mapping[str, Tensor],
) -> Tensor:
    """The step's loss in torch.

    outputs: of the network, by name; targets: by name; parameters: what learns, at the anchor of a
    proximal term
    """
    total = torch.zeros((), dtype=next(iter(outputs.values())).dtype)
    for loss in objective.losses:
        prediction = outputs[chosen_output(loss, outputs)]
        total = total + loss.weight * torch_loss(loss)(prediction, targets[loss.target])
    for penalty in objective.penalties:
        covered = parameters.keys() if penalty.parameters is None else penalty.parameters
        for name in covered:
            if name in parameters:
                w = parameters[name]
                apart = w - w.detach() if isinstance(penalty, Proximal) else w
                total = total + penalty.weight / 2 * apart.square().sum()
    return total
