"""A training on the data of the explorer: the compiled trainer, on this machine."""

from __future__ import annotations

from collections import deque
from typing import Any

import trainlet as tl
from trainlet.errors import DataError
from trainlet.explorer.explored import Explored
from trainlet.explorer.requests import Lesson
from trainlet.run.dataset import dataset
from trainlet.run.fit import fit, score

MOST = 2000
"""Examples that are learned from, and as many that are tested with."""
RATES = {"full": 0.003}
"""Of the schemes whose rate is not the default (explorer/src/data.ts)."""


def learnt(explored: Explored, asked: Lesson) -> dict[str, Any]:
    """The losses of all steps, and the accuracy on the test examples before and after.

    The program is the one that is planned for the target; its C computes the same bits there.
    Raises DataError without data, DivergedError where the rate is too large.
    """
    if explored.data is None:
        raise DataError("there are no examples; start the explorer with --data FILE.npz")
    program = explored.program(asked)
    x, y, test_x, test_y = (array[:MOST] for array in explored.data)
    learn, test = dataset(program, x, y), dataset(program, test_x, test_y)
    losses: list[float] = []
    with program.build("host") as trainer:
        before = accuracy(trainer, test)
        for moment in fit(trainer, learn, asked.epochs, asked.rate):
            losses.append(moment.loss)
        after = accuracy(trainer, test)
    return {
        "losses": losses, "before": before, "after": after, "test": len(test_y), "learn": len(y),
    }  # fmt: skip


def accuracy(trainer: tl.Trainer, data: Any) -> float:
    """The share of examples that are recognised.  Raises DataError where none has a label."""
    share = deque(score(trainer, data), maxlen=1)[0].accuracy
    if share is None:
        raise DataError("the examples have no labels")
    return share
