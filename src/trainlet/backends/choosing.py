"""The C of a trainer that chooses what learns: several programs in one file, which share kernels,
weights and memory."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from trainlet.backends import kernels, project
from trainlet.backends.arrays import array_text, but_zeros
from trainlet.backends.c import OWN, Emitter
from trainlet.backends.described import described
from trainlet.backends.header import made
from trainlet.backends.interface import Interface, interface_of
from trainlet.backends.namespace import own
from trainlet.backends.sections import attributes, sections_of
from trainlet.backends.text import cmake, fill
from trainlet.ir.graph import Node
from trainlet.ir.roles import TABLE_OF
from trainlet.ir.storage import storage
from trainlet.ops.literal import literal
from trainlet.passes.run_time_channels import TABLE
from trainlet.passes.split import FROZEN
from trainlet.planning.program import Program
from trainlet.planning.selection import WORDS, Choosing, align

MEASURE = "measure"
CHOOSES = json.dumps({"about": "a trainer that chooses what learns", "format": 2})


def choosing_interface(choice: Choosing) -> Interface:
    """The C API of the project."""
    return interface_of(choice.measure, choice.blob_bytes)


class _Arrays:
    """The constants of all programs; equal ones are there once."""

    def __init__(self, prefix: str) -> None:
        self._prefix, self._symbol = prefix, f"{prefix}{OWN}frozen_"
        self._symbols: dict[tuple[str, bytes], str] = {}
        self.texts: list[str] = []

    def symbol(self, label: str, values: np.ndarray) -> str:
        key = str(values.dtype), values.tobytes()
        if key not in self._symbols:
            self._symbols[key] = f"{self._symbol}{len(self._symbols)}"
            self.texts.append(array_text(self._prefix, self._symbols[key], label, values))
        return self._symbols[key]


class _Part(Emitter):
    """The text of one of the programs."""

    def __init__(self, program: Program, name: str, arrays: _Arrays, begun: set[str]) -> None:
        """begun: the parameters whose first values are in Flash as arrays of their own"""
        super().__init__(program)
        self.name, self.arrays, self.begun = name, arrays, begun
        self.unit = f"{self.own}{name}_"
        self.held = f"{self.own}memory.{name}"

    def weight(self, n: Node) -> str:
        return self.arrays.symbol(n.name, self.program.initial(n))

    def start(self, n: Node) -> str:
        if n.name not in self.begun:
            return ""
        return self.arrays.symbol(n.name, but_zeros(self.program.initial(n)))

    def context(self) -> dict[str, Any]:
        layout = self.program.layout
        tables = [
            {"at": layout.start[n.name], "size": n.type.size, "of": n.attrs[TABLE_OF]}
            for n in self.program.states
            if TABLE_OF in n.attrs
        ]
        return {
            **super().context(),
            "name": self.name,
            "link": "static ",
            "api": self.unit,
            "base": align(self.program.state_bytes),
            "size": self.program.state_bytes,
            "tables": tables,
        }


def render_choosing(
    choice: Choosing, stack: int | None = None, sections: Any = None
) -> Mapping[str, str]:
    """The files of the C project by name; stack, sections: as of `render`."""
    placed = attributes(sections_of(sections, separate=False))
    p, arrays = choice.prefix, _Arrays(choice.prefix)
    head = {n.name for n in choice.measure.params}
    weights = {c.weight for c in choice.candidates}
    measure = _Part(choice.measure, MEASURE, arrays, head)
    variants = [
        _Part(v, f"variant{k}", arrays, {n.name for n in v.params} - head - weights)
        for k, v in enumerate(choice.variants)
    ]
    parts = [(part, part.context()) for part in (measure, *variants)]
    first = parts[0][1]
    context = {
        **first,
        "parts": [{**own, "text": fill("calls.c", own)} for _, own in parts],
        "variants": [
            {**own, **_begun(choice, part, measure), "set": sum(1 << k for k in chosen)}
            for (part, own), chosen in zip(parts[1:], choice.sets, strict=True)
        ],
        "candidates": [
            {
                "sums": measure.member(_named(choice.measure, c.sums)),
                "count": c.channels,
                "factor": literal(np.float32(c.factor).item()),
            }
            for c in choice.candidates
        ],
        "memory": choice.memory_bytes,
        "ram": choice.memory_bytes + WORDS,
        "flag_bytes": WORDS,
        "blob_bytes": choice.blob_bytes,
        "within": any(own["within"] for _, own in parts),
        "slides": any(own["slides"] for _, own in parts),
        "stack": stack,
        "staged": True,
        "selects": True,
        "placed": placed,
    }
    used = [n for part, _ in parts for n in part.called()]
    source = "/* The kernels that this trainer calls. */\n#include <stdint.h>\n"
    source += "#define KERNEL static\n\n" + kernels.source(used, choice.measure.target.kernels)
    top = made(choice.measure)
    return {
        f"{p}.h": fill("trainer.h", context),
        f"{p}.c": fill("choosing.c", context),
        f"{p}_kernels.h": f"{top}\n{own(source, measure.own)}",
        f"{p}_weights.h": "\n".join([f"{top}\n/* Frozen weights. */", *arrays.texts]),
        f"{p}.json": described(CHOOSES, context),
        project.EXAMPLE: fill(project.EXAMPLE, context),
        project.CMAKE: cmake([p]),
    }


def write_choosing(
    choice: Choosing, folder: Path, stack: int | None = None, sections: Any = None
) -> tuple[str, ...]:
    """Write the C project, as `write_project` does."""
    return project.write(folder, choice.prefix, render_choosing(choice, stack, sections), cmake)


def _named(program: Program, name: str) -> Node:
    return next(n for n in program.kept if n.name == name)


def _begun(choice: Choosing, part: _Part, measure: _Part) -> dict[str, Any]:
    """How the state of a variant begins: what it takes over, its tables, and the slices that are
    copied from Flash."""
    program, tables, slices = part.program, [], []
    head = {n.name for n in choice.measure.params}
    for c in choice.candidates:
        learns = next((n for n in program.params if n.name == c.weight), None)
        if learns is None:
            continue
        sums = measure.member(_named(choice.measure, c.sums))
        table = part.member(_named(program, c.weight + TABLE))
        tables.append({"id": table, "sums": sums, "count": c.channels, "many": c.many})
        how = storage(learns).part
        assert how is not None
        item, shape = np.dtype(how.whole.dtype).itemsize, how.whole.shape
        taken = int(np.prod(shape)) // shape[how.axis] * c.many * item
        whole = next(n for n in program.constants if n.name == c.weight + FROZEN)
        slices.append(
            {
                "id": part.member(learns),
                "table": table,
                "whole": part.weight(whole),
                "rows": int(np.prod(shape[: how.axis])),
                "count": shape[how.axis],
                "many": c.many,
                "run": int(np.prod(shape[how.axis + 1 :])) * item,
                "taken": taken,
                "zeros": learns.type.nbytes - taken,
            }
        )
    return {
        "kept_ids": [part.member(n) for n in program.params if n.name in head],
        "choices": tables,
        "slices": slices,
        "begun": [part.stored(n) for n in program.params if n.name in part.begun],
        "filled": [part.stored(n) for n in program.states if TABLE_OF not in n.attrs],
    }
