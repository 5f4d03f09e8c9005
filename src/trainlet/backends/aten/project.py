"""The files of a target that PyTorch runs: a package a stage, the state, and how to run them."""

from __future__ import annotations

import json
from importlib.resources import files
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined
from safetensors.torch import save

from trainlet.backends.aten.module import Traced
from trainlet.backends.aten.package import write_package
from trainlet.backends.aten.stages import modules_of
from trainlet.files import filling
from trainlet.ir.graph import Node
from trainlet.ir.printable import plain
from trainlet.ir.roles import RATE
from trainlet.planning.program import STEP, Program

STATE = "state."
KINDS = {"float32": "at::kFloat", "bfloat16": "at::kBFloat16", "int32": "at::kInt"}
"""Element types of a package's inputs, in C++."""


def write_packages(program: Program, folder: Path) -> Path:
    """step.pt2, predict.pt2, with accumulation apply.pt2, state.safetensors, the inputs of the
    packages in inputs.json, run.py, and an example in C++.

    Raises UnsupportedError for what has no form in torch, ToolchainError where Inductor fails,
    FileError when the folder cannot be written; nothing is written then.
    """
    graphs = modules_of(program)
    place = graphs[STEP].placement
    state = {plain(STATE + n.name): place.tensor(n, program.initial(n)) for n in program.kept}
    described = {name: [_described(n, graph) for n in graph.leaves]
                 for name, graph in graphs.items()}  # fmt: skip
    with filling(folder) as new:
        for name, graph in graphs.items():
            write_package(graph, new / f"{name}.pt2")
        kept = save(state)
        (new / "state.safetensors").write_bytes(kept)
        (new / "inputs.json").write_text(json.dumps(described, indent=1), encoding="utf-8")
        text = files("trainlet.backends") / "templates" / "run_inductor.txt"
        (new / "run.py").write_text(text.read_text(encoding="utf-8"), encoding="utf-8")
        for name in ("main.cpp", "CMakeLists.txt"):
            text = _example(name, graphs[STEP], kept)
            (new / name).write_text(text, encoding="utf-8")
    return folder


def _described(n: Node, graph: Traced) -> dict[str, object]:
    """Of an input of a package: its name, shape and element type."""
    name = n.name if n.op == "input" else STATE + n.name
    return {"name": plain(name), "shape": n.type.shape, "dtype": _dtype(n, graph)}


def _dtype(n: Node, graph: Traced) -> str:
    return str(graph.placement.dtype(n)).removeprefix("torch.")


def _example(name: str, step: Traced, kept: bytes) -> str:
    """The C++ knows each input of the step by its place in the file of the state, or by its role;
    no text of the user's is part of it."""
    size = int.from_bytes(kept[:8], "little")
    header = json.loads(kept[8 : 8 + size])
    inputs = [
        {
            "shape": list(n.type.shape),
            "type": KINDS[_dtype(n, step)],
            "rate": n.name == RATE,
            "offset": None if n.op == "input"
            else 8 + size + header[plain(STATE + n.name)]["data_offsets"][0],
        }
        for n in step.leaves
    ]  # fmt: skip
    loader = PackageLoader("trainlet.backends", "templates")
    environment = Environment(loader=loader, undefined=StrictUndefined, keep_trailing_newline=True)
    return environment.get_template(f"inductor_{name}.jinja").render(inputs=inputs)
