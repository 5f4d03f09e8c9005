"""A network captured as ATen operators, made ready for torchao's quantisation."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch.export import Dim, ExportedProgram
from torch.fx import Graph as FxGraph
from torch.fx import GraphModule, Node

from trainlet.errors import UnsupportedError
from trainlet.frontends.advice import advice, is_layer
from trainlet.frontends.functional import functional
from trainlet.frontends.integers import operator
from trainlet.frontends.outputs import keep_outputs, wanted_outputs
from trainlet.frontends.sizes import check_program
from trainlet.frontends.source import written
from trainlet.frontends.torch import export_module
from trainlet.ops.objective import Loss

LAYERS = frozenset(("conv1d", "conv2d", "conv3d", "linear"))
TRANSPOSED = frozenset(("conv_transpose1d", "conv_transpose2d"))
_PARTS = frozenset(("chunk", "split", "split_with_sizes", "unbind"))
_DROPOUT = {
    "dropout": (1, 2), "feature_dropout": (1, 2), "scaled_dot_product_attention": (4,),
    **dict.fromkeys(("lstm", "gru", "rnn_tanh", "rnn_relu"), (5, 6)),
}  # fmt: skip
"""The arguments that must all be set for an operator to draw numbers."""
EPSILON = 1e-5
"""The only one that torchao's training graph of a convolution with batch norm knows."""


@dataclass(frozen=True)
class Captured:
    """A network as a graph of ATen operators.

    inputs:     their names in `forward`, in its order
    outputs:    the names of what the module returns
    batch_size: the only one that the graph takes; None where it takes any
    """

    module: GraphModule
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    batch_size: int | None


def captured(
    model: torch.nn.Module | ExportedProgram,
    inputs: list[torch.Tensor],
    losses: Sequence[Loss] | None = None,
) -> Captured:
    """A copy of the model; nothing in it works in place.

    losses: outputs that none of these reads are left out; None for all

    Raises UnsupportedError for parameters of other types than float32, for state that forward
    changes and depends on, and for random numbers.
    """
    if isinstance(model, ExportedProgram):
        program = model
    else:
        own = copy.deepcopy(model).eval()
        program = _exported_for_any_batch(own, inputs) or export_module(own, inputs)
    form = functional(program)
    form.check_state()
    program = form.program
    check_program(program)
    for node in program.graph.nodes:
        _check_random(node)
    module: Any = copy.deepcopy(program.module())
    for node in [n for n in module.graph.nodes if n.op == "call_module"]:
        module.graph.erase_node(node)  # it compares the shapes of the inputs with the example's
    for node in [n for n in module.graph.nodes if n.target is torch.ops.aten.copy_.default]:
        module.graph.erase_node(node)  # what forward wrote into an input is nobody's here
    for node in [n for n in module.graph.nodes if operator(n) in _PARTS]:
        _show_parts(module.graph, node)
    module.recompile()
    outputs = wanted_outputs(program, losses)
    keep_outputs(module, list(outputs.values()))
    first = next(n for n in module.graph.nodes if n.op == "placeholder")
    size = first.meta["val"].shape[0]
    names = tuple(map(str, program.graph_signature.user_inputs))
    return Captured(module, names, tuple(outputs), size if isinstance(size, int) else None)


def _show_parts(graph: FxGraph, node: Node) -> None:
    """Each part of a tensor that is cut into several, as a slice of its own: a quantiser marks
    operators that make one tensor."""
    x: Any = node.args[0]
    axis = _axis_of_parts(node)
    size, start = x.meta["val"].shape[axis], 0
    parts = node.meta["val"]
    if not isinstance(size, int):
        return
    for k, part in enumerate(parts):
        stop = start + (1 if operator(node) == "unbind" else part.shape[axis])
        for user in [u for u in node.users if u.args[1] == k]:
            with graph.inserting_before(user):
                made = _part(graph, node, x, axis, start, stop)
            made.meta.update(user.meta)
            user.replace_all_uses_with(made)
            graph.erase_node(user)
        start = stop
    graph.erase_node(node)


def _axis_of_parts(node: Node) -> int:
    """Given as the last of the positional arguments, or as `dim`; the first dimension if not."""
    place = 1 if operator(node) == "unbind" else 2
    given: Any = node.args[place] if len(node.args) > place else node.kwargs.get("dim", 0)
    return given % node.args[0].meta["val"].ndim  # type: ignore[union-attr]


def _part(graph: FxGraph, node: Node, x: Node, axis: int, start: int, stop: int) -> Node:
    if operator(node) == "unbind":
        return graph.call_function(torch.ops.aten.select.int, (x, axis, start))
    return graph.call_function(torch.ops.aten.slice.Tensor, (x, axis, start, stop))


def _check_random(node: Any) -> None:
    """What draws numbers even in evaluation mode."""
    name = operator(node)
    tagged = torch.Tag.nondeterministic_seeded in getattr(node.target, "tags", ())
    asked = all(any(node.args[k : k + 1]) for k in _DROPOUT.get(name, ()))
    if tagged and asked and not is_layer(name):
        raise UnsupportedError(f"{written(node)} draws random numbers; {advice(name, True)}")


def _exported_for_any_batch(
    model: torch.nn.Module, inputs: list[torch.Tensor]
) -> ExportedProgram | None:
    """Calibration and training then take batches of any size; None where that cannot be."""
    doubled = tuple(torch.cat([x, x]) for x in inputs)
    try:
        shapes = tuple({0: Dim.AUTO} for _ in inputs)
        program = torch.export.export(model, doubled, dynamic_shapes=shapes)
        program.module()(*inputs)  # torch may have taken the doubled size for a constant
    except Exception:
        return None
    values = [n.meta["val"] for n in program.graph.nodes if n.op == "placeholder"]
    fixed = any(isinstance(v.shape[0], int) for v in values[-len(inputs) :])
    return None if fixed else program


def has_statistics(norm: Any) -> bool:
    """Whether a batch norm has a mean and a variance of its own; otherwise it takes the batch's."""
    return norm.args[3] is not None


def keep_unfoldable(module: GraphModule) -> None:
    """torchao folds each batch norm that follows a layer, even if others read the layer too."""
    for n in list(module.graph.nodes):
        layer = n.args[0] if operator(n) == "batch_norm" else None
        if layer is None or operator(layer) not in LAYERS:
            continue
        shared = len(layer.users) > 1 or len(layer.args[1].users) > 1
        if shared or not has_statistics(n):
            with module.graph.inserting_before(n):
                between = module.graph.call_function(torch.ops.aten.alias.default, (layer,))
            between.meta.update(layer.meta)
            n.replace_input_with(layer, between)


def bias_names(module: GraphModule) -> dict[str, str]:
    """What the biases of layers are called, by their own names; by the weight's where a layer has
    none and becomes one with the batch norm after it."""
    names: dict[str, str] = {}
    for n in module.graph.nodes:
        if operator(n) not in LAYERS or n.args[1].op != "get_attr":
            continue
        bias = n.args[2] if len(n.args) > 2 else None
        norms = [user for user in n.users if operator(user) == "batch_norm"]
        if bias is not None:
            names[bias.target] = bias.target
        elif norms and norms[0].args[2] is not None:
            names[n.args[1].target] = norms[0].args[2].target
    return names


def make_norms_usual(module: GraphModule) -> None:
    """As torchao's training graph knows batch norms: with an affine part, and with its epsilon.

    The variance takes up what the epsilon differs by.
    """
    for n in module.graph.nodes:
        if operator(n) != "batch_norm" or not has_statistics(n):
            continue
        variance: Any = module.get_buffer(n.args[4].target)
        variance.add_(n.args[7] - EPSILON).clamp_(min=0)
        n.update_arg(7, EPSILON)
        for k, name, fill in ((1, "ones", torch.ones_like), (2, "zeros", torch.zeros_like)):
            if n.args[k] is None:
                module.register_buffer(f"{n.name}_{name}", fill(variance))
                with module.graph.inserting_before(n):
                    n.update_arg(k, module.graph.get_attr(f"{n.name}_{name}"))
    module.recompile()
