"""What `compile` takes, checked before any work."""

from __future__ import annotations

import re
from dataclasses import fields
from typing import Any

import torch

from trainlet.backends.target import PRESETS, Target
from trainlet.errors import SchemeError, TargetError, TrainletError, shown
from trainlet.ir.arguments import finite, flag, one_of, whole
from trainlet.ir.scheme import UpdateScheme
from trainlet.ops.optimizer import OPTIMIZERS, SGD, Optimizer, written
from trainlet.passes.presets import PRESETS as SCHEMES
from trainlet.plan.order.best_order import EFFORTS


def check_model(model: Any) -> torch.nn.Module:
    """The model itself; raises TrainletError unless it is a torch.nn.Module."""
    if isinstance(model, torch.nn.Module):
        return model
    found = f"a {type(model).__name__}"
    hint = ""
    if isinstance(model, type):
        found, hint = f"the class {model.__name__}", f"; pass an instance: {model.__name__}(...)"
    elif isinstance(model, dict):
        hint = "; of a state_dict, pass the network: net = Net(); net.load_state_dict(...)"
    raise TrainletError(
        f"the model is {found}; allowed: a torch.nn.Module, an ExportedProgram, the path of a .pt2 "
        f"file, or what trainlet.load returns{hint}"
    )


def scheme_of(scheme: Any) -> UpdateScheme | str:
    """A scheme, or the name of a preset; raises SchemeError."""
    if scheme is None:
        raise SchemeError("no scheme; trainlet.schemes.bias(model) is a good one to begin with")
    if isinstance(scheme, str):
        return one_of("no scheme ", scheme, SCHEMES, SchemeError, " or {parameter: ratio}")
    if isinstance(scheme, (list, tuple, set)) and all(isinstance(n, str) for n in scheme):
        ratios = ", ".join(f"{name!r}: 1.0" for name in list(scheme)[:3])
        raise SchemeError(f"the scheme is {shown(scheme)}; allowed: {{parameter: ratio}}, such as "
                          f"{{{ratios}}}")  # fmt: skip
    known: Any = scheme
    return known if isinstance(known, UpdateScheme) else UpdateScheme(known)


def target_of(target: Any) -> Target:
    """A target, by its name or as it is; raises TargetError."""
    if isinstance(target, Target):
        return target
    if isinstance(target, str):
        return Target.preset(target)
    raise TargetError(f"target={shown(target)}; allowed: a Target, or one of {', '.join(PRESETS)}")


def optimizer_of(optimizer: Any) -> Optimizer:
    """An optimizer, SGD() for None; the error says how to write one of torch's here."""
    if optimizer is None:
        return SGD()
    ours = callable(getattr(optimizer, "update", None)) and hasattr(optimizer, "lr")
    if isinstance(optimizer, type) or not ours:
        known = dict.fromkeys(type(make()).__name__ for make in OPTIMIZERS.values())
        allowed = ", ".join(f"trainlet.{name}(lr=...)" for name in known)
        raise TrainletError(
            f"optimizer={shown(optimizer)}; allowed: None, {allowed}{_ours(optimizer)}"
        )
    return optimizer


def _ours(optimizer: Any) -> str:
    """What to write in the place of another library's optimizer, or of a name."""
    if isinstance(optimizer, str):
        made = OPTIMIZERS.get(optimizer.lower())
        return f"; use trainlet.{written(made())}" if made else ""
    if not isinstance(optimizer, torch.optim.Optimizer) or len(optimizer.param_groups) != 1:
        return ""
    group, kind = optimizer.param_groups[0], type(optimizer).__name__
    ours = next((o for make in OPTIMIZERS.values() if type(o := make()).__name__ == kind), None)
    if ours is None:
        return ""
    given = ", ".join(f"{option.name}={group[option.name]!r}" for option in fields(ours))
    return f"; use trainlet.{kind}({given})"


def bytes_of(name: str, size: Any) -> int | None:
    """A number of bytes, or None for no limit of its own."""
    if size is None:
        return None
    text = size if isinstance(size, str) else ""
    if match := re.fullmatch(r"\s*(\d{1,9})\s*([kKmM]?)[iI]?[bB]?\s*", text):
        count = int(match[1]) * {"": 1, "k": 1 << 10, "m": 1 << 20}[match[2].lower()]
        raise TrainletError(f"{name}={size!r}; write the number of bytes: {name}={count}")
    try:
        return whole(name, size, 1, 1 << 40)
    except TrainletError:
        raise TrainletError(
            f"{name}={shown(size)}; allowed: None, or a number of bytes above 0"
        ) from None


def check_choices(tile: Any, stream: Any, max_recompute: Any, schedule: Any, rollback: Any) -> None:
    """The rest of what `compile` takes; raises TrainletError."""
    if tile is not None:
        flag("tile", tile, ", None")
    if not isinstance(stream, str):
        flag("stream", stream, ", the name of an input")
    flag("rollback", rollback)
    if max_recompute is not None and not 1 <= finite("max_recompute", max_recompute) <= 2:
        raise TrainletError(f"max_recompute={max_recompute}; allowed: None, or between 1 and 2")
    one_of("schedule=", schedule, EFFORTS)
