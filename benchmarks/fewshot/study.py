"""Each method on one task: the rate that other classes choose, then 200 episodes that test it."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

import trainlet as tl

from .choice import choose
from .learning import OPTIMIZER, ROOMY, Pupil, accuracies, prototypes
from .methods import Method, methods
from .task import Task

RATES = tuple(round(m * 10.0**e, 6) for e in range(-5, 2) for m in (1, 3))
FIRST = (0.01, 0.03, 0.1)
SMALLER = 0.9
"""TinyTrain may have this share of the RAM and the multiply-accumulates of static sparse."""
RULES: dict[str, dict[str, Any]] = {
    "tinytrain": {},
    "gradient": {"criterion": "gradient", "depth": 18},
}
"""Selections: TinyTrain's, and the same with the relative norm of the gradients of more layers."""
METHODS = ("none", "last", "tinytl", "sparse", "lora", "full", *RULES)
CHOSEN = "rate", "by_rate"
Row = dict[str, Any]
Measure = Callable[[str, Sequence[float]], np.ndarray]


@dataclass(frozen=True)
class Size:
    """Episodes that choose rates, and episodes that test."""

    validated: int = 20
    tested: int = 200


def measure(task: Task, size: Size, file: Path, names: Sequence[str]) -> None:
    """Each method adds a row to the file; those that have one are not measured again, and one with
    fewer test episodes gives its rate."""
    known = {row["key"]: row for row in _rows(file)}

    def key_of(method: str, tested: int) -> str:
        of = replace(size, tested=tested)
        return f"{task.name} {task.network} {method} {task.passes} {task.copies} {of}"

    def kept(method: str, make: Callable[[], Row]) -> Row:
        key = key_of(method, size.tested)
        if key not in known:
            known[key] = {"key": key, "task": task.name, "network": task.network,
                          "method": method, **make()}  # fmt: skip
            with file.open("a") as opened:
                opened.write(json.dumps(known[key]) + "\n")
        return known[key]

    chosen = {
        row["method"]: {name: row[name] for name in CHOSEN}
        for row in known.values()
        if "rate" in row and row["key"] == key_of(row["method"], len(row["episodes"]))
    }
    study = Study(task, size, chosen)

    def static(name: str) -> Row:
        return kept(name, lambda: study.static(name))

    for name in names:
        if name == "none":
            kept(name, study.untrained)
        elif name in RULES:
            kept(name, lambda name=name: study.chosen(name, static("sparse")))
        elif name in study.methods:
            static(name)


def measured(file: Path) -> list[list[Row]]:
    """The rows of each network, in the order of the methods; of two rows the one with more test
    episodes."""
    found: dict[tuple[str, str], dict[str, Row]] = {}
    for row in sorted(_rows(file), key=lambda r: len(r["episodes"])):
        found.setdefault((row["task"], row["network"]), {})[row["method"]] = row
    return [[own[name] for name in METHODS if name in own] for _, own in sorted(found.items())]


def _rows(file: Path) -> list[Row]:
    return list(map(json.loads, file.open())) if file.exists() else []


@dataclass(frozen=True)
class Study:
    """The methods of a task, the episodes of its two parts, and the rates that are known."""

    task: Task
    size: Size
    rates: dict[str, Row]

    @cached_property
    def methods(self) -> dict[str, Method]:
        return {m.name: m for m in methods(self.task)}

    @cached_property
    def pupils(self) -> dict[str, list[Pupil]]:
        found = {}
        for part, count in (("validation", self.size.validated), ("test", self.size.tested)):
            episodes = [self.task.episode(part, k) for k in range(count)]
            sums = prototypes(self.methods["last"].graph, episodes)
            found[part] = [Pupil(e, k, sums[k]) for k, e in enumerate(episodes)]
        return found

    def untrained(self) -> Row:
        program = self._compiled(self.methods["last"])
        found = accuracies(program, self.pupils["test"], [0.0], 0, False)[0]
        return {**_shown(found), **_costs(program.report.ram_bytes, 0)}

    def static(self, name: str) -> Row:
        program = self._compiled(self.methods[name])

        def measured(part: str, rates: Sequence[float]) -> np.ndarray:
            return self._accuracies(program, self.pupils[part], rates)

        return {**self._tested(name, measured),
                **_costs(program.report.ram_bytes, program.macs_backward)}  # fmt: skip

    def chosen(self, name: str, sparse: Row) -> Row:
        """By a rule of selection, within a share of what the static sparse scheme needs."""
        graph = self.methods["last"].graph
        limits = {
            "ram": int(SMALLER * sparse["ram_bytes"]),
            "macs": int(SMALLER * sparse["macs_backward"]),
        }
        chosen = {
            part: choose(graph, own, **limits, **RULES[name]) for part, own in self.pupils.items()
        }

        def measured(part: str, rates: Sequence[float]) -> np.ndarray:
            own = chosen[part]
            program = tl.compile(graph, scheme=own.candidates, target=ROOMY, optimizer=OPTIMIZER)
            pupils = [replace(p, held=own.held(k)) for k, p in enumerate(self.pupils[part])]
            return self._accuracies(program, pupils, rates)

        own = chosen["test"]
        return {
            **self._tested(name, measured),
            **_costs(own.mean("ram_bytes"), own.mean("macs_backward")),
            "layers": own.layers(),
        }  # fmt: skip

    def _tested(self, name: str, measured: Measure) -> Row:
        chosen = self.rates.get(name) or _rate(measured, self.task.first.get(name, FIRST))
        return {**_shown(measured("test", [chosen["rate"]])[0]), **chosen}

    def _accuracies(
        self, program: tl.CompiledProgram, pupils: Sequence[Pupil], rates: Sequence[float]
    ) -> np.ndarray:
        return accuracies(program, pupils, rates, self.task.passes, self.task.copies)

    def _compiled(self, method: Method) -> tl.CompiledProgram:
        return tl.compile(method.graph, scheme=method.scheme, target=ROOMY, optimizer=OPTIMIZER)


def _rate(measured: Measure, first: Sequence[float]) -> Row:
    """What the validation episodes prefer; the grid goes on until it has neighbours on both sides,
    and of equal rates the largest counts."""
    known: dict[float, float] = {}
    wanted, rate = set(first), 0.0
    while wanted:
        rates = sorted(wanted)
        means = measured("validation", rates).mean(1).tolist()
        known |= dict(zip(rates, means, strict=True))
        rate = max(known, key=lambda r: (known[r], r))
        best = RATES.index(rate)
        wanted = {RATES[k] for k in (best - 1, best + 1) if 0 <= k < len(RATES)} - set(known)
    return {"rate": rate, "by_rate": {str(r): round(100 * known[r], 2) for r in sorted(known)}}


def _shown(found: np.ndarray) -> Row:
    """Percent, and half of the 95 % confidence interval."""
    return {
        "accuracy": 100 * float(found.mean()),
        "interval": 196 * float(found.std(ddof=1)) / len(found) ** 0.5,
        "episodes": [round(100 * float(a), 2) for a in found],
    }


def _costs(ram: int, macs: int) -> Row:
    return {"ram_bytes": ram, "macs_backward": macs}
