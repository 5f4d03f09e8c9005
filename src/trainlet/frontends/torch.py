"""From torch.export to a Graph, in PyTorch's own layout and names."""

from __future__ import annotations

import operator
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch.export import ExportedProgram
from torch.export.graph_signature import ConstantArgument, InputKind
from torch.fx import Node as Fx

from trainlet.errors import UnsupportedError
from trainlet.frontends.constants import Constant, folded
from trainlet.frontends.functional import functional, reaching, user_outputs
from trainlet.frontends.importer import Importer
from trainlet.frontends.indices import INDICES, SENSED, index_limit
from trainlet.frontends.operators import call_operator, check_dtype, refusal
from trainlet.frontends.outputs import wanted_outputs
from trainlet.frontends.source import module_path, operator_name, where
from trainlet.frontends.tensors import Tensors
from trainlet.ir.graph import Graph, Node
from trainlet.ir.roles import as_outputs
from trainlet.ir.types import TensorType
from trainlet.ops.objective import Loss
from trainlet.ops.op import leaf

_CONSTANT_KINDS = (InputKind.BUFFER, InputKind.CONSTANT_TENSOR)


@dataclass(frozen=True)
class Imported:
    """A program as torch has it and as Trainlet has it.

    program: in functional form
    values:  for each fx node's name the Node, the list of Nodes, the Constant or the number
    """

    graph: Graph
    program: ExportedProgram
    values: dict[str, Any]


def export_module(model: torch.nn.Module, example: Sequence[torch.Tensor]) -> ExportedProgram:
    """torch.export of the model in evaluation mode; its mode is restored afterwards.

    Each input gets a copy of its example: torch.export takes two inputs that are one tensor for
    one input.
    """
    training = {m: m.training for m in model.modules()}
    model.eval()
    try:
        with torch.enable_grad(), warnings.catch_warnings():
            # torch.export warns of the list of weights that a recurrent layer keeps for itself
            warnings.filterwarnings("ignore", message=r".*_flat_weights")
            return torch.export.export(model, tuple(x.detach().clone() for x in example))
    except Exception as error:
        first = str(error).strip().splitlines()[0] if str(error).strip() else repr(error)
        hint = "; `.data` cannot be exported: use detach()" if "fake tensor" in first else ""
        if any(x.dtype in INDICES for x in example):
            hint += (
                "; an example is torch.int64, of indices; allowed: torch.float32 for other inputs"
            )
        raise UnsupportedError(
            f"torch.export cannot export the model: {type(error).__name__}: {first}{hint}"
        ) from error
    finally:
        for module, mode in training.items():
            module.training = mode


def import_program(program: ExportedProgram) -> Graph:
    """The forward graph of an exported program, with its outputs: `logits` where it is one.

    Raises UnsupportedError (naming the operator and the line of the user's model) for what
    cannot be compiled, DataError for weights that hold NaN or infinity.
    """
    return imported(program).graph


def imported(program: ExportedProgram, losses: Sequence[Loss] | None = None) -> Imported:
    """The same, with what each operator of the program became.

    losses: only the outputs that these read are imported; None for all
    """
    form = functional(program)
    program = form.program
    arguments = user_outputs(program)
    results = {
        name: arguments[place].name for name, place in wanted_outputs(program, losses).items()
    }
    needed = reaching(program, *results.values())
    at = Importer()
    values = _leaves(program, at, needed)
    for fx in program.graph.nodes:
        if fx.op == "call_function" and fx in needed:
            values[fx.name] = _value(at, fx, values)
    form.check_state()
    made = {name: at.leaf_of(values[result]) for name, result in results.items()}
    if None in made.values():
        raise UnsupportedError("the model returns a tensor without elements")
    graph = at.graph(as_outputs(made))
    read = {n.name for n in graph.leaves("input")}
    for name in input_names(program):
        if name not in read:
            raise unread(name)  # a later write has replaced every element that it reached
    return Imported(graph, program, values)


def _value(at: Importer, fx: Fx, values: dict[str, Any]) -> Any:
    if fx.target is operator.getitem:
        return values[fx.args[0].name][fx.args[1]]  # type: ignore[union-attr,index]
    if not isinstance(fx.target, torch._ops.OpOverload):
        raise UnsupportedError(refusal(fx))
    at.label, name = module_path(fx), operator_name(fx)
    constant = folded(fx, name, at.label, values)
    if constant is not None:
        return constant
    like = fx.meta.get("val")
    if isinstance(like, torch.Tensor) and _has_known_size(like) and not like.numel():
        return None
    nodes = {n.name: at.leaf_of(values[n.name], name) for n in fx.all_input_nodes}
    made = call_operator(at, fx, nodes)
    for node, tensor in zip(*map(_listed, (made, like)), strict=False):
        _check_result(fx, node, tensor)
    return made


def _listed(value: Any) -> Sequence[Any]:
    return value if isinstance(value, (list, tuple)) else [value]


def _has_known_size(like: torch.Tensor) -> bool:
    """Whether torch, which does not look at constants, knows the shape."""
    return all(isinstance(n, int) for n in like.shape)


def _check_result(fx: Fx, node: Node, like: Any) -> None:
    """Raise UnsupportedError if torch's result has another dtype or shape."""
    if not isinstance(like, torch.Tensor):
        return
    check_dtype(fx, like, node)
    if _has_known_size(like) and tuple(like.shape) != node.type.shape:
        raise UnsupportedError(
            f"{operator_name(fx)} {where(fx)} makes a tensor of shape {tuple(like.shape)}, which "
            f"Trainlet would compute as {node.type.shape}; reshape its inputs to the usual ranks"
        )


def example_inputs(program: ExportedProgram) -> list[torch.Tensor]:
    """Zeros of the shapes that the program takes, and all indices in turn; raises UnsupportedError
    for dynamic shapes."""
    placeholders = {n.name: n for n in program.graph.nodes if n.op == "placeholder"}

    def example(placeholder: Fx) -> torch.Tensor:
        type, limit = _type(placeholder), index_limit(placeholder)
        given = placeholder.meta["val"].dtype
        kind = given if given in SENSED else torch.float32
        made = torch.arange(type.size) % limit if limit else torch.zeros(type.size, dtype=kind)
        return made.reshape(type.shape)

    return [
        example(placeholders[spec.arg.name])
        for spec in program.graph_signature.input_specs
        if spec.kind == InputKind.USER_INPUT and not isinstance(spec.arg, ConstantArgument)
    ]


def input_names(program: ExportedProgram) -> list[str]:
    """What forward calls its tensors, in its order."""
    return [
        spec.arg.name
        for spec in program.graph_signature.input_specs
        if spec.kind == InputKind.USER_INPUT and not isinstance(spec.arg, ConstantArgument)
    ]


def unread(name: str) -> UnsupportedError:
    return UnsupportedError(
        f"the output does not depend on the input {name!r}; leave it out of forward "
        "(if it should: torch.export takes two inputs for one if their examples are "
        "one tensor, so give each its own)"
    )


def _leaves(program: ExportedProgram, at: Importer, needed: set[Fx]) -> dict[str, Any]:
    placeholders = {n.name: n for n in program.graph.nodes if n.op == "placeholder"}
    inputs = input_names(program)
    tensors = Tensors.of(program)
    values: dict[str, Any] = {}
    parameters: dict[str, Node] = {}
    for spec in program.graph_signature.input_specs:
        name, used = spec.arg.name, placeholders.get(spec.arg.name) in needed
        if name in inputs:
            if not used:
                raise unread(name)
            attrs = {"position": inputs.index(name)} if len(inputs) > 1 else {}
            if limit := index_limit(placeholders[name]):
                attrs["below"] = limit
            values[name] = leaf("input", name, _type(placeholders[name]), **attrs)
        elif spec.kind == InputKind.PARAMETER and spec.target is not None and used:
            names = tensors.names(spec.target)
            if names[0] not in parameters:
                parameters[names[0]] = at.parameter(names, tensors.own[names[0]])
            values[name] = parameters[names[0]]
        elif spec.kind in _CONSTANT_KINDS and spec.target is not None and used:
            values[name] = Constant(spec.target, tensors.buffer(spec.target))
        elif used:
            raise UnsupportedError(f"{name!r} is a {spec.kind.name.lower()}; allowed: tensors")
    return values


def _type(placeholder: Fx) -> TensorType:
    found = placeholder.meta.get("val")
    if not isinstance(found, torch.Tensor):
        raise UnsupportedError(f"input {placeholder.name!r} is not a tensor")
    if not all(isinstance(n, int) for n in found.shape):
        raise UnsupportedError(
            f"input {placeholder.name!r} has a dynamic shape {tuple(found.shape)}; a trainer's "
            "memory is planned at compile time: export with fixed shapes"
        )
    if found.dtype in INDICES and index_limit(placeholder):
        return TensorType(tuple(found.shape), "int32")
    if found.dtype in SENSED:
        return TensorType(tuple(found.shape), SENSED[found.dtype])
    if found.dtype != torch.float32:
        raise UnsupportedError(
            f"input {placeholder.name!r} is {found.dtype}; allowed: torch.float32 (pass "
            "x.float()), torch.int16 and torch.uint8 for samples of a sensor and, for the indices "
            "of an embedding, torch.int64"
        )
    return TensorType(tuple(found.shape))
