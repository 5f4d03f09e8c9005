"""Which parameters of a PyTorch model a scheme trains, and which input channels of a weight."""

from __future__ import annotations

import torch
from torch import nn

from trainlet.errors import SchemeError, shown
from trainlet.ir.arguments import closest
from trainlet.ir.printable import printable
from trainlet.ir.scheme import NORM, UpdateScheme
from trainlet.ops.op import kept

Learns = bool | tuple[int, ...]
"""Whether a parameter learns, or the input channels (of a grouped convolution the groups) that
do."""
IN_PART = (nn.Conv1d, nn.Conv2d, nn.Conv3d, nn.Linear)


def learning_channels(model: nn.Module, scheme: UpdateScheme) -> dict[nn.Parameter, Learns]:
    """What learns of each parameter that a scheme names; raises SchemeError where it cannot."""
    known = dict(model.named_parameters(remove_duplicate=False))
    layers = {m._parameters.get("weight"): m for m in model.modules() if type(m) in IN_PART}
    for name in scheme:
        if name not in known:
            raise SchemeError(
                f"the scheme names {printable(name)!r}, which the model does not have"
                f"{closest(name, known)}; its parameters: {', '.join(list(known)[:8])}, ..."
            )
    return {known[n]: _learns(n, known[n], layers.get(known[n]), scheme) for n in scheme}


def _learns(
    name: str, parameter: nn.Parameter, layer: nn.Module | None, scheme: UpdateScheme
) -> Learns:
    rule = scheme.rule(name)
    if not isinstance(rule, tuple) and scheme.ratios[name] == 1:
        return True
    if layer is None:
        raise SchemeError(
            f"parameter {printable(name)!r} learns in part by the scheme, but only weights of "
            "torch.nn.Conv1d, Conv2d, Conv3d and Linear can; give it a share of 0 or 1"
        )
    groups = getattr(layer, "groups", 1)
    axis, count = (0, groups) if groups > 1 else (1, parameter.shape[1])
    if isinstance(rule, tuple):
        if rule[-1] >= count:
            raise SchemeError(
                f"parameter {printable(name)!r} has channels {shown(rule)}, and has {count} input "
                f"channels or groups; allowed: indices in 0..{count - 1}"
            )
        return rule if len(rule) < count else True
    many = kept(count, scheme.ratios[name])
    if rule == NORM:
        return _largest(parameter, axis, count, many)
    return tuple(range(many)) if many < count else True


def _largest(weight: torch.Tensor, axis: int, count: int, many: int) -> Learns:
    """The channels with the largest L2 norm; of equal ones the first."""
    channels = weight.detach().double().movedim(axis, 0).reshape(count, -1)
    order = torch.argsort(-channels.norm(dim=1), stable=True)[:many]
    return tuple(sorted(order.tolist())) if many < count else True
