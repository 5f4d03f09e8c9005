"""The functional form of an exported program: no operator writes into a tensor.

torch.export records in-place operators as the user wrote them, and a write through a slice or a
view changes every other view.  torch turns them into new values (functionalization); what is left
to do here is what autograd makes of them: blocks under torch.no_grad become `detach`, and writes
that autograd does not see are refused.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch.export import ExportedProgram
from torch.export.graph_signature import InputKind, OutputKind
from torch.fx import Graph as FxGraph
from torch.fx import GraphModule
from torch.fx import Node as Fx

from trainlet.errors import UnsupportedError
from trainlet.frontends.source import operator_name, where

_GRAD_MODE = "wrap_with_set_grad_enabled"
_DETACH = torch.ops.aten.detach.default
_HELD = (InputKind.BUFFER, InputKind.PARAMETER)
_MUTATED = {OutputKind.BUFFER_MUTATION: "buffer", OutputKind.PARAMETER_MUTATION: "parameter"}


@dataclass(frozen=True)
class Functional:
    """A program without writes.

    writers: the operator that changed a parameter, a buffer or an input, by its placeholder's name
    """

    program: ExportedProgram
    writers: Mapping[str, Fx] = field(default_factory=dict)

    def check_state(self) -> None:
        """Refuse buffers and parameters that a call changes and the next call would read."""
        signature = self.program.graph_signature
        results = (getattr(arg, "name", "") for arg in user_outputs(self.program))
        read = {n.name for n in reaching(self.program, *results)}
        held = {s.target: s.arg.name for s in signature.input_specs if s.kind in _HELD}
        for spec in signature.output_specs:
            kind, name = _MUTATED.get(spec.kind), spec.target
            if kind and held.get(name) in read:
                fx = self.writers.get(held[name])
                by = f"{operator_name(fx)} {where(fx)}" if fx else "the model"
                raise UnsupportedError(
                    f"{by} changes the {kind} {name!r} in forward, and the output depends on it; a "
                    "trainer keeps only trained parameters from one call to the next: make the "
                    f"{kind} constant, or pass its value as an input"
                )


def functional(program: ExportedProgram) -> Functional:
    """The same program without writes; the program itself if it has none.

    Raises UnsupportedError for writes that autograd would not see, or that torch cannot undo.
    """
    if not any(map(_is_special, program.graph.nodes)):
        return Functional(program)
    own = _copied(program)
    for fx in list(own.graph.nodes):
        if _GRAD_MODE in str(fx.target):
            _inline(own.graph_module, fx)
    for fx in list(own.graph.nodes):
        if fx.target is torch.ops.aten.detach_.default:
            _detached(fx, fx.args[0])
    own.graph_module.recompile()
    writes = [(fx, root) for fx in own.graph.nodes for root in _roots_of_writes(fx)]
    if not any(_writes(fx) for fx in own.graph.nodes):
        return Functional(own)
    try:
        made = own.run_decompositions({})
    except Exception as error:
        first = (str(error).strip() or repr(error)).splitlines()[0]
        raise UnsupportedError(
            f"torch cannot make the in-place operators of the model functional: {first}; write "
            "y = x * 2 for x.mul_(2)"
        ) from error
    return Functional(made, {root.name: fx for fx, root in reversed(writes)})


def reaching(program: ExportedProgram, *outputs: str) -> set[Fx]:
    """The nodes that the named ones depend on, and these."""
    todo = [n for n in program.graph.nodes if n.name in outputs]
    found: set[Fx] = set()
    while todo:
        fx = todo.pop()
        if fx not in found:
            found.add(fx)
            todo.extend(fx.all_input_nodes)
    return found


def user_outputs(program: ExportedProgram) -> list[Any]:
    """What the model returns, as the signature describes it."""
    specs = program.graph_signature.output_specs
    return [spec.arg for spec in specs if spec.kind == OutputKind.USER_OUTPUT]


def _is_special(fx: Fx) -> bool:
    return _GRAD_MODE in str(fx.target) or _writes(fx)


def _writes(fx: Fx) -> bool:
    schema = getattr(fx.target, "_schema", None)
    return fx.op == "call_function" and schema is not None and schema.is_mutable


def _copied(program: ExportedProgram) -> ExportedProgram:
    """Another graph with the same names, and the same weights."""
    module = copy.deepcopy(program.graph_module)
    for old, new in zip(program.graph.nodes, module.graph.nodes, strict=True):
        new.name = old.name  # the copy calls an input named `input` differently
    return ExportedProgram(
        root=module,
        graph=module.graph,
        graph_signature=copy.deepcopy(program.graph_signature),
        state_dict=program.state_dict,
        range_constraints=dict(program.range_constraints),
        module_call_graph=copy.deepcopy(program.module_call_graph),
        example_inputs=program.example_inputs,
        constants=program.constants,
        verifiers=[program.verifier],
    )


def _inline(module: GraphModule, fx: Fx) -> None:
    """A block under torch.no_grad in place of its call; each of its results is detached."""
    enabled, body, *given = fx.args
    inner: Any = getattr(module, str(getattr(body, "target", "")))
    if any("higher_order" in str(n.target) for n in inner.graph.nodes):
        raise UnsupportedError(
            f"gradient modes that are nested {where(fx)}: torch.enable_grad inside torch.no_grad; "
            "use one of them"
        )
    _check_block(inner.graph)
    placeholders = [n for n in inner.graph.nodes if n.op == "placeholder"]
    values: dict[Fx, Any] = dict(zip(placeholders, given, strict=True))
    graph = module.graph
    with graph.inserting_before(fx):
        results: Any = graph.graph_copy(inner.graph, values)
        results = list(results) if isinstance(results, (list, tuple)) else [results]
        if not enabled:
            results = [_detach(graph, r) if isinstance(r, Fx) else r for r in results]
    for user in list(fx.users):
        user.replace_all_uses_with(results[user.args[1]])
        graph.erase_node(user)
    graph.erase_node(fx)


def _check_block(graph: FxGraph) -> None:
    """A write under no_grad changes a value, and autograd goes on as if it had not."""
    for fx in graph.nodes:
        for root in _roots_of_writes(fx):
            if root.op == "placeholder":
                raise UnsupportedError(
                    f"{operator_name(fx)} {where(fx)} changes a tensor under torch.no_grad, where "
                    "autograd does not see it; make a new tensor instead"
                )


def _detach(graph: FxGraph, fx: Fx) -> Fx:
    made = graph.call_function(_DETACH, (fx,))
    made.meta.update(fx.meta)
    return made


def _detached(fx: Fx, source: Any) -> None:
    """x.detach_() detaches x itself: what reads x afterwards reads the result."""
    order = {n: k for k, n in enumerate(fx.graph.nodes)}
    later = {user for user in source.users if order[user] > order[fx]}
    fx.target = _DETACH
    source.replace_all_uses_with(fx, later.__contains__)


def _roots_of_writes(fx: Fx) -> Iterator[Fx]:
    """The tensors whose memory the operator changes; raises UnsupportedError for a detached one."""
    if not _writes(fx):
        return
    for argument, value in zip(fx.target._schema.arguments, fx.args, strict=False):  # type: ignore[union-attr]
        if argument.is_write:
            for source in value if isinstance(value, (list, tuple)) else [value]:
                if isinstance(source, Fx):
                    yield _root(fx, source)


def _root(write: Fx, fx: Fx) -> Fx:
    """The tensor that `fx` is a view of."""
    while fx.op == "call_function":
        if fx.target is _DETACH and _learns(fx):
            raise UnsupportedError(
                f"{operator_name(write)} {where(write)} changes a tensor behind detach(), where "
                "autograd does not see it; make a new tensor instead"
            )
        source = _viewed(fx)
        if source is None:
            break
        fx = source
    return fx


def _viewed(fx: Fx) -> Fx | None:
    """The tensor whose memory the operator's result shares."""
    if not hasattr(fx.target, "_schema"):  # an element of what split or unbind returns
        first = fx.args[0] if fx.args else None
        return first if isinstance(first, Fx) else None
    schema = fx.target._schema  # type: ignore[union-attr]
    shared = {name for r in schema.returns if r.alias_info for name in r.alias_info.before_set}
    for argument, value in zip(schema.arguments, fx.args, strict=False):
        info = argument.alias_info
        if info is not None and shared & set(info.before_set) and isinstance(value, Fx):
            return value
    return None


def _learns(fx: Fx) -> bool:
    """Whether anything that the tensor is made of may be a parameter."""
    todo, seen = [fx], set[Fx]()
    while todo:
        fx = todo.pop()
        if fx not in seen:
            seen.add(fx)
            todo.extend(fx.all_input_nodes)
    return any(n.op == "placeholder" and n.name.startswith("p_") for n in seen)
