"""One operator of an exported program, by way of the ATen table."""

from __future__ import annotations

import operator
from collections.abc import Mapping
from typing import Any

import torch
from torch.fx import Node as Fx
from torch.fx.node import map_arg

from trainlet.errors import DataError, ShapeError, TrainletError, UnsupportedError
from trainlet.frontends.advice import advice, is_layer
from trainlet.frontends.aten import ATEN
from trainlet.frontends.importer import Importer
from trainlet.frontends.source import operator_name, where, written

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
    if not isinstance(fx.target, torch._ops.OpOverload) or name not in ATEN:
        raise UnsupportedError(refusal(fx))
    try:
        return ATEN[name](at, *_arguments(fx.target, args, kwargs))
    except (UnsupportedError, ShapeError, DataError) as error:
        raise type(error)(f"{name} {where(fx)}: {error}") from None
    except TrainletError:
        raise
    except Exception as error:  # a combination of arguments that the builder does not foresee
        raise UnsupportedError(
            f"{name} {where(fx)} is called with arguments that are not supported: {error}"
        ) from error


def refusal(fx: Fx) -> str:
    """Why an operator that is not in the table is refused, and what to do."""
    tags = getattr(fx.target, "tags", ())
    name = operator_name(fx)
    random = torch.Tag.nondeterministic_seeded in tags and not is_layer(name)
    if "wrap_with_autocast" in name:
        return f"torch.autocast {where(fx)}: Trainlet computes in float32; leave autocast out"
    why = "draws random numbers" if random else f"needs the operator {name!r}"
    rest = "" if random else ", which Trainlet does not know"
    return f"{written(fx)} {why}{rest}; {advice(name, random)}"


def _arguments(target: torch._ops.OpOverload, args: tuple, kwargs: dict[str, Any]) -> list[Any]:
    """Every argument of the operator's schema, in its order, with the schema's own defaults.

    What says nothing about the meaning is left out.
    """
    schema = target._schema.arguments
    given = {**dict(zip((a.name for a in schema), args, strict=False)), **kwargs}
    values = {a.name: given.get(a.name, a.default_value) for a in schema}
    if values.pop("dtype", None) not in (None, torch.float32):
        raise UnsupportedError(f"dtype={given['dtype']}; allowed: torch.float32")
    return [v for name, v in values.items() if name not in IGNORED]
