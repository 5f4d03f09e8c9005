"""A deep network on disk: a package for each kind of part and direction, and how to call them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any

from torch import Tensor

from trainlet.backends.aten.package import write_package
from trainlet.files import filling
from trainlet.ir.printable import plain
from trainlet.ir.roles import is_target
from trainlet.torch.block_parts import Call, Kind, Part

FORWARD, BACKWARD = "forward", "backward"


def write_blocks(parts: Sequence[Part], first: int, folder: Path) -> Path:
    """A package a kind and direction, parts.json, which says how parts use them, the tensors of all
    parts in state.safetensors, and run.py.

    first: the first part that learns
    Raises ToolchainError where Inductor fails, FileError when the folder cannot be written; nothing
    is written then.
    """
    from safetensors.torch import save_file

    state = dict[str, Tensor]()
    calls = dict[str, Call]()
    described = [_described(part, _packages(part.kind, calls), state) for part in parts]
    head = parts[-1].kind.backward
    assert head is not None
    about = {
        "first": first,
        "targets": [plain(n.name) for n in head.graph.leaves if is_target(n)],
        "packages": {name: _signature(call) for name, call in calls.items()},
        "parts": described,
    }
    with filling(folder) as new:
        for name, call in calls.items():
            write_package(call.graph, new / f"{name}.pt2")
        save_file(state, new / "state.safetensors")
        (new / "parts.json").write_text(json.dumps(about, indent=1), encoding="utf-8")
        text = files("trainlet.backends") / "templates" / "run_blocks.txt"
        (new / "run.py").write_text(text.read_text(encoding="utf-8"), encoding="utf-8")
    return folder


def _packages(kind: Kind, calls: dict[str, Call]) -> dict[str, str | None]:
    """The names of a kind's packages; those of a new kind are added to `calls`."""
    names = {id(call): name for name, call in calls.items()}
    found = dict[str, str | None]()
    for direction, call in ((FORWARD, kind.forward), (BACKWARD, kind.backward)):
        if call is not None and id(call) not in names:
            names[id(call)] = f"{direction}{len(calls)}"
            calls[names[id(call)]] = call
        found[direction] = names[id(call)] if call else None
    return found


def _described(
    part: Part, packages: dict[str, str | None], state: dict[str, Tensor]
) -> dict[str, Any]:
    """A part: its packages, and the name in the state of each tensor that they take; a tensor that
    several parts share is stored once."""
    known = {(t.data_ptr(), t.dtype, tuple(t.shape)): name for name, t in state.items()}
    stored = dict[str, str]()
    for call in (part.kind.forward, part.kind.backward):
        for n in call.graph.leaves if call else ():
            if n.name not in part.values or plain(n.name) in stored:
                continue
            own = part.values[n.name].detach().contiguous()
            key = own.data_ptr(), own.dtype, tuple(own.shape)
            name = known.setdefault(key, plain(f"{part.prefix}.{n.name}"))
            stored[plain(n.name)] = name
            state.setdefault(name, own)
    return {**packages, "state": stored}


def _signature(call: Call) -> dict[str, Any]:
    """The inputs of a package in their order, and the names of its outputs."""
    dtype = call.graph.placement.dtype
    inputs = [
        {
            "name": plain(n.name),
            "shape": n.type.shape,
            "dtype": str(dtype(n)).removeprefix("torch."),
        }
        for n in call.graph.leaves
    ]
    return {"inputs": inputs, "outputs": [plain(name) for name in call.graph.outputs]}
