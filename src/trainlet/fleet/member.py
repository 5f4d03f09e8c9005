"""A device of the fleet, as the one who runs it sees it: a compiled trainer, and data that stay."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from trainlet.compiled import CompiledProgram
from trainlet.errors import DataError, StateError
from trainlet.fleet.coordinates import Coordinates, fingerprint, initial, shared_by
from trainlet.fleet.encoding import Encoding, decoded
from trainlet.fleet.message import NOTHING, Task, Update, split
from trainlet.passes.penalize import ANCHORS
from trainlet.run.dataset import Dataset
from trainlet.run.fit import fit
from trainlet.run.trainer import Trainer


@dataclass(frozen=True)
class Recipe:
    """What all devices of a kind have in common: the program and how they share.

    personal: patterns of the parameters that never leave a device
    """

    program: CompiledProgram
    encoding: Encoding
    personal: tuple[str, ...] = ()

    @cached_property
    def shared(self) -> Coordinates:
        """What a device of this kind sends."""
        return shared_by(self.program, self.personal)

    @cached_property
    def fingerprint(self) -> int:
        """Of the coordinates and of the units of the numbers."""
        return fingerprint(self.program, self.shared)

    @cached_property
    def start(self) -> np.ndarray:
        """The pretrained values of what it shares: float32 [shared.size]."""
        return initial(self.program, self.shared)


@dataclass
class Member:
    """What one device keeps between rounds.

    data: None where they are on a board
    index: int64 [shared.size], its coordinates in the fleet's vector
    fleet: the fleet's coordinates, whose changes it is sent
    model: the fleet's vector after the round `base`; None before the first task
    personal: its own parameters, by name; rest: what its updates left out so far
    rng: of the noise in its updates, which nobody else may predict
    """

    number: int
    data: Dataset | None
    fleet: Coordinates
    index: np.ndarray
    model: np.ndarray | None = None
    base: int = NOTHING
    personal: dict[str, np.ndarray] = field(default_factory=dict)
    rest: np.ndarray | None = None
    rng: np.random.Generator = field(default_factory=np.random.default_rng)


@dataclass(frozen=True)
class Lesson:
    """How many examples a device has learnt from, and their mean loss."""

    examples: int
    loss: float


def work(
    trainer: Trainer,
    recipe: Recipe,
    member: Member,
    message: bytes,
    learn: Callable[[Trainer, Task], Lesson] | None = None,
) -> bytes:
    """Do a task on the member's own data, and return the update as bytes.

    trainer: one of the recipe's program; its state before and after does not matter
    learn: trains where the data are elsewhere, as on a board (default: on the member's data)
    Raises StateError for a message that this member cannot take, DivergedError where training
    diverges; what the member keeps is then as it was.
    """
    task = Task.decode(message)
    if task.device != member.number:
        raise StateError(f"the task is for device {task.device}, this is {member.number}")
    model = received(member, task)
    begun = load(trainer, recipe, member, model)
    lesson = learn(trainer, task) if learn else _lesson(trainer, member.data, task)
    after = trainer.state()
    change = recipe.shared.take(after).astype(np.float64) - begun
    rest = np.zeros(len(change)) if member.rest is None else member.rest
    wanted = (change + rest).astype(np.float32)
    sizes = recipe.shared.sizes
    payload = recipe.encoding.encode(wanted, sizes, member.rng)
    if recipe.encoding.feeds_back:
        member.rest = wanted - decoded(payload, sizes)
    member.model, member.base = model, task.round - 1
    member.personal = {name: after[name] for name in after if name not in recipe.shared.masks}
    update = Update(
        task.round, member.number, recipe.fingerprint, lesson.examples, lesson.loss, payload
    )
    return update.encode()


def _lesson(trainer: Trainer, data: Dataset | None, task: Task) -> Lesson:
    if data is None:
        raise DataError(f"device {task.device} has no data here")
    rate = None if np.isnan(task.lr) else task.lr
    losses = [one.loss for one in fit(trainer, data, task.epochs, rate, seed=task.seed)]
    return Lesson(len(data), float(np.mean(losses)) if losses else 0.0)


def received(member: Member, task: Task) -> np.ndarray:
    """The fleet's vector that a task tells; raises StateError."""
    size, parts = member.fleet.size, split(task.payload)
    if task.base == NOTHING:
        if len(parts) != 1 or len(parts[0]) != 4 * size:
            raise StateError(f"the task's model has not {size} values")
        return np.frombuffer(parts[0], "<f4").astype(np.float32)
    if task.base != member.base or member.model is None:
        raise StateError(f"the task changes the model of round {task.base}; this device has that "
                         f"of round {member.base}")  # fmt: skip
    model = member.model
    for part in parts:
        model = model + decoded(part, member.fleet.sizes)
    return model


def load(trainer: Trainer, recipe: Recipe, member: Member, model: np.ndarray) -> np.ndarray:
    """Give a trainer the fleet's model and the member's own parameters, and a fresh optimiser.

    Returns the shared values as the trainer has them, rounded to its integers: float32
    [shared.size].
    """
    trainer.reset()
    state = recipe.shared.put(model[member.index], trainer.state())
    trainer.load_state({**state, **member.personal})
    if any(ANCHORS in n.attrs for n in recipe.program.states):
        trainer.set_anchor()
    return recipe.shared.take(trainer.state())
