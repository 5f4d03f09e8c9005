"""The files of the target onnx: a model a stage, the state, and how to run them."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path

from safetensors.numpy import save

from trainlet.backends.onnx.any_batch import any_batch
from trainlet.backends.onnx.model import STATE, Models
from trainlet.files import filling
from trainlet.ir.printable import plain
from trainlet.planning.program import Program

EXAMPLES = {"run.py": "run_onnx.txt", "train.cpp": "train_onnx.txt"}
"""Each file and its template."""


def write_models(program: Program, folder: Path, sizes: Sequence[Program] = ()) -> Path:
    """step.onnx, predict.onnx, with accumulation apply.onnx, state.safetensors, run.py and
    train.cpp.

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
        for name, model in models.items():
            (new / f"{name}.onnx").write_bytes(model.SerializeToString())
        (new / "state.safetensors").write_bytes(save(kept))
        for name, template in EXAMPLES.items():
            text = files("trainlet.backends") / "templates" / template
            (new / name).write_text(text.read_text(encoding="utf-8"), encoding="utf-8")
    return folder
