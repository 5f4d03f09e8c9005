"""A fleet on this machine: each device keeps its data, and only messages travel."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from trainlet.demo.speech import CLIPS_PER_WORD, WORDS, bundled, split_new_speaker
from trainlet.errors import DataError
from trainlet.explorer.explored import SPEECH, Explored
from trainlet.explorer.learning import MOST
from trainlet.explorer.requests import MOST_DEVICES, Federated
from trainlet.fleet.encoding import encoding
from trainlet.fleet.member import Recipe
from trainlet.fleet.simulation import Fleet
from trainlet.fleet.splits import by_person, dirichlet
from trainlet.ir.npz import read_npz
from trainlet.run.dataset import Dataset, dataset

FEW, ALIKE = 0.3, 100.0
"""Of the Dirichlet distribution: devices with few classes, and devices with about equal shares."""
SEED = 0
TESTED = 300
"""Examples that test the model after each round, evenly spaced, if there are more."""
RECORDED = Path(__file__).with_name("records") / "keyword-spotter.fleet.json"
"""Runs of the bundled spotter for the lesson: {question: answer}."""


@dataclass(frozen=True)
class Pool:
    """Examples of all devices together; person: whose each is, None where nobody knows.

    classes: their names
    """

    x: np.ndarray
    y: np.ndarray
    test_x: np.ndarray
    test_y: np.ndarray
    person: np.ndarray | None
    classes: list[str]

    @property
    def persons(self) -> dict[str, np.ndarray]:
        """The rows of each person, of the first so many as there may be devices."""
        found = {} if self.person is None else by_person(self.person)
        return dict(list(found.items())[:MOST_DEVICES])


def pool(explored: Explored) -> Pool | None:
    """The examples of the user's file, or of the six speakers whom the bundled spotter has never
    heard.  None without examples, or where they have no classes."""
    if explored.source.name == SPEECH and explored.source.data is None:
        heard = bundled("new")
        parts = [split_new_speaker(heard, who, CLIPS_PER_WORD, 0) for who in heard.speakers]
        learn, test = (
            [np.concatenate([getattr(p[k], name) for p in parts])
             for name in ("features", "label", "speaker")]
            for k in (0, 1)
        )  # fmt: skip
        return Pool(learn[0], learn[1], test[0], test[1], learn[2], list(WORDS))
    if explored.data is None:
        return None
    x, y, test_x, test_y = (array[:MOST] for array in explored.data)
    if y.ndim != 1 or y.dtype.kind not in "iu" or y.min() < 0:
        return None
    return Pool(x, y, test_x, test_y, _person(explored), [str(k) for k in range(y.max() + 1)])


def _person(explored: Explored) -> np.ndarray | None:
    """The array `person` of the user's file, of the examples to learn from."""
    assert explored.source.data is not None
    try:
        found = read_npz(explored.source.data, ["person"])["person"]
    except DataError:
        return None
    return found[np.arange(len(found)) % 4 != 3][:MOST]


@dataclass
class Run:
    """A fleet that goes on from round to round."""

    fleet: Fleet
    rate: float
    about: dict[str, Any]
    rounds: list[dict[str, Any]] = field(default_factory=list)

    def until(self, rounds: int) -> list[dict[str, Any]]:
        """What is known after each round: accuracy, updates taken, bytes so far; the first entry
        is before the first round."""
        if not self.rounds:
            self.rounds.append({"accuracy": self.fleet.accuracy(), "taken": 0, "up": 0, "down": 0})
        for one in self.fleet.run(rounds, lr=self.rate):
            self.rounds.append({
                "accuracy": one.accuracy, "taken": one.taken,
                "up": one.bytes_up, "down": one.bytes_down,
            })  # fmt: skip
        return self.rounds[: rounds + 1]


def federated(explored: Explored, asked: Federated) -> dict[str, Any]:
    """A fleet after so many rounds, for JSON.  A later round of the same fleet continues.

    Raises DataError without examples, SchemeError for what the network has not.
    """
    key = asked.model_copy(update={"rounds": 0})
    kept, run = explored.made.get("fleet", (None, None))
    if run is None or kept != key:
        if run is not None:
            run.fleet.close()
        explored.made.pop("fleet", None)
        run = _begun(explored, asked)
        explored.made["fleet"] = key, run
    return {**run.about, "rounds": run.until(asked.rounds)}


def _begun(explored: Explored, asked: Federated) -> Run:
    given = pool(explored)
    if given is None:
        raise DataError("a fleet needs examples with classes; start the explorer with --data "
                        "FILE.npz")  # fmt: skip
    rows = divided(given, asked)
    program = explored.program(asked)
    recipe = Recipe(program, encoding(asked.share))
    whole = dataset(program, given.x, given.y)
    own = [Dataset(whole.inputs(part), whole.targets(part)) for part in rows.values()]
    every = -(-len(given.test_y) // TESTED)
    test = dataset(program, given.test_x[::every], given.test_y[::every])
    fleet = Fleet([recipe], [(0, part) for part in own], tests=[test, *[None] * (len(own) - 1)],
                  seed=SEED)  # fmt: skip
    about = {
        "devices": [
            {"name": name, "examples": len(part), "bytes": given.x[part].nbytes,
             "classes": np.bincount(given.y[part], minlength=len(given.classes)).tolist()}
            for name, part in rows.items()
        ],
        "classes": given.classes,
        "test": len(test),
        "values": recipe.shared.size,
    }  # fmt: skip
    return Run(fleet, asked.rate, about)


def divided(given: Pool, asked: Federated) -> dict[str, np.ndarray]:
    """The rows of each device, by its name."""
    if asked.division == "person":
        if not given.persons:
            raise DataError("the file has no array `person` that tells whose an example is")
        return given.persons
    alpha = FEW if asked.division == "few" else ALIKE
    parts = dirichlet(given.y, asked.devices, alpha, SEED)
    return {f"device {k + 1}": rows for k, rows in enumerate(parts)}
