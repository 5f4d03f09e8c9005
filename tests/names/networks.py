"""A tiny network whose parameters and inputs are called as a test wants."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

import trainlet as tl
from trainlet.backends.c import render
from trainlet.ir.graph import Graph
from trainlet.ir.types import TensorType
from trainlet.ops.op import build, leaf

HOSTILE = [
    "*/ int evil; /*",
    "*\\\n/ int evil; /*",
    "/* int evil;",
    "*/*/ int evil;",
    "**//",
    "x??/",
    "x??/\nint evil;",
    "line\nint evil;",
    "carriage\rint evil;",
    "ends with a backslash\\",
    'quote" "quote\'',
    "\\u202e?? \u202eright to left\u2066",
    "nul\0nul",
    "gr\u00f6\u00dfe \U0001f600",
    "half a pair \ud800",
    "\x1b[31m[red]bold[/]",
    "$\\frac{",
    "${CMAKE_SOURCE_DIR} $(touch x) `touch x`",
    "%s%n{{ 7 * 7 }}{% if %}",
    "x" * 10_000,
    "",
    " ",
    "9x",
]


def network(inputs: Sequence[str] = ("x",), parameters: Sequence[str] = ("w", "b")) -> Graph:
    """[1, 3] of each input, added up, times the weight [2, 3] plus the bias [2]."""
    draw = np.random.default_rng(0)
    shapes = ((2, 3), (2,))
    values = {
        n: draw.standard_normal(s).astype(np.float32)
        for n, s in zip(parameters, shapes, strict=True)
    }
    x, *more = (leaf("input", name, TensorType((1, 3))) for name in inputs)
    for other in more:
        x = build("add", x, other)
    w, b = (leaf("param", name, TensorType(values[name].shape)) for name in parameters)
    return Graph({"logits": build("linear", x, w, b, label=parameters[0])}, values)


def program(graph: Graph, target: str = "host", **options: object) -> tl.CompiledProgram:
    """Its trainer, in which all parameters learn."""
    scheme = {n.name: 1.0 for n in graph.leaves("param")}
    return tl.compile(graph, None, scheme, target=target, **options)  # type: ignore[arg-type]


def losses(made: tl.CompiledProgram, device: str = "host") -> list[float]:
    """Of three steps on inputs that differ from each other."""
    x = {n.name: np.full((1, 3), 0.5 + k) for k, n in enumerate(made.inputs)}
    with made.build(device) as trainer:
        return [trainer.step(x, [1]) for _ in range(3)]


def made_text(made: tl.CompiledProgram, name: str) -> str:
    """A file of its project."""
    return render(made)[name]
