"""Adapters as the command line writes them: NAME, or NAME:OPTION=VALUE,..."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import trainlet as tl
from trainlet.errors import TrainletError
from trainlet.ir.arguments import closest
from trainlet.ir.graph import Graph

Reader = Callable[[str], Any]


def _flag(text: str) -> bool:
    return {"true": True, "false": False}[text]


ADAPTERS: Mapping[str, tuple[Callable[..., Graph], Mapping[str, tuple[Reader, str]]]] = {
    "cosine_head": (
        tl.adapt.cosine_head,
        {"ways": (int, "a whole number"), "scale": (float, "a number")},
    ),
    "lora": (
        tl.adapt.lora,
        {
            "rank": (int, "a whole number"),
            "alpha": (float, "a number"),
            "layers": (lambda text: text.split("+"), "names joined by +"),
            "rank_stabilized": (_flag, "true or false"),
            "recompute": (_flag, "true or false"),
            "seed": (int, "a whole number"),
        },
    ),
    "tinytl": (
        tl.adapt.tinytl,
        {
            "expand": (float, "a number"),
            "kernel": (int, "a whole number"),
            "seed": (int, "a whole number"),
        },
    ),
}
"""The function of each adapter, and its options: how each is read, and what it may be."""


def adapted(graph: Graph, text: str) -> Graph:
    """The graph with the adapters of an option `--adapt`; raises TrainletError."""
    name, _, rest = text.partition(":")
    if name not in ADAPTERS:
        known = ", ".join(ADAPTERS) + closest(name, ADAPTERS)
        raise TrainletError(f"unknown adapter {name!r}; allowed: {known}")
    make, allowed = ADAPTERS[name]
    options: dict[str, Any] = {}
    for part in filter(None, rest.split(",")):
        option, equals, value = part.partition("=")
        if not equals or option not in allowed:
            raise TrainletError(
                f"--adapt {text}: {part!r} is no option of {name}; allowed: OPTION=VALUE with one "
                f"of {', '.join(allowed)}{closest(option, allowed)}"
            )
        read, kind = allowed[option]
        try:
            options[option] = read(value)
        except (ValueError, KeyError):
            raise TrainletError(f"--adapt {text}: {option} is {value!r}; allowed: {kind}") from None
    return make(graph, **options)
