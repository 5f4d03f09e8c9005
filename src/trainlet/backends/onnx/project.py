"""The files of the target onnx: a model a stage, the state, and how to run them."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

from safetensors.numpy import save

from trainlet.backends.onnx.model import STATE, Models
from trainlet.files import filling
from trainlet.ir.printable import plain
from trainlet.planning.program import Program

EXAMPLE = "run.py"


def write_models(program: Program, folder: Path) -> Path:
    """step.onnx, predict.onnx, with accumulation apply.onnx, state.safetensors and run.py.

    Raises UnsupportedError for what has no form in ONNX, FileError when the folder cannot be
    written; nothing is written then.
    """
    made = Models(program)
    kept = {
        plain(STATE + n.name): made.arranged(n.name, program.initial(n))
        for n in (*program.params, *program.states)
    }
    with filling(folder) as new:
        for name, model in made.models.items():
            (new / f"{name}.onnx").write_bytes(model.SerializeToString())
        (new / "state.safetensors").write_bytes(save(kept))
        text = files("trainlet.backends") / "templates" / "run_onnx.txt"
        (new / EXAMPLE).write_text(text.read_text(encoding="utf-8"), encoding="utf-8")
    return folder
