"""What a model returns, by name: a tensor, or tensors in tuples and dictionaries.

The name of an element is its key or field, or its index; of what is nested, the path with dots.
Only tensors of floats count: no loss reads others.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeVar

import torch
from torch.export import ExportedProgram
from torch.export.graph_signature import TensorArgument
from torch.fx import GraphModule
from torch.utils._pytree import tree_flatten, tree_leaves_with_path, tree_unflatten

from trainlet.errors import UnsupportedError
from trainlet.frontends.functional import user_outputs
from trainlet.ir.roles import LOGITS
from trainlet.ops.objective import Loss, chosen_outputs, warn_of_first_output

Element = TypeVar("Element")


def outputs_of(made: Any) -> dict[str, torch.Tensor]:
    """The tensors that a call of the model has made, by name; `logits` where it is one."""
    found = {
        _name(path): value
        for path, value in tree_leaves_with_path(made)
        if isinstance(value, torch.Tensor) and value.is_floating_point()
    }
    return _alone(found)


def wanted_outputs(program: ExportedProgram, losses: Sequence[Loss] | None) -> dict[str, int]:
    """The outputs that the losses read, by name, and where each stands among all; all for None.

    Raises UnsupportedError for a model that returns no tensor, TrainletError for a loss of an
    output that the model does not have.
    """
    given = {n.name: n.meta.get("val") for n in program.graph.nodes}
    spec: Any = program.call_spec.out_spec
    places = tree_unflatten(list(range(spec.num_leaves)), spec)
    names = {place: _name(path) for path, place in tree_leaves_with_path(places)}
    found: dict[str, int] = {}
    for place, argument in enumerate(user_outputs(program)):
        value = given.get(argument.name) if isinstance(argument, TensorArgument) else None
        if isinstance(value, torch.Tensor) and value.is_floating_point():
            found[names[place]] = place
    if not found:
        raise UnsupportedError(
            "the model returns no tensor of floats; allowed: one, or several in a tuple or a "
            "dictionary"
        )
    found = _alone(found)
    if losses is None:
        return found
    warn_of_first_output(losses, found)
    read = {name for loss in losses for name in chosen_outputs(loss, found)}
    if any(loss.name == "output" for loss in losses):  # the others are what the model predicts
        return found
    return {name: place for name, place in found.items() if name in read}


def keep_outputs(module: GraphModule, places: Sequence[int]) -> None:
    """Let a captured network return these of its outputs, as a tuple, and compute nothing else."""
    (node,) = module.graph.find_nodes(op="output")
    made: Any = node.args[0]
    given = made if isinstance(made, (tuple, list)) else (made,)
    if len(given) == len(places):
        return
    node.args = (tuple(given[place] for place in places),)
    codegen: Any = module.graph._codegen
    _, spec = tree_flatten(tuple(places))
    codegen.pytree_info = codegen.pytree_info._replace(out_spec=spec)
    module.graph.eliminate_dead_code()
    module.recompile()


def _alone(found: dict[str, Element]) -> dict[str, Element]:
    """Under its name in Trainlet, where there is one."""
    names = list(found) if len(found) > 1 else [LOGITS] * len(found)
    return dict(zip(names, found.values(), strict=True))


def _name(path: tuple[Any, ...]) -> str:
    """Keys of dictionaries, fields of tuples with names, indices."""
    steps = (
        next(getattr(step, kind) for kind in ("key", "name", "idx") if hasattr(step, kind))
        for step in path
    )
    return ".".join(map(str, steps))
