"""A user's correction, as trainlet_correct.c makes it: the same steps, the same draws."""

from __future__ import annotations

from typing import Any

import numpy as np

from trainlet.errors import DataError, DivergedError
from trainlet.ir.roles import LOGITS
from trainlet.life.replay import Replay
from trainlet.run.trainer import Trainer


def correct(
    trainer: Trainer,
    replay: Replay,
    x: Any,
    label: int,
    *,
    lr: float,
    rounds: int = 8,
    old: int = 2,
) -> bool:
    """Learn an example until it is taken for what the user says, and keep it in the replay.

    x: an input of one example, without the batch dimension; label: its class
    rounds: at most, each of a step with x and `old` steps with kept examples
    Where the program has prototypes (tl.adapt.cosine_head, tl.adapt.spare_classes), x is added to
    its class's prototype first.  Returns whether the answer is right now.  Raises DataError for an
    example or a label that cannot be used; nothing is changed then.
    """
    if not 0 <= label < replay.classes:
        raise DataError(f"label {label} is out of range; allowed: 0 to {replay.classes - 1}")
    if trainer.program.teaching is not None:
        trainer.observe(_batch(x), [label])
    done = 0
    while not (right := answer(trainer, x) == label) and done < rounds:
        _learn(trainer, x, label, lr)
        for _ in range(old if replay.items else 0):
            _learn(trainer, *replay.draw(), lr)
        done += 1
    replay.add(x, label)
    return right


def answer(trainer: Trainer, x: Any) -> int:
    """The class that an example is taken for."""
    found = trainer.predict(_batch(x))
    logits = found[LOGITS] if isinstance(found, dict) else found
    return int(np.argmax(logits))


def _learn(trainer: Trainer, x: Any, label: int, lr: float) -> None:
    try:
        trainer.step(_batch(x), [label], lr)
    except DivergedError:
        return  # as in C: a step that is refused changes nothing


def _batch(x: Any) -> np.ndarray:
    return np.asarray(x)[None]
