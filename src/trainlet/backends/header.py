"""The comments at the beginning of every generated file."""

from __future__ import annotations

from importlib.metadata import version

from trainlet.backends.names import comment
from trainlet.ir.graph import Node
from trainlet.ir.storage import storage
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


def _share(n: Node) -> str:
    """A parameter as the scheme names it: with the share that learns, where that is not all."""
    part = storage(n).part
    if part is None:
        return n.name
    return f"{n.name} = {(part.stop - part.start) / part.whole.shape[part.axis]:.3g}"
