"""Whole data sets through a trainer, one batch a moment, so that callers can show the progress."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from trainlet.errors import DataError
from trainlet.interrupt import interrupt_afterwards
from trainlet.ops.op import OPS
from trainlet.planning.program import LOSS
from trainlet.run.dataset import Dataset
from trainlet.run.trainer import Trainer


@dataclass(frozen=True)
class Moment:
    """How far it is: batches done, of `total`.

    loss: of this batch in training, the mean so far in scoring.  accuracy: so far, None in
    training and for float targets.  instructions: of this call, None where nothing counts them.
    """

    done: int
    total: int
    loss: float
    accuracy: float | None
    instructions: int | None


@dataclass
class Position:
    """How many steps of a training are done; what follows goes on there."""

    done: int = 0


def fit(
    trainer: Trainer,
    data: Dataset,
    epochs: int,
    lr: float | None = None,
    seed: int = 0,
    position: Position | None = None,
) -> Iterator[Moment]:
    """Train; each epoch in another order.  Rows that fill no batch wait for the next epoch.

    position: steps that the trainer's state has behind it, which are left out; it moves together
    with the state, so that Ctrl-C never comes between the two.

    Raises DataError for less than a batch, DivergedError when the loss is not finite.
    """
    check_batch(trainer, data)
    position = position or Position()
    batch, total = batch_size(trainer), steps_in(trainer, data, epochs)
    rng, per_epoch = np.random.default_rng(seed), len(data) // batch
    for epoch in range(epochs):
        order = rng.permutation(len(data))[: per_epoch * batch].reshape(-1, batch)
        begun = max(position.done - epoch * per_epoch, 0)
        for rows in order[begun:]:
            with interrupt_afterwards():
                loss = trainer.step(data.x[rows], data.y[rows], lr)
                position.done += 1
            yield Moment(position.done, total, loss, None, trainer.instructions)


def steps_in(trainer: Trainer, data: Dataset, epochs: int) -> int:
    """Steps of a training."""
    return epochs * (len(data) // batch_size(trainer))


def check_batch(trainer: Trainer, data: Dataset) -> None:
    """Raise DataError for less than a batch."""
    if len(data) < (batch := batch_size(trainer)):
        raise DataError(f"{len(data)} examples; the trainer's batch takes {batch}")


def score(trainer: Trainer, data: Dataset) -> Iterator[Moment]:
    """Predict everything; the last moment has the mean loss and the accuracy over all rows."""
    batch, node = batch_size(trainer), trainer.program.graph.outputs[LOSS]
    labels = trainer.program.target_leaf.type.dtype == "int32"
    total, lost, right = -(-len(data) // batch), 0.0, 0
    for k in range(total):
        rows = np.arange(k * batch, (k + 1) * batch)
        seen = rows[rows < len(data)]  # the last batch is filled up with rows seen before
        logits = trainer.predict(data.x[rows % len(data)])[: len(seen)]
        lost += len(seen) * float(OPS[node.op].eval(logits, data.y[seen], **node.attrs))
        if labels:
            right += int((logits.argmax(-1) == data.y[seen]).sum())
        done = int(seen[-1]) + 1
        accuracy = right / done if labels else None
        yield Moment(k + 1, total, lost / done, accuracy, trainer.instructions)


def batch_size(trainer: Trainer) -> int:
    """Examples in one call of predict or step."""
    return trainer.program.inputs[0].type.shape[0]
