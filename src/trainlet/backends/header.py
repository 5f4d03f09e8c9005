"""Comments of generated files: how each begins, and what the elements of an array are."""

from __future__ import annotations

from importlib.metadata import version

from trainlet.backends.names import comment
from trainlet.ir.graph import Node
from trainlet.ir.storage import storage
from trainlet.ops.objective import Labels
from trainlet.planning.program import Program


def made(program: Program) -> str:
    """The comments at the beginning of every file: its licence, the generator, and the target."""
    p, names = program, [_share(n) for n in program.params]
    return "\n".join(
        [
            "/* SPDX-License-Identifier: Apache-2.0 */",
            comment(f"Made by Trainlet {version('trainlet')} for the target {p.target.name}."),
            comment(f"{p.prefix} trains {len(names)} parameters: {', '.join(names)}"),
        ]
    )


def meaning(target: Node, labels: Labels | None) -> str:
    """What the elements of a target are."""
    if labels is None:
        return shape_text(target.type.shape)
    shape = f"{shape_text(target.type.shape)}, " if target.type.rank > 1 else ""
    return f"{shape}labels in {labels}"


def shape_text(shape: tuple[int, ...]) -> str:
    """A shape as a comment shows it."""
    return "x".join(map(str, shape)) or "1"


def _share(n: Node) -> str:
    """A parameter as the scheme names it: with the share that learns, where that is not all, and
    whether the saved state has its channels in another order than the model."""
    how = storage(n)
    moved = " (channels in the order of the saved state's description)" if how.orders else ""
    if how.part is None:
        return f"{n.name}{moved}"
    share = (how.part.stop - how.part.start) / how.part.whole.shape[how.part.axis]
    return f"{n.name} = {share:.3g}{moved}"
