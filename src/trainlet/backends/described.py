"""What `PREFIX.json` tells of a project's C API: `trainlet export` knows no network."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from trainlet.backends.interface import DTYPES
from trainlet.backends.names import check_prefix
from trainlet.backends.record import MOST
from trainlet.errors import FileError, TrainletError
from trainlet.ir.files import read_file

KEY = "interface"
_NAME = re.compile(r"[A-Za-z]\w{0,79}", re.ASCII)


@dataclass(frozen=True)
class Slot:
    """An input, an output or a target of the C API.

    count: elements; rows: of a streamed input, else 0; below: of an input of indices, the first
    index that is too large, and of a target of labels the number of classes, else 0
    quantised: whether the header has a function that makes its integers
    """

    name: str
    ctype: str
    count: int
    rows: int = 0
    below: int = 0
    quantised: bool = False


@dataclass(frozen=True)
class Api:
    """The C API of a project, as its description tells it."""

    prefix: str
    inputs: tuple[Slot, ...]
    outputs: tuple[Slot, ...]
    targets: tuple[Slot, ...]
    observes: bool
    selects: bool
    lr: float
    """The learning rate it was compiled with."""


def described(text: str, context: Mapping[str, Any]) -> str:
    """The JSON text of a project with its API; context: that of the templates."""
    known = {slot["name"] for slot in context["quantised"]}

    def told(slot: Mapping[str, Any], below: int) -> dict[str, Any]:
        rows = slot["count"] // slot["row"] if slot.get("row") else 0
        one = {"name": slot["name"], "ctype": slot["ctype"], "count": slot["count"]}
        return {**one, "rows": rows, "below": below, "quantised": slot["name"] in known}

    api = {
        "prefix": context["p"],
        "inputs": [told(slot, slot["below"]) for slot in context["given"]],
        "outputs": [told(slot, 0) for slot in context["outputs"]],
        "targets": [told(slot, slot["classes"]) for slot in context["targets"]],
        "observes": bool(context["observes"]),
        "selects": bool(context["selects"]),
        "lr": float(str(context["lr"]).rstrip("f")),
    }
    return json.dumps({**json.loads(text), KEY: api}, indent=1)


def read_api(path: Path) -> Api:
    """The API of a project; its names are identifiers.  Raises FileError."""
    try:
        told = json.loads(read_file(path, MOST).decode())[KEY]
    except (KeyError, TypeError):
        raise FileError(
            f"{path} does not describe the C API: an older Trainlet wrote it; compile again"
        ) from None
    except (ValueError, RecursionError) as error:
        raise FileError(f"{path} is not the description of a trainer: {error}") from None
    try:
        inputs, outputs, targets = (
            tuple(map(_slot, told[kind])) for kind in ("inputs", "outputs", "targets")
        )
        observes, selects = told["observes"], told["selects"]
        if not (type(observes) is type(selects) is bool and inputs and outputs):
            raise ValueError("no inputs, no outputs or no flags")
        rate = float(told["lr"])
        if not math.isfinite(rate):
            raise ValueError(f"a learning rate of {rate}")
        prefix = check_prefix(told["prefix"])
        return Api(prefix, inputs, outputs, targets, observes, selects, rate)
    except (ValueError, KeyError, TypeError, TrainletError) as error:
        raise FileError(f"{path} is not the description of a trainer: {error}") from None


def _slot(told: Mapping[str, Any]) -> Slot:
    name, ctype, quantised = told["name"], told["ctype"], told["quantised"]
    count, rows, below = (told[key] for key in ("count", "rows", "below"))
    if not isinstance(name, str) or not _NAME.fullmatch(name) or ctype not in DTYPES:
        raise ValueError("an array without an identifier or a type of C")
    sizes = all(type(n) is int and 0 <= n < 1 << 31 for n in (count, rows, below))
    if not sizes or type(quantised) is not bool:
        raise ValueError(f"sizes of '{name}'")
    return Slot(name, ctype, count, rows, below, quantised)
