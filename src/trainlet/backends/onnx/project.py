"""The files of the target onnx: a model a stage, the state, and how to run them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any

from safetensors.numpy import save

from trainlet.backends.onnx.any_batch import any_batch
from trainlet.backends.onnx.model import STATE, Models
from trainlet.files import filling
from trainlet.ir.printable import plain
from trainlet.planning.program import Program

CONSTANTS, LARGE, PAGE = "constants.bin", 1024, 4096
"""Constants of LARGE bytes and more are in a file of their own, which the models share and which
ONNX Runtime maps into memory.  Each begins a page."""
EXAMPLES = {"run.py": "run_onnx.txt", "train.cpp": "train_onnx.txt"}
"""Each file and its template."""


def write_models(program: Program, folder: Path, sizes: Sequence[Program] = ()) -> Path:
    """step.onnx, predict.onnx, with accumulation apply.onnx, constants.bin where there are large
    constants, state.safetensors, run.py and train.cpp.

    sizes: the same program for SIZES examples; the models are then for any number of them
    Raises UnsupportedError for what has no form in ONNX, FileError when the folder cannot be
    written; nothing is written then.
    """
    made = Models(program)
    models = any_batch(*(Models(p).models for p in sizes)) if sizes else made.models
    kept = {
        plain(STATE + n.name): made.arranged(n.name, program.initial(n))
        for n in (*program.params, *program.states)
    }
    with filling(folder) as new:
        constants = _taken_out(models.values())
        if constants:
            (new / CONSTANTS).write_bytes(constants)
        for name, model in models.items():
            (new / f"{name}.onnx").write_bytes(model.SerializeToString())
        (new / "state.safetensors").write_bytes(save(kept))
        for name, template in EXAMPLES.items():
            text = files("trainlet.backends") / "templates" / template
            (new / name).write_text(text.read_text(encoding="utf-8"), encoding="utf-8")
    return folder


def _taken_out(models: Iterable[Any]) -> bytes:
    """Large constants, each once; the models then name their places."""
    found, places = bytearray(), dict[bytes, int]()
    for model in models:
        for tensor in model.graph.initializer:
            data = tensor.raw_data
            if len(data) < LARGE:
                continue
            if data not in places:
                found += bytes(-len(found) % PAGE)
                places[data] = len(found)
                found += data
            where = {"location": CONSTANTS, "offset": places[data], "length": len(data)}
            tensor.ClearField("raw_data")
            tensor.data_location = tensor.EXTERNAL
            for key, value in where.items():
                tensor.external_data.add(key=key, value=str(value))
    return bytes(found)
