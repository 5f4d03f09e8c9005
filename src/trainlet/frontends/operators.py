"""Imports one operator of an exported program through the ATen table."""

from __future__ import annotations

import operator
from collections.abc import Collection, Mapping
from typing import Any

import torch
from torch.fx import Node as Fx
from torch.fx.node import map_arg

from trainlet.errors import DataError, ShapeError, TrainletError, UnsupportedError
from trainlet.frontends.advice import advice, is_layer
from trainlet.frontends.aten import ATEN, OF_CONDITIONS
from trainlet.frontends.aten.spectra import Complex, complex_operator
from trainlet.frontends.constants import Constant, folded
from trainlet.frontends.decomposition import decomposition
from trainlet.frontends.importer import Importer
from trainlet.frontends.indices import SENSED
from trainlet.frontends.source import operator_name, where, written
from trainlet.ir.graph import Node

IGNORED = frozenset(
    "layout device memory_format non_blocking pin_memory copy implicit cudnn_enable cudnn_enabled "
    "generator".split()
)
"""Arguments that say nothing about the meaning on this device."""


def call_operator(at: Importer, fx: Fx, nodes: Mapping[str, Any]) -> Any:
    """What the table makes of one operator, given its inputs' nodes by name.

    Raises UnsupportedError, ShapeError and DataError with the operator and the line of the user's
    model.
    """
    given: Any = map_arg((fx.args, fx.kwargs), lambda n: nodes[n.name])
    args, kwargs = given
    if fx.target is operator.getitem:
        return args[0][args[1]]
    name = operator_name(fx)
    if not isinstance(fx.target, torch._ops.OpOverload):
        raise UnsupportedError(refusal(fx))
    of_complex = any(isinstance(value, Complex) for value in nodes.values())
    if name not in ATEN and not of_complex:
        return _decomposed(at, fx, nodes)
    try:
        if of_complex:
            return complex_operator(at, name, _arguments(fx.target, args, kwargs))
        return ATEN[name](at, *_arguments(fx.target, args, kwargs))
    except (UnsupportedError, DataError) as error:
        raise type(error)(f"{name} {where(fx)}: {error}") from None
    except Exception as error:
        if of_complex or (isinstance(error, TrainletError) and not isinstance(error, ShapeError)):
            raise
        return _unforeseen(at, fx, nodes, error)


def _unforeseen(at: Importer, fx: Fx, nodes: Mapping[str, Any], error: Exception) -> Any:
    """What becomes of arguments for which the table's row is not made: what torch makes of them.

    Raises as the row did, where torch makes nothing known of them.
    """
    name = operator_name(fx)
    try:
        return _decomposed(at, fx, nodes, frozenset(ATEN) - {name})
    except (UnsupportedError, ShapeError, DataError):
        pass
    if isinstance(error, ShapeError):
        raise ShapeError(f"{name} {where(fx)}: {error}") from None
    raise UnsupportedError(
        f"{name} {where(fx)} is called with arguments that are not supported: {error}"
    ) from error


def _decomposed(
    at: Importer, fx: Fx, nodes: Mapping[str, Any], known: Collection[str] = ATEN.keys()
) -> Any:
    """What becomes of the operators that torch makes of this one; they stand where it stands."""
    made = decomposition(fx, nodes, known)
    if made is None:
        raise UnsupportedError(refusal(fx))
    given = (nodes[n.name] for n in fx.all_input_nodes)
    values: dict[str, Any] = {}
    for part in made.graph.nodes:
        part.meta |= {k: fx.meta[k] for k in ("stack_trace", "nn_module_stack") if k in fx.meta}
        if part.op == "placeholder":
            values[part.name] = next(given)
        elif part.op == "get_attr":
            values[part.name] = Constant(f"{at.label}.{part.name}", getattr(made, part.target))
        elif part.op == "call_function":
            values[part.name] = _part(at, fx, part, values)
    results = made.graph.output_node().args[0]
    return map_arg(results, lambda n: at.leaf_of(values[n.name]))


def _part(at: Importer, fx: Fx, part: Fx, values: dict[str, Any]) -> Any:
    """One of the operators that `fx` is made of."""
    name = operator_name(part)
    random = torch.Tag.nondeterministic_seeded in getattr(part.target, "tags", ())
    constant = folded(part, name, at.label, values, frozenset(() if random else (name,)))
    if constant is not None:
        return constant
    refused = refusal(fx, f" (torch makes it of others, {name!r} among them)")
    if name not in ATEN and part.target is not operator.getitem:
        raise UnsupportedError(refused)
    nodes = {n.name: at.leaf_of(values[n.name], name) for n in part.all_input_nodes}
    try:
        made = call_operator(at, part, nodes)
    except UnsupportedError as error:
        raise UnsupportedError(refused) from error
    check_dtype(part, part.meta.get("val"), made)
    return made


def check_dtype(fx: Fx, like: Any, made: Any = None) -> None:
    """Raise UnsupportedError if what the trainer must compute is neither float32 nor a condition,
    which is a float32 tensor of zeros and ones, nor the indices or samples `made`, reshaped, nor
    complex."""
    if isinstance(made, Complex) and isinstance(like, torch.Tensor) and like.is_complex():
        return
    kind = made.type.dtype if isinstance(made, Node) else "float32"
    indices = kind == "int32"
    if not isinstance(like, torch.Tensor) or (like.dtype == torch.float32 and not indices):
        return
    if indices and like.dtype in (torch.int64, torch.int32):
        return
    if like.dtype in SENSED and kind == SENSED[like.dtype]:
        return
    name = operator_name(fx)
    if like.dtype != torch.bool or (name in ATEN and name not in OF_CONDITIONS):
        raise UnsupportedError(
            f"{name} {where(fx)} makes {like.dtype}; Trainlet computes in "
            "torch.float32: leave the cast out, or make what does not depend on the input a buffer"
        )


def refusal(fx: Fx, more: str = "") -> str:
    """Why an operator that is not in the table is refused, and what to do."""
    tags = getattr(fx.target, "tags", ())
    name = operator_name(fx)
    random = torch.Tag.nondeterministic_seeded in tags and not is_layer(name)
    if "wrap_with_autocast" in name:
        return f"torch.autocast {where(fx)}: Trainlet computes in float32; leave autocast out"
    why = "draws random numbers" if random else f"needs the operator {name!r}"
    rest = "" if random else f", which Trainlet does not know{more}"
    return f"{written(fx)} {why}{rest}; {advice(name, random)}"


def _arguments(target: torch._ops.OpOverload, args: tuple, kwargs: dict[str, Any]) -> list[Any]:
    """Every argument of the operator's schema, in its order, with the schema's own defaults.

    What says nothing about the meaning is left out.
    """
    schema = target._schema.arguments
    given = {**dict(zip((a.name for a in schema), args, strict=False)), **kwargs}
    values = {a.name: given.get(a.name, a.default_value) for a in schema}
    for name in ("dtype", "output_dtype"):
        if values.pop(name, None) not in (None, torch.float32):
            raise UnsupportedError(f"{name}={given[name]}; allowed: torch.float32")
    return [v for name, v in values.items() if name not in IGNORED]
