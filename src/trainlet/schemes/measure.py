"""The accuracy that a scheme reaches: all runs and rates of a study in one simulation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from trainlet.compiled import CompiledProgram
from trainlet.compiler import plan, train
from trainlet.errors import DataError, ExperimentsDiverged
from trainlet.ir.scheme import UpdateScheme
from trainlet.ir.storage import storage
from trainlet.planning.program import Program
from trainlet.progress import unheard
from trainlet.run.dataset import dataset
from trainlet.run.simulation.front import Front
from trainlet.run.simulation.simulation import Simulation
from trainlet.schemes.study import Run, Study

PREDICTED = 32
"""Samples of each run that are predicted at once."""


def program_of(study: Study, scheme: UpdateScheme) -> CompiledProgram:
    """The program whose bits the simulation computes; a plan changes none of them."""
    with unheard():
        training = train(
            study.graph, scheme, loss=study.loss, optimizer=study.optimizer_of(scheme),
            precision=study.precision,
        )  # fmt: skip
        return plan(training, "host")


def checked(study: Study, scheme: UpdateScheme) -> Study:
    """The study with its examples as the program takes them.  Raises DataError."""
    program = program_of(study, scheme)
    labelled = len(program.targets) == 1 and program.labels(program.target_leaf) is not None
    if not labelled or len(program.outputs) != 1 or len(program.inputs) != 1:
        raise DataError("measurements compare accuracies; allowed: a network of one input and one "
                        "output, and one loss of labels, such as cross_entropy")  # fmt: skip
    found = dataset(program, study.x, study.y, "the data")
    batch, least = _batch(program), min(len(run.learn) for run in study.runs)
    if least < batch:
        raise DataError(f"a run learns from {least} examples; the trainer's batch takes {batch}")
    return replace(study, x=np.asarray(found.x), y=np.asarray(found.y))


def measure(
    study: Study, scheme: UpdateScheme, held: Sequence[Mapping[str, np.ndarray]] = ()
) -> np.ndarray:
    """Shares of the validation examples that are right [rates, runs]; 0 where a run diverges.

    Every run learns from the pretrained parameters, with each rate.
    held: for each of as many equal parts of training, what `Simulation.hold` holds
    """
    runs = [run for _ in study.rates for run in study.runs]
    rates = np.repeat(study.rates, len(study.runs)).astype(np.float32)
    program = program_of(study, scheme)
    simulation = Simulation(program, len(runs), study.device)
    front, batch = simulation.front(study.x), _batch(program)
    orders = [_order(run, study.epochs, batch) for run in runs]
    steps = np.array([len(order) for order in orders])
    diverged = np.zeros(len(runs), bool)
    for step in range(last := steps.max()):
        if held and (part := step * len(held) // last) != (step - 1) * len(held) // last:
            simulation.hold(held[part])
        rows = np.stack([order[min(step, len(order) - 1)] for order in orders])
        lr = np.where(diverged, 0, rates * np.maximum(0, 1 - step / steps))
        try:
            simulation.step(front[rows], study.y[rows], lr)
        except ExperimentsDiverged as stopped:
            diverged[stopped.experiments] = True
    right = np.where(diverged, 0.0, _right(simulation, front, study.y, runs))
    return right.reshape(len(study.rates), len(study.runs))


def _order(run: Run, epochs: int, batch: int) -> np.ndarray:
    """Rows [steps, batch]; each epoch has another order, and drops what fills no batch."""
    rng, whole = np.random.default_rng(run.seed), len(run.learn) // batch
    each = [rng.permutation(run.learn)[: whole * batch] for _ in range(epochs)]
    return np.concatenate(each).reshape(-1, batch)


def _right(simulation: Simulation, front: Front, y: np.ndarray, runs: list[Run]) -> np.ndarray:
    longest = max(len(run.validation) for run in runs)
    right, labels = np.zeros(len(runs)), np.zeros(len(runs))
    for at in range(0, longest, PREDICTED):
        places = np.arange(at, min(at + PREDICTED, longest))
        rows = np.stack([run.validation[places.clip(max=len(run.validation) - 1)] for run in runs])
        seen = np.stack([places < len(run.validation) for run in runs])
        hits = simulation.predict(front[rows]).argmax(2) == y[rows]
        seen = np.broadcast_to(seen.reshape(*seen.shape, *[1] * (hits.ndim - 2)), hits.shape)
        axes = tuple(range(1, hits.ndim))
        right += (hits & seen).sum(axes)
        labels += seen.sum(axes)
    return right / labels


def _batch(program: Program) -> int:
    return storage(program.inputs[0]).shape[0]
