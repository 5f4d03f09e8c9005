"""What `observe` does to the prototypes, on devices that compute in NumPy or in PyTorch."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from trainlet.errors import DivergedError
from trainlet.ops import prototypes
from trainlet.ops.op import OPS
from trainlet.planning.program import PREDICT, Program

TOO_LARGE = f"a feature is not in +-{prototypes.MOST:g}; nothing was changed"


def taught(
    program: Program, found: Mapping[str, np.ndarray], labels: np.ndarray, sums: np.ndarray
) -> dict[str, np.ndarray]:
    """The new prototypes by their name.

    found: the outputs of the stage that predicts, by the names in its graph
    labels: flat; sums: the prototypes
    Raises DivergedError for features whose sum could overflow.
    """
    teaching = program.teaching
    assert teaching is not None, "the program has prototypes"
    leaf, features, target = teaching.inputs
    outputs = program.stages[PREDICT].graph.outputs
    rows = next(found[name] for name, n in outputs.items() if n is features)
    if not (abs(rows) <= prototypes.MOST).all():
        raise DivergedError(TOO_LARGE)
    return {leaf.name: OPS[teaching.op].eval(sums, rows, labels.reshape(target.type.shape))}
