"""What became of a case, as a line of the log, and as a script that shows a failure again."""

from __future__ import annotations

import re
import traceback
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from soak.check import check
from soak.difference import Difference
from soak.draw import Case
from soak.recipe import Recipe
from trainlet.errors import TrainletError

SOURCE = "src/trainlet/"
FAULTS = ("GraphError", "PlanError", "ToolchainError", "DeviceFault")
"""Errors that no network may bring about: they are failures, not refusals."""


@dataclass(frozen=True)
class Outcome:
    """result: "equal", "kink", "refused" or "failed"; kind: the same for all of a cause."""

    result: str
    kind: str = ""
    detail: str = ""

    def all(self) -> dict[str, Any]:
        return asdict(self)


def outcome(case: Case) -> Outcome:
    try:
        return Outcome(check(case.recipe.network(), case.recipe.inputs, case.seed, case.options))
    except Difference as error:
        return Outcome("failed", error.kind, error.detail)
    except TrainletError as error:
        name = type(error).__name__
        result = "failed" if name in FAULTS else "refused"
        return Outcome(result, f"{name}: {head(str(error))}", str(error)[:400])
    except Exception as error:
        frames = traceback.extract_tb(error.__traceback__)
        own = [f for f in frames if SOURCE in f.filename] or frames
        where = f"{own[-1].filename.rpartition(SOURCE)[2]} {own[-1].name}"
        return Outcome("failed", f"{type(error).__name__} at {where}", str(error)[:400])


def head(message: str) -> str:
    """A message without what differs from network to network."""
    message = re.sub(r"\(module [^)]*\): ?", "", message)
    message = re.sub(r"<[^>]*>|'[^']*'|\[[^\]]*\]", "..", message)
    return re.sub(r"-?\d[\d.,]*", "#", message)[:60]


SCRIPT = '''"""{title}

From the project's root: PYTHONPATH=src:tests python {path}
"""

import torch
import torch.nn.functional as F
from torch import nn

from soak.check import check
from soak.options import Options


{source}

print(check(Net, {inputs}, {seed}, Options({options})))
'''


def write_script(case: Case, found: Outcome, folder: Path, commit: str) -> Path:
    """A small program that shows the failure again."""
    path = folder / f"{case.seed:06}.py"
    options = ", ".join(f"{k}={v!r}" for k, v in case.options.changed().items())
    recipe: Recipe = case.recipe
    title = f"Network {case.seed} of the soak, at {commit}: {found.kind}\n\n{found.detail}"
    text = SCRIPT.format(
        title=title.replace("\\", "/").replace('"""', "'''"),
        path=path,
        source=recipe.source(),
        inputs=recipe.inputs,
        seed=case.seed,
        options=options,
    )
    path.write_text(text)
    return path
