"""Measurements in a file, one JSON line each, made by one process or several.

The first line says what they are measurements of.  A measurement that a killed process has half
written is made again.
"""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Generator, Sequence
from contextlib import closing, nullcontext
from dataclasses import dataclass, field
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import torch

from trainlet.errors import FileError
from trainlet.files import write_text
from trainlet.interrupt import interrupt_afterwards
from trainlet.ir.files import read_file
from trainlet.ir.graph import Graph
from trainlet.ir.text import parse_graph, print_graph
from trainlet.progress import stage
from trainlet.run.checkpoint import digest
from trainlet.schemes.cluster import spread
from trainlet.schemes.layers import Choice, Layers
from trainlet.schemes.measure import measure
from trainlet.schemes.study import Study

FORMAT = "trainlet measurements 1"
NETWORK, PRECISION = "the network", "the precision"
"""Of a file's first line."""
Measured = dict[Choice, np.ndarray]
"""Accuracies [rates, runs] of each choice."""


@dataclass
class Measurements:
    """The measurements of a study.

    file: where they are kept; None keeps them in memory alone
    jobs: how many processes make them
    ray: the address of a Ray cluster that makes them instead
    """

    study: Study
    layers: Layers
    file: Path | None = None
    jobs: int = 1
    known: Measured = field(default_factory=dict)
    ray: str | None = None

    def __post_init__(self) -> None:
        if self.file is not None and os.path.lexists(self.file):
            self.known |= self._read(self.file)

    def make(self, choices: Sequence[Choice]) -> Measured:
        """The measurements of these choices; those that are known are not made again.

        Raises FileError where the file cannot be written.
        """
        missing = [c for c in dict.fromkeys(choices) if c not in self.known]
        total = len(missing)
        if missing:
            stage("measure", 0, total)
            with self._opened() as out, closing(_measured(self, missing)) as results:
                for done, (choice, accuracies) in enumerate(results, 1):
                    with interrupt_afterwards():
                        self.known[choice] = accuracies
                        self._append(out, choice, accuracies)
                    stage("measure", done, total)
        return {c: self.known[c] for c in choices}

    def _opened(self) -> Any:
        if self.file is None:
            return nullcontext()
        if not self.known:  # also a file that ends within its first line
            write_text(self.file, json.dumps(self._head()) + "\n")
        try:
            return self.file.open("ab")
        except OSError as error:
            raise FileError(f"cannot write {self.file}: {error.strerror or error}") from None

    def _append(self, out: Any, choice: Choice, accuracies: np.ndarray) -> None:
        if out is None:
            return
        shares = {self.layers.body[k].weight: share for k, share in choice.shares}
        line = {"biases": choice.biases, "shares": shares, "accuracies": accuracies.tolist()}
        try:
            out.write((json.dumps(line) + "\n").encode())
            out.flush()
            os.fsync(out.fileno())
        except OSError as error:
            raise FileError(f"cannot write {self.file}: {error.strerror or error}") from None

    def _read(self, file: Path) -> Measured:
        """Raises FileError for another study's file, and for one that is damaged before its end."""
        first, *lines = read_file(file).split(b"\n")
        if not lines:
            return {}
        expected, head = self._head(), _head(file, first)
        differ = [name for name, value in expected.items() if head.get(name) != value]
        if differ:
            raise FileError(
                f"{file} holds measurements of another study, which differs in "
                f"{', '.join(differ)}; name another file, or remove this one to start again"
            )
        whole, rest = lines[:-1], lines[-1]
        shape = len(self.study.rates), len(self.study.runs)
        found = _measurements(file, whole, self.layers, shape)
        if rest:
            write_text(file, b"\n".join([first, *whole, b""]).decode())
        return found

    def _head(self) -> dict[str, str]:
        study = self.study
        rows = [a.tobytes() for run in study.runs for a in (run.learn, run.validation)]
        return {
            "format": FORMAT,
            NETWORK: network_digest(study.graph),
            "the data": digest(study.x.tobytes(), study.y.tobytes(), *rows),
            "the seeds": repr([run.seed for run in study.runs]),
            "the rates": repr(study.rates),
            "the epochs": repr(study.epochs),
            "the loss": repr(study.loss),
            "the optimizer": repr(study.optimizer),
            PRECISION: repr(study.precision),
            "the channels": self.layers.channels,
        }


def network_digest(graph: Graph) -> str:
    """The same for two forward graphs of the same operations and values."""
    values = [np.ascontiguousarray(graph.values[name]).tobytes() for name in graph.values]
    return digest(print_graph(graph).encode(), *values)


def read_measured(file: Path, graph: Graph, layers: Layers) -> tuple[bool, Measured]:
    """For those who only look: whether a file's network was measured in int8, and the accuracies.

    graph: the network in float32.  That of an int8 file is known by the names of its layers alone,
    because its integers depend on the calibration.
    Raises FileError for no such file, for one of another network, and for one that is damaged
    before its end.
    """
    first, *lines = read_file(file).split(b"\n")
    head = _head(file, first)
    integer = head.get(PRECISION) != "None"
    other = not integer and head.get(NETWORK) != network_digest(graph)
    names = {layer.weight for layer in layers.body}
    if other or not all(_names(line) <= names for line in lines[:-1]):
        raise FileError(f"{file} holds measurements of another network; name this network's file")
    return integer, _measurements(file, lines[:-1], layers)


def _names(line: bytes) -> set[str]:
    found = _parsed(line)
    shares = found.get("shares") if isinstance(found, dict) else None
    return set(shares) if isinstance(shares, dict) else set()


def _head(file: Path, line: bytes) -> dict[str, Any]:
    head = _parsed(line)
    if not isinstance(head, dict) or head.get("format") != FORMAT:
        raise FileError(f"{file}: is no file of measurements; name another file")
    return head


def _measurements(
    file: Path, lines: Sequence[bytes], layers: Layers, shape: tuple[int, int] | None = None
) -> Measured:
    """shape: of the accuracies of each choice; None for that of the first line"""
    found: Measured = {}
    for number, line in enumerate(lines, 2):
        measured = _measurement(_parsed(line), layers, shape)
        if measured is None:
            raise FileError(f"{file}: line {number} is damaged; remove that line, and it is "
                            "measured again")  # fmt: skip
        shape = measured[1].shape
        found.update([measured])
    return found


def _measurement(
    line: Any, layers: Layers, shape: tuple[int, ...] | None
) -> tuple[Choice, np.ndarray] | None:
    numbers = {layer.weight: k for k, layer in enumerate(layers.body)}
    try:
        shares = [(numbers[name], float(share)) for name, share in line["shares"].items()]
        accuracies = np.array(line["accuracies"], np.float64)
        choice = Choice.of(int(line["biases"]), shares)
    except (KeyError, TypeError, ValueError, AttributeError):
        return None
    fits = accuracies.shape == shape if shape else accuracies.ndim == 2 and accuracies.size
    return (choice, accuracies) if fits and np.isfinite(accuracies).all() else None


def _parsed(line: bytes) -> Any:
    try:
        return json.loads(line)
    except (ValueError, RecursionError):
        return None


def _measured(
    of: Measurements, choices: Sequence[Choice]
) -> Generator[tuple[Choice, np.ndarray], None, None]:
    """Each choice with its accuracies, in any order."""
    tasks = [(choice, choice.scheme(of.layers)) for choice in choices]
    if of.ray is not None:
        yield from spread(of.ray, _packed(of.study), _elsewhere, tasks)
        return
    jobs = min(of.jobs, len(tasks))
    if jobs <= 1:
        for choice, scheme in tasks:
            yield choice, measure(of.study, scheme)
        return
    with get_context("spawn").Pool(jobs, _begin, _packed(of.study)) as pool:
        yield from pool.imap_unordered(_one, tasks)


Packed = tuple[str, dict[str, np.ndarray], dict[str, Any]]
"""A study as it goes to another process: its graph as text, the values, the rest."""


def _packed(study: Study) -> Packed:
    rest = {k: v for k, v in vars(study).items() if k != "graph"}
    return print_graph(study.graph), dict(study.graph.values), rest


def _unpacked(text: str, values: dict[str, np.ndarray], rest: dict[str, Any]) -> Study:
    return Study(Graph(parse_graph(text).outputs, values), **rest)


_STUDY: list[Study] = []
"""Of a process that measures: its study."""


def _begin(text: str, values: dict[str, np.ndarray], rest: dict[str, Any]) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C ends the process that asks, which ends us
    torch.set_num_threads(1)
    _STUDY[:] = [_unpacked(text, values, rest)]


def _one(task: tuple[Choice, Any]) -> tuple[Choice, np.ndarray]:
    choice, scheme = task
    return choice, measure(_STUDY[0], scheme)


def _elsewhere(packed: Packed, task: tuple[Choice, Any]) -> tuple[Choice, np.ndarray]:
    """In a process of a cluster, which measures with one thread as every process here does."""
    torch.set_num_threads(1)
    choice, scheme = task
    return choice, measure(_unpacked(*packed), scheme)
