"""From torch.export to a Graph, in PyTorch's own layout and names."""

from __future__ import annotations

import operator
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.export import ExportedProgram
from torch.export.graph_signature import InputKind, OutputKind
from torch.fx.node import map_arg

from trainlet.errors import DataError, ShapeError, UnsupportedError
from trainlet.frontends.aten import ATEN
from trainlet.frontends.importer import Importer
from trainlet.ir.graph import Graph, Node
from trainlet.ir.types import TensorType
from trainlet.ops.op import leaf

OUTPUT = "logits"
_PARAMETER_KINDS = (InputKind.PARAMETER, InputKind.BUFFER, InputKind.CONSTANT_TENSOR)


def export_module(model: torch.nn.Module, example: Sequence[torch.Tensor]) -> ExportedProgram:
    """torch.export of the model in evaluation mode; its mode is restored afterwards."""
    training = {m: m.training for m in model.modules()}
    model.eval()
    try:
        return torch.export.export(model, tuple(example))
    except Exception as error:
        first = str(error).strip().splitlines()[0] if str(error).strip() else repr(error)
        raise UnsupportedError(
            f"torch.export cannot export the model: {type(error).__name__}: {first}"
        ) from error
    finally:
        for module, mode in training.items():
            module.training = mode


def import_program(program: ExportedProgram) -> Graph:
    """The forward graph of an exported program, with the single output `logits`.

    Raises UnsupportedError (naming the operator and the line of the user's model) for what
    cannot be compiled, DataError for weights that hold NaN or infinity.
    """
    at = Importer()
    nodes: dict[str, Any] = _leaves(program, at)
    for fx in program.graph.nodes:
        if fx.op == "call_function":
            at.label = module_path(fx)
            nodes[fx.name] = call_operator(at, fx, nodes)
    outputs = [
        spec for spec in program.graph_signature.output_specs if spec.kind == OutputKind.USER_OUTPUT
    ]
    result = nodes.get(getattr(outputs[0].arg, "name", "")) if len(outputs) == 1 else None
    if not isinstance(result, Node):
        raise UnsupportedError(
            f"the model returns {len(outputs)} values; allowed: exactly one tensor"
        )
    return at.graph({OUTPUT: result})


def example_inputs(program: ExportedProgram) -> list[torch.Tensor]:
    """Zeros of the shapes that the program takes; raises UnsupportedError for dynamic ones."""
    placeholders = {n.name: n for n in program.graph.nodes if n.op == "placeholder"}
    return [
        torch.zeros(_type(placeholders[spec.arg.name]).shape)
        for spec in program.graph_signature.input_specs
        if spec.kind == InputKind.USER_INPUT
    ]


def _leaves(program: ExportedProgram, at: Importer) -> dict[str, Node]:
    placeholders = {n.name: n for n in program.graph.nodes if n.op == "placeholder"}
    tensors = {**program.state_dict, **program.constants}
    nodes: dict[str, Node] = {}
    for spec in program.graph_signature.input_specs:
        name = spec.arg.name
        if spec.kind == InputKind.USER_INPUT:
            nodes[name] = leaf("input", name, _type(placeholders[name]))
        elif spec.kind in _PARAMETER_KINDS and spec.target is not None:
            kind = "param" if spec.kind == InputKind.PARAMETER else "const"
            nodes[name] = _constant(at, kind, spec.target, tensors[spec.target])
    return nodes


def _constant(at: Importer, kind: str, name: str, tensor: torch.Tensor) -> Node:
    array = tensor.detach().cpu()
    if kind == "param" and array.dtype != torch.float32:
        raise UnsupportedError(
            f"parameter {name!r} is {array.dtype}; allowed: torch.float32 (call model.float())"
        )
    value = array.to(torch.float32).numpy().copy()
    if not np.isfinite(value).all():
        count = int((~np.isfinite(value)).sum())
        raise DataError(f"{name!r} holds {count} values that are NaN or infinite")
    at.values[name] = value
    return leaf(kind, name, TensorType(value.shape))


def _type(placeholder: torch.fx.Node) -> TensorType:
    found = placeholder.meta.get("val")
    if not isinstance(found, torch.Tensor):
        raise UnsupportedError(f"input {placeholder.name!r} is no tensor")
    if not all(isinstance(n, int) for n in found.shape):
        raise UnsupportedError(
            f"input {placeholder.name!r} has a dynamic shape {tuple(found.shape)}; a trainer's "
            "memory is planned at compile time: export with fixed shapes"
        )
    if found.dtype != torch.float32:
        raise UnsupportedError(
            f"input {placeholder.name!r} is {found.dtype}; allowed: torch.float32"
        )
    return TensorType(tuple(found.shape))


def call_operator(at: Importer, fx: torch.fx.Node, nodes: dict[str, Any]) -> Any:
    """What the table makes of one operator, given its inputs' nodes by name.

    Raises UnsupportedError and ShapeError with the operator and the line of the user's model.
    """
    resolved: Any = map_arg((fx.args, fx.kwargs), lambda n: nodes.get(n.name))
    args, kwargs = resolved
    if fx.target is operator.getitem:
        return args[0][args[1]] if isinstance(args[0], list) else args[0]
    name = str(fx.target).removeprefix("aten.").split(".")[0]
    if name not in ATEN or not str(fx.target).startswith("aten."):
        raise UnsupportedError(
            f"operator {fx.target} {where(fx)} is not supported; supported: "
            f"{', '.join(sorted(n for n in ATEN if not n.startswith('_')))}"
        )
    try:
        return ATEN[name](at, *args, **_known(kwargs))
    except (UnsupportedError, ShapeError) as error:
        raise type(error)(f"{fx.target} {where(fx)}: {error}") from None
    except (TypeError, ValueError, AttributeError) as error:
        raise UnsupportedError(
            f"{fx.target} {where(fx)} is called with arguments that are not supported: {error}"
        ) from error


def _known(kwargs: dict[str, Any]) -> dict[str, Any]:
    """Without what says nothing about the meaning on this device."""
    ignored = ("dtype", "layout", "device", "memory_format", "non_blocking", "pin_memory")
    return {k: v for k, v in kwargs.items() if k not in ignored}


def module_path(fx: torch.fx.Node) -> str:
    """The module that made the node, as in `named_modules`; the node's own name outside of all."""
    stack = list((fx.meta.get("nn_module_stack") or {}).values())
    return (stack[-1][0] if stack else "") or fx.name


def where(fx: torch.fx.Node) -> str:
    """The line of the user's model that made the node."""
    frames = re.findall(r'File "([^"]+)", line (\d+)', fx.meta.get("stack_trace") or "")
    torch_home = str(Path(torch.__file__).parent)
    own = [f for f in frames if not f[0].startswith(torch_home)] or frames
    module = module_path(fx)
    return f"(module {module!r}, {own[-1][0]}:{own[-1][1]})" if own else f"(module {module!r})"
