"""Every scheme of one task in one precision: what its trainer needs, and how well others learn."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

import trainlet as tl
from trainlet.compiled import CompiledProgram
from trainlet.ir.graph import Graph
from trainlet.ir.scheme import UpdateScheme
from trainlet.planning.limits import needed
from trainlet.progress import unheard
from trainlet.run.profile import step_instructions
from trainlet.schemes.additivity import rank_correlation
from trainlet.schemes.contribution import Contribution
from trainlet.schemes.criteria import CRITERIA
from trainlet.schemes.layers import Choice
from trainlet.schemes.measure import checked, measure
from trainlet.schemes.study import Episode, Study, runs_of

from .methods import Method, Network, presets
from .setting import Setting
from .tuning import Tuned, tuned

CONFIRMED = 4
SMALLER = (6, 4.5, 3)
"""Searched within the RAM of full training divided by these."""
EQUAL = ("bias", "sparse1", "sparse2")
"""And within the RAM of these."""
ROOMY = replace(tl.Target.preset("cortex-m7"), ram=16 << 20, flash=16 << 20)
Row = dict[str, Any]


@dataclass
class Comparison:
    """One task in one precision (None: float32)."""

    setting: Setting
    precision: tl.Int8 | None

    @cached_property
    def network(self) -> Network:
        return Network(self.setting.task, self.precision)

    @cached_property
    def tested(self) -> Study:
        return self._study(self.network.graph, "test")

    def contribution(self, file: Path) -> Contribution:
        """The gains on the validation part, of which the file keeps those that are known."""
        setting = self.setting
        return tl.schemes.contribution(
            self.network.graph, _episodes(setting, "validation"), precision=self.precision,
            rates=setting.rates, epochs=setting.task.epochs, seeds=1, shares=setting.shares,
            file=file, measure=False,
        )  # fmt: skip

    def row(self, name: str, graph: Graph, scheme: UpdateScheme, found: Tuned) -> Row:
        """The trainer that `found` is the rate of, and its accuracy on the test part."""
        with unheard():
            training = tl.train(graph, scheme, precision=self.precision)
            program = tl.plan(training, ROOMY, max_recompute=None)
        accuracy = measure(replace(self.tested, graph=graph, rates=(found.rate,)), scheme)[0]
        return {
            "method": name, **costs(program), "rate": found.rate, "at_edge": found.at_edge,
            "validation": found.accuracy, "by_rate": found.by_rate,
            "subjects": by_subject(accuracy, self.setting.tested).tolist(),
            "scheme": dict(scheme.ratios),
        }  # fmt: skip

    def before(self) -> float:
        """The accuracy without training."""
        still = replace(self.tested, rates=(1e-12,), epochs=1)
        return float(measure(still, tl.schemes.last(self.network.graph)).mean())

    def best_of(self, variants: list[Method]) -> Row:
        """The row of the variant that is best on the validation part."""
        tried = [(m, self._tuned(m)) for m in variants]
        method, found = max(tried, key=lambda pair: pair[1].accuracy)
        return self.row(method.name, method.graph, method.scheme, found)

    def _tuned(self, method: Method) -> Tuned:
        study = self._study(method.graph, "validation")
        return tuned(study, method.scheme, self.setting.first)

    def _study(self, graph: Graph, part: str) -> Study:
        x, y, runs = runs_of(_episodes(self.setting, part), 1)
        study = Study(graph, x, y, runs, (1.0,), self.setting.task.epochs, precision=self.precision)
        return checked(study, tl.schemes.last(graph))


def compare(
    setting: Setting,
    precision: tl.Int8 | None,
    file: Path,
    criteria: list[str],
    only: list[str] | None = None,
) -> Row:
    """The rows of a task, and what else its JSON file holds.

    file: keeps the measured gains; only: these methods and full training, without a search
    """
    begun = time.monotonic()
    whole = {"task": setting.task.name, "precision": "int8" if precision else "float32"}
    comparison = Comparison(setting, precision)
    measured = comparison.contribution(file)
    chosen = presets(comparison.network.graph, measured.layers)
    searched = whole["precision"] in setting.searched and only is None
    if only is not None:
        chosen = {name: c for name, c in chosen.items() if name in (*only, "full")}
    if searched:
        measured.measure()
    rows = [_choice(comparison, measured, name, choice) for name, choice in chosen.items()]
    if searched:
        rows += _searched(
            comparison, measured, {r["method"]: r["ram_bytes"] for r in rows}, criteria
        )
    variants: dict[str, list[Method]] = {}
    for method in comparison.network.adapters(setting.ranks):
        if only is None or method.kind in only:
            variants.setdefault(method.kind, []).append(method)
    rows += [comparison.best_of(of) for of in variants.values()]
    return {
        **whole, "rows": [{**whole, **row} for row in _against_full(rows)],
        "before": comparison.before(), "correlation": _correlation(setting, measured, searched),
        "gains": _gains(measured) if searched else {}, "seconds": round(time.monotonic() - begun),
    }  # fmt: skip


def _correlation(setting: Setting, measured: Contribution, searched: bool) -> Row:
    """Of the sums of gains with the accuracies of random schemes."""
    if not searched or not setting.random:
        return {}
    value, pairs = rank_correlation(measured, setting.random)
    return {"schemes": setting.random, "rank_correlation": value, "pairs": pairs}


def _choice(comparison: Comparison, measured: Contribution, name: str, choice: Choice) -> Row:
    setting, study = comparison.setting, measured.measurements.study
    found = measured.measurements.known.get(choice)
    known = None if found is None else dict(zip(setting.rates, found, strict=True))
    scheme = choice.scheme(measured.layers)
    return comparison.row(name, study.graph, scheme, tuned(study, scheme, setting.first, known))


def _searched(
    comparison: Comparison, measured: Contribution, ram: Mapping[str, int], criteria: list[str]
) -> list[Row]:
    budgets = {f"full / {n:g}": int(ram["full"] / n) for n in SMALLER}
    budgets |= {f"RAM of {name}": ram[name] for name in EQUAL}
    sources = {"searched": None, **{name: CRITERIA[name](measured) for name in criteria}}
    rows: dict[tuple[str, Choice], Row] = {}
    for within, size in budgets.items():
        for name, own in sources.items():
            if size < ram["last"]:
                continue
            many = CONFIRMED if own is None else 1
            found = tl.schemes.search(measured, target=ROOMY, ram=size, gains=own, confirm=many)
            if (name, found.choice) in rows:
                rows[name, found.choice]["method"] += f" = {within}"
            else:
                title = f"{name}, {within}"
                rows[name, found.choice] = _choice(comparison, measured, title, found.choice)
    return list(rows.values())


def costs(program: CompiledProgram) -> dict[str, int | None]:
    """Planned RAM with the reserved stack; Flash, with its code where a compiler for the core is
    installed; bytes kept for the backward pass and of what learns; instructions of a step."""
    ram, constants = needed(program)
    try:
        instructions = step_instructions(program)
    except tl.TrainletError:  # no compiler or no emulator for the core
        instructions = None
    return {
        "ram_bytes": ram,
        "flash_bytes": program.report.flash_bytes or constants,
        "kept_and_learnt": program.saved_bytes + sum(n.type.nbytes for n in program.params),
        "instructions": instructions,
    }


def by_subject(accuracies: np.ndarray, runs: int) -> np.ndarray:
    """The mean of each subject's runs; all subjects of the first run come first."""
    return accuracies.reshape(runs, -1).mean(0)


def _against_full(rows: list[Row]) -> list[Row]:
    """Mean and spread over the subjects, the difference to full and its standard error."""
    full = np.array(next(row["subjects"] for row in rows if row["method"] == "full"))
    for row in rows:
        own = np.array(row["subjects"])
        apart = own - full
        row |= {
            "accuracy": float(own.mean()), "spread": float(own.std()),
            "difference": float(apart.mean()),
            "error": float(apart.std(ddof=1) / len(own) ** 0.5) if len(own) > 1 else 0.0,
        }  # fmt: skip
    return rows


def _gains(measured: Contribution) -> Row:
    return {
        "biases": {str(k): vars(gain) for k, gain in measured.biases.items()},
        "weights": {f"{k} {share:g}": vars(gain) for (k, share), gain in measured.weights.items()},
    }


def _episodes(setting: Setting, part: str) -> list[Episode]:
    runs, first = (setting.tested, 0) if part == "test" else (setting.validated, 100)
    every = [e for seed in range(runs) for e in setting.task.episodes(part, first + seed)]
    return [Episode(e.learn, e.test) for e in every]
