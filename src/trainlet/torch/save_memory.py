"""Makes a PyTorch model keep less for its backward pass."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import partial
from typing import Any

import torch
from rich.table import Table
from torch import nn

from trainlet.arguments import scheme_of
from trainlet.errors import SchemeError, shown
from trainlet.frontends.network import check_model
from trainlet.ir.arguments import one_of
from trainlet.ir.printable import printable
from trainlet.ir.scheme import UpdateScheme
from trainlet.schemes.presets import preset
from trainlet.torch.functions.recompute import recomputed
from trainlet.torch.learning_channels import learning_channels
from trainlet.torch.modules import KEEP
from trainlet.torch.replacements import Asked, replacement
from trainlet.torch.saved import learning

PRECISIONS = ("exact", "int8")
RECOMPUTED = "its input; it runs again in the backward pass"


@dataclass(frozen=True)
class Kept:
    """A module, and what it keeps for the backward pass, in words."""

    module: str
    kind: str
    keeps: str


@dataclass(frozen=True)
class MemorySaving:
    """What `save_memory` did: the modules that keep less now, and those that stayed as they were.

    Functions that the model calls itself, such as `torch.nn.functional.relu`, are in neither:
    `saved_bytes` counts what they keep.
    """

    changed: tuple[Kept, ...]
    left: tuple[Kept, ...]

    def table(self) -> Table:
        """As a table, one row for all modules of a kind that keep the same."""
        table = Table("", "modules", "kind", "keep", title_justify="left")
        table.columns[1].justify = "right"
        for verdict, modules in (("changed", self.changed), ("left", self.left)):
            for (kind, keeps), n in Counter((m.kind, m.keeps) for m in modules).items():
                table.add_row(verdict, str(n), printable(kind), keeps)
        return table


def save_memory(
    model: nn.Module,
    scheme: UpdateScheme | Mapping[str, Any] | str,
    precision: str = "exact",
    recompute: Sequence[str] = (),
) -> MemorySaving:
    """Change a model in place so that training what the scheme names keeps less.

    scheme: which parameters learn, with which of their input channels, or a preset's name;
    it alone decides: `requires_grad` of every parameter is set.  The gradient of a weight that
    learns in part is as large as the weight, with zeros where nothing learns: use no weight decay.
    precision: "exact" gives PyTorch's gradients; "int8" also keeps the normalised input of norms
    and the derivative of smooth activations in 8 bits, which changes gradients by about 1 %
    recompute: names or patterns such as "layers.*" of modules that keep their first argument
    alone and run again in the backward pass; each must return one tensor.  Inside them nothing is
    kept in 8 bits, since what their second run keeps is soon read

    Names of modules and the state_dict stay, the forward pass too.  Batch norms save in eval mode
    only.  A later call replaces an earlier one; `restore` undoes it.  Modules of an own class are
    left as they are.  Training under autocast raises UnsupportedError.  Raises SchemeError for a
    scheme that does not fit the model.
    """
    check_model(model)
    one_of("unknown precision ", precision, PRECISIONS)
    restore(model)
    chosen = scheme_of(scheme)
    if isinstance(chosen, str):
        with learning(model, {name for name, _ in model.named_parameters()}):
            chosen = preset(chosen, model)
    learns, again = learning_channels(model, chosen), _named(model, recompute)
    for parameter in model.parameters():
        parameter.requires_grad_(bool(learns.get(parameter)))
    changed, left = [], []
    for name, module in model.named_modules():
        if name in again:
            module.forward = partial(recomputed, module)
            changed.append(Kept(name, type(module).__name__, RECOMPUTED))
        weight = module._parameters.get("weight")
        int8 = precision == "int8" and not _inside(name, again)
        asked = Asked(weight is not None and learns.get(weight, False), int8)
        found = None if _computed(module) else replacement(module, asked)
        if found is None:
            continue
        kept = Kept(name, type(module).__name__, found.keeps)
        (left if found.kind is None else changed).append(kept)
        if found.kind is not None:
            _become(module, found.kind, found.channels)
    return MemorySaving(tuple(changed), tuple(left))


def restore(model: nn.Module) -> None:
    """Undo `save_memory`: all modules are PyTorch's again.  What learns stays as it is."""
    for module in model.modules():
        forward = module.__dict__.get("forward")
        if isinstance(forward, partial) and forward.func is recomputed:
            del module.__dict__["forward"]
        kind = type(module)
        if kind.__module__ == "trainlet.torch.modules":
            module.__class__ = kind.__bases__[-1]
            module._buffers.pop(KEEP, None)


def _named(model: nn.Module, patterns: Sequence[str]) -> set[str]:
    """The names of modules that the patterns match, without those inside another of them: they
    would run a third time.  Raises SchemeError for a pattern that matches none."""
    if isinstance(patterns, str) or not isinstance(patterns, Sequence):
        raise SchemeError(f"recompute={shown(patterns)}; allowed: a list of names of modules")
    known = [name for name, _ in model.named_modules() if name]
    found: set[str] = set()
    for pattern in patterns:
        matched = {name for name in known if fnmatchcase(name, pattern)}
        if not matched:
            some = ", ".join(known[:8])
            raise SchemeError(
                f"recompute: no module is called {shown(pattern)}; known: {some}, ..."
            )
        found |= matched
    return {name for name in found if not _inside(name, found)}


def _inside(name: str, others: set[str]) -> bool:
    return any(name.startswith(f"{other}.") for other in others)


def _become(module: nn.Module, kind: type[nn.Module], channels: Sequence[int] | None) -> None:
    device = next((p.device for p in module.parameters()), None)
    module.__class__ = kind
    keep = None if channels is None else torch.tensor(channels, device=device)
    module.register_buffer(KEEP, keep, persistent=False)


def _computed(module: nn.Module) -> bool:
    """Whether a weight is no parameter of its own: another module or a hook makes it."""
    return isinstance(getattr(module, "weight", None), torch.Tensor) and (
        module._parameters.get("weight") is None
    )
