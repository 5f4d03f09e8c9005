"""Training and scoring on whole data sets. Progress is yielded after every batch, so that callers
can show it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from trainlet.errors import DataError
from trainlet.interrupt import interrupt_afterwards
from trainlet.ir.graph import Graph
from trainlet.ir.roles import LOGITS, LOSS, target_leaf_name, target_name
from trainlet.ir.storage import storage
from trainlet.ops.objective import Loss, chosen_outputs, total_loss
from trainlet.ops.op import float32, leaf
from trainlet.planning.program import Program
from trainlet.run.dataset import Dataset
from trainlet.run.evaluate import evaluate_graph
from trainlet.run.trainer import Trainer, by_name


@dataclass(frozen=True)
class BatchProgress:
    """Progress: batches done, of `total`.

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
    """How many steps of a training are done; training continues from there."""

    done: int = 0


def fit(
    trainer: Trainer,
    data: Dataset,
    epochs: int,
    lr: float | None = None,
    seed: int = 0,
    position: Position | None = None,
) -> Iterator[BatchProgress]:
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
                loss = trainer.step(data.inputs(rows), data.targets(rows), lr)
                position.done += 1
            yield BatchProgress(position.done, total, loss, None, trainer.instructions)


def observe(
    trainer: Trainer, data: Dataset, show: Callable[..., None] | None = None
) -> Iterator[BatchProgress]:
    """Add every example to the prototype of its class, once and in order.

    show: what is called with each batch in the place of `trainer.observe`

    Raises DataError where the examples do not fill batches, TrainletError for a program without
    prototypes.
    """
    batch = batch_size(trainer)
    if len(data) % batch:
        raise DataError(f"{len(data)} examples to observe; allowed: a multiple of {batch}, the "
                        "trainer's batch")  # fmt: skip
    for k in range(len(data) // batch):
        rows = np.arange(k * batch, (k + 1) * batch)
        with interrupt_afterwards():
            (show or trainer.observe)(data.inputs(rows), data.targets(rows))
        yield BatchProgress(k + 1, len(data) // batch, 0.0, None, trainer.instructions)


def steps_in(trainer: Trainer, data: Dataset, epochs: int) -> int:
    """Steps of a training."""
    return epochs * (len(data) // batch_size(trainer))


def check_batch(trainer: Trainer, data: Dataset) -> None:
    """Raise DataError for less than a batch."""
    if len(data) < (batch := batch_size(trainer)):
        raise DataError(f"{len(data)} examples; the trainer's batch takes {batch}")


def score(trainer: Trainer, data: Dataset) -> Iterator[BatchProgress]:
    """Predict everything; the last moment has the mean loss, penalties left out, and the accuracy
    of the first loss that reads labels, over all rows."""
    batch, program = batch_size(trainer), trainer.program
    of_labels = _first_of_labels(program)
    total, lost, right = -(-len(data) // batch), 0.0, 0
    for k in range(total):
        rows = np.arange(k * batch, (k + 1) * batch)
        seen = rows[rows < len(data)]  # the last batch is filled up with rows seen before
        made = trainer.predict(data.inputs(rows % len(data)))
        whole = made if isinstance(made, Mapping) else {LOGITS: made}
        outputs = {name: whole[name][: len(seen)] for name in program.outputs}
        targets = by_name([target_name(n) for n in program.targets], data.targets(seen), "targets")
        lost += len(seen) * mean_loss(program.losses, outputs, targets)
        done, accuracy = int(seen[-1]) + 1, None
        if of_labels is not None:
            classes = np.asarray(outputs[chosen_outputs(of_labels, outputs)[0]]).argmax(1)
            right += int((classes == targets[of_labels.target]).sum())
            accuracy = right / (done * (classes.size // len(seen)))
        yield BatchProgress(k + 1, total, lost / done, accuracy, trainer.instructions)


def _first_of_labels(program: Program) -> Loss | None:
    labels = {target_name(n) for n in program.targets if program.labels(n)}
    return next(
        (loss for loss in program.losses if loss.has_target and loss.target in labels), None
    )


def mean_loss(
    losses: Sequence[Loss], outputs: Mapping[str, np.ndarray], targets: Mapping[str, ArrayLike]
) -> float:
    """The weighted sum of the losses of some rows."""
    leaves = {name: leaf("input", f"{name} ", float32(*y.shape)) for name, y in outputs.items()}
    values: dict[str, np.ndarray] = {}
    graph = Graph({LOSS: total_loss(losses, leaves, values)})
    fed = {leaves[name].name: y for name, y in outputs.items()}
    fed |= {target_leaf_name(name): np.asarray(y) for name, y in targets.items()}
    return float(evaluate_graph(graph, {**values, **fed})[LOSS])


def batch_size(trainer: Trainer) -> int:
    """Examples in one call of predict or step."""
    return storage(trainer.program.inputs[0]).shape[0]
