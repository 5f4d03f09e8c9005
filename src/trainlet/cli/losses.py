"""The terms of a step's loss as the command line writes them: NAME, or NAME:OPTION=VALUE,..."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

from trainlet.errors import TrainletError
from trainlet.ir.arguments import closest
from trainlet.ops.objective import LOSSES, Loss, Term
from trainlet.ops.penalty import L2, Proximal

DEFAULT_LOSS = ["cross_entropy"]
PENALTIES = {"l2": L2, "proximal": Proximal}
WORDS = ("name", "output", "target")
"""Options whose value is text; all others are numbers."""


def terms_of(given: list[str]) -> list[Term]:
    """The terms of all `--loss` options; raises TrainletError."""
    return [_term(text) for text in given]


def _term(text: str) -> Term:
    name, _, rest = text.partition(":")
    kind = PENALTIES.get(name, Loss)
    allowed = [f.name for f in fields(kind) if f.name != "name"]
    options: dict[str, Any] = {}
    for part in filter(None, rest.split(",")):
        option, equals, value = part.partition("=")
        if not equals or option not in allowed:
            raise TrainletError(
                f"--loss {text}: {part!r} is no option of {name}; allowed: OPTION=VALUE with one "
                f"of {', '.join(allowed)}{closest(option, allowed)}"
            )
        options[option] = _value(text, option, value)
    if kind is Loss:
        if name not in LOSSES:
            known = ", ".join([*LOSSES, *PENALTIES])
            raise TrainletError(f"unknown loss {name!r}; known: {known}{closest(name, LOSSES)}")
        return Loss(name, **options)
    if "weight" not in options:
        raise TrainletError(f"--loss {text} needs a weight, such as {name}:weight=0.001")
    return kind(**options)


def _value(text: str, option: str, value: str) -> Any:
    """Text, names or numbers joined by +, or a number."""
    if option in WORDS:
        return tuple(value.split("+")) if "+" in value else value
    if option == "parameters":
        return tuple(value.split("+"))
    try:
        if option == "class_weights":
            return tuple(map(float, value.split("+")))
        return int(value) if option == "ignore_index" else float(value)
    except ValueError:
        raise TrainletError(f"--loss {text}: {option} is {value!r}; allowed: a number") from None
