"""What the ES module has to know of a program: names, shapes and layouts of its arrays."""

from __future__ import annotations

from typing import Any

from trainlet.backends.interface import Argument, interface_of
from trainlet.ir.graph import Node
from trainlet.ir.storage import storage
from trainlet.passes.penalize import ANCHORS
from trainlet.planning.program import Program

ARRAYS = {
    "float": "Float32Array",
    "int32_t": "Int32Array",
    "int16_t": "Int16Array",
    "int8_t": "Int8Array",
    "uint8_t": "Uint8Array",
}
"""The typed array of a C type."""


def description(program: Program) -> dict[str, Any]:
    """A value for JSON.  Shapes are those of the user's model; an input's `permutation` leads to
    the device's layout, its `scale` and `zero` to its integers."""
    face = interface_of(program)
    return {
        "inputs": [_input(n, a) for n, a in zip(program.inputs, face.inputs, strict=True)],
        "outputs": [
            _array(a, n.type.shape)
            for n, a in zip(program.outputs.values(), face.outputs, strict=True)
        ],
        "targets": [
            _array(a, n.type.shape) for n, a in zip(program.targets, face.targets, strict=True)
        ],
        "learningRate": float(program.lr),
        "savedBytes": face.blob_bytes,
        "ramBytes": program.arena_bytes + program.state_bytes,
        "observes": face.observes,
        "anchors": any(ANCHORS in n.attrs for n in program.states),
    }


def _array(argument: Argument, shape: tuple[int, ...]) -> dict[str, Any]:
    return {"name": argument.name, "array": ARRAYS[argument.ctype], "shape": list(shape)}


def _input(n: Node, argument: Argument) -> dict[str, Any]:
    how, quant = storage(n), n.type.quant
    found = _array(argument, how.shape)
    if how.permutation != tuple(range(len(how.shape))):
        found["permutation"] = list(how.permutation)
    if quant is not None:
        found |= {"scale": float(quant.scale[0]), "zero": int(quant.zero_point[0])}
    return found
