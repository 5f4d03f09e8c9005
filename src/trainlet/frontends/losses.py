"""torch's losses as Trainlet's, and the other way round: those that compute the same."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from trainlet.errors import TrainletError, shown
from trainlet.ops.loss_kinds import KINDS
from trainlet.ops.objective import LOSSES, Loss, Objective, chosen_outputs
from trainlet.ops.penalty import L2, Proximal

_MODULES: dict[type[nn.Module], str] = {
    nn.CrossEntropyLoss: "cross_entropy",
    nn.NLLLoss: "nll",
    nn.MSELoss: "mse",
    nn.L1Loss: "l1",
    nn.HuberLoss: "huber",
    nn.SmoothL1Loss: "smooth_l1",
    nn.BCELoss: "bce",
    nn.BCEWithLogitsLoss: "bce_with_logits",
}
_FUNCTIONS = {
    F.cross_entropy: "cross_entropy",
    F.nll_loss: "nll",
    F.mse_loss: "mse",
    F.l1_loss: "l1",
    F.huber_loss: "huber",
    F.smooth_l1_loss: "smooth_l1",
    F.binary_cross_entropy: "bce",
    F.binary_cross_entropy_with_logits: "bce_with_logits",
}
_STANDARD = {"reduction": "mean", "weight": None, "pos_weight": None}
"""Options that must be as torch sets them, where the loss has none of its own."""
_ANY = -100
"""The label that torch ignores by itself: no label of a trainer."""


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
    given: dict[str, Any] = {}
    known = KINDS[name].options
    for option in known:
        theirs = {"class_weights": "weight"}.get(option, option)
        value = getattr(module, theirs, None)
        if option == "ignore_index":
            value = None if value == _ANY else value
        elif isinstance(value, Tensor):
            value = tuple(value.tolist())
        if value is not None:
            given[option] = value
    for option, standard in _STANDARD.items():
        value = getattr(module, option, standard)
        ours = option == "weight" and "class_weights" in known
        if not ours and value is not standard and value != standard:
            raise TrainletError(
                f"loss: {type(module).__name__} has {option}={shown(value)}; allowed: "
                f"{standard!r}; the loss {name!r} is a mean without weights"
            )
    return Loss(name, **given)


def torch_loss(loss: Loss) -> Callable[..., Tensor]:
    """torch's function of the predictions and the target that computes this loss, without its
    weight."""
    given = {option: getattr(loss, option) for option in loss.kind.options}
    if "class_weights" in given:
        return partial(_of_classes, loss)
    if loss.name in _OTHERS:
        return partial(_OTHERS[loss.name], **given)
    function = next(function for function, name in _FUNCTIONS.items() if name == loss.name)
    return lambda z, y: function(z, y.to(z.dtype), **given)


def _of_classes(loss: Loss, z: Tensor, y: Tensor) -> Tensor:
    weights = None if loss.class_weights is None else z.new_tensor(loss.class_weights)
    given: dict[str, Any] = {"weight": weights}
    if loss.ignore_index is not None:
        given["ignore_index"] = loss.ignore_index
    if loss.name == "nll":
        return F.nll_loss(z, y.long(), **given)
    return F.cross_entropy(z, y.long(), label_smoothing=loss.label_smoothing, **given)


def _distillation(z: Tensor, y: Tensor, temperature: float) -> Tensor:
    own, wanted = (F.log_softmax(v / temperature, 1) for v in (z, y.to(z.dtype)))
    return F.kl_div(own, wanted, reduction="batchmean", log_target=True) * temperature**2


def _contrastive(a: Tensor, b: Tensor, y: Tensor, margin: float) -> Tensor:
    d, same = F.pairwise_distance(a, b), y.to(a.dtype)
    return 0.5 * (same * d**2 + (1 - same) * (margin - d).relu() ** 2).mean()


_OTHERS: dict[str, Callable[..., Tensor]] = {
    "distillation": _distillation,
    "contrastive": _contrastive,
    "triplet_margin": F.triplet_margin_loss,
    "cosine_embedding": F.cosine_embedding_loss,
    "output": torch.mean,
}


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
        given = [outputs[name] for name in chosen_outputs(loss, outputs)]
        given += [targets[loss.target]] if loss.has_target else []
        total = total + loss.weight * torch_loss(loss)(*given)
    for penalty in objective.penalties:
        covered = parameters.keys() if penalty.parameters is None else penalty.parameters
        for name in covered:
            if name in parameters:
                w = parameters[name]
                apart = w - w.detach() if isinstance(penalty, Proximal) else w
                total = total + penalty.weight / 2 * apart.square().sum()
    return total
