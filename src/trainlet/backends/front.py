"""The C of a frozen front that is a stage of its own: its calls, and where its features lie."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from trainlet.ir.graph import Node
from trainlet.ir.roles import FEATURES
from trainlet.planning.program import STEP, Program, Stage
from trainlet.planning.tiles.tile import Tile


def front_context(
    program: Program,
    calls: Callable[[Iterable[Node | Tile], Stage], list[str]],
    pointer: Callable[[Node, Stage], str],
) -> dict[str, Any] | None:
    """The values for the templates; None where a step is one stage.

    calls, pointer: of the emitter
    move: from where the features lie at the end of the front to where they are read
    """
    stage, features = program.stages.get(FEATURES), program.features
    if stage is None or features is None:
        return None
    made, kind = pointer(stage.graph.outputs[FEATURES], stage), features.type
    place = pointer(features, program.stages[STEP])
    return {
        "calls": calls(stage.plan.steps(), stage),
        "move": "" if made == place else f"memmove({place}, {made}, {kind.nbytes});",
        "pointer": place,
        "bytes": kind.nbytes,
        "floats": kind.size if kind.dtype == "float32" else 0,
        "type": str(kind),
        "macs": program.macs_front,
    }
