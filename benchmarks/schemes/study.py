"""Every scheme of one task in one precision: what its trainer needs, and how well others learn."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property, partial
from pathlib import Path

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
from trainlet.schemes.knapsack import Additive
from trainlet.schemes.layers import Choice
from trainlet.schemes.measure import checked, measure
from trainlet.schemes.study import Episode, Study, runs_of

from .gains import gains
from .methods import Method, Network, presets
from .rows import Row, Rows
from .setting import Setting
from .tuning import Tuned, tuned

ROOMY = replace(tl.Target.preset("cortex-m7"), ram=16 << 20, flash=16 << 20)


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
            optimizer=self._optimizer(self.network.graph), rates=setting.rates,
            epochs=setting.task.epochs, seeds=1, shares=setting.shares, file=file, measure=False,
        )  # fmt: skip

    def row(self, graph: Graph, scheme: UpdateScheme, found: Tuned) -> Row:
        """The trainer that `found` is the rate of, and its accuracy on the test part."""
        optimizer = self._optimizer(graph)
        study = replace(self.tested, graph=graph, optimizer=optimizer, rates=(found.rate,))
        with unheard():
            training = tl.train(
                graph, scheme, optimizer=study.optimizer_of(scheme), precision=self.precision
            )
            program = tl.plan(training, ROOMY, max_recompute=None)
        accuracy = measure(study, scheme)[0]
        return {
            **costs(program), "rate": found.rate, "at_edge": found.at_edge,
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
        return {"variant": method.name, **self.row(method.graph, method.scheme, found)}

    def _tuned(self, method: Method) -> Tuned:
        study = self._study(method.graph, "validation")
        return tuned(study, method.scheme, self.setting.first)

    def _study(self, graph: Graph, part: str) -> Study:
        x, y, runs = runs_of(_episodes(self.setting, part), 1)
        study = Study(
            graph, x, y, runs, (1.0,), self.setting.task.epochs,
            optimizer=self._optimizer(graph), precision=self.precision,
        )  # fmt: skip
        return checked(study, tl.schemes.last(graph))

    def _optimizer(self, graph: Graph) -> tl.SGD | None:
        """SGD whose classifier learns at its own rate, if the setting has one."""
        if self.setting.head == 1:
            return None
        return tl.SGD(groups=dict.fromkeys(tl.schemes.last(graph), self.setting.head))


def compare(
    setting: Setting,
    precision: tl.Int8 | None,
    build: Path,
    criteria: list[str],
    only: list[str] | None = None,
) -> Row:
    """The rows of a task, and what else its JSON file holds.

    build: the folder of the files that keep rows and measured gains
    only: these methods and full training, with what the files hold already
    """
    whole = {"task": setting.task.name, "precision": "int8" if precision else "float32"}
    start = build / f"bench-schemes-{setting.task.name}"
    comparison = Comparison(setting, precision)
    measured = comparison.contribution(Path(f"{start}-{whole['precision']}.measured.jsonl"))
    rows = Rows(Path(f"{start}-{whole['precision']}.rows.jsonl"), setting.described())
    before = rows.row("no training", lambda: {"accuracy": comparison.before()})
    chosen = presets(comparison.network.graph, measured.layers)
    for name, choice in chosen.items():
        if only is None or name in (*only, "full"):
            rows.row(name, partial(_choice, comparison, measured, choice))
    if only is None or "searched" in only:
        own = whole["precision"] in setting.measured
        source = measured if own else Comparison(setting, None).contribution(
            Path(f"{start}-float32.measured.jsonl")
        )  # fmt: skip
        rows.row("gains", lambda: _described(gains(source, setting.last)))
        sources = {"searched": gains(source, setting.last)}
        sources |= {name: CRITERIA[name](measured) for name in criteria}
        names = ("last", "full", *setting.equal)
        sizes = {name: measured.cost(ROOMY).planned(chosen[name])[0] for name in names}
        _search(comparison, measured, rows, sources, sizes)
        if own and setting.random:
            rows.row("random schemes", lambda: _correlation(measured, setting.random))
    variants: dict[str, list[Method]] = {}
    for method in comparison.network.adapters(setting.ranks):
        if only is None or method.kind in only:
            variants.setdefault(method.kind, []).append(method)
    for kind, of in variants.items():
        rows.row(kind, partial(comparison.best_of, of))
    found = [{**whole, **row} for row in rows.known.values() if "subjects" in row]
    return {
        **whole, "rows": _against_full(found), "before": before["accuracy"],
        "gains": rows.known.get("gains"), "correlation": rows.known.get("random schemes"),
        "seconds": round(sum(row["seconds"] for row in rows.known.values())),
    }  # fmt: skip


def _correlation(measured: Contribution, many: int) -> Row:
    """Of the sums of gains with the accuracies of random schemes."""
    value, pairs = rank_correlation(measured, many)
    return {"schemes": many, "rank_correlation": value, "pairs": pairs}


def _choice(comparison: Comparison, measured: Contribution, choice: Choice) -> Row:
    setting, study = comparison.setting, measured.measurements.study
    found = measured.measurements.known.get(choice)
    known = None if found is None else dict(zip(setting.rates, found, strict=True))
    scheme = choice.scheme(measured.layers)
    row = comparison.row(study.graph, scheme, tuned(study, scheme, setting.first, known))
    return {**row, "choice": _listed(choice)}


def _listed(choice: Choice) -> list:
    return [choice.biases, [list(part) for part in choice.shares]]


def _search(
    comparison: Comparison,
    measured: Contribution,
    rows: Rows,
    sources: Mapping[str, Additive],
    ram: Mapping[str, int],
) -> None:
    """A row for each budget and source of gains.  ram: of the presets, in bytes"""
    setting = comparison.setting
    budgets = {f"full / {n:g}": int(ram["full"] / n) for n in setting.smaller}
    budgets |= {f"RAM of {name}": ram[name] for name in setting.equal}

    def within(size: int, name: str) -> Row:
        many = setting.confirmed if name == "searched" else 1
        found = tl.schemes.search(
            measured, target=ROOMY, ram=size, gains=sources[name], confirm=many
        )
        for row in rows.known.values():
            if row.get("choice") == _listed(found.choice):
                return row
        return _choice(comparison, measured, found.choice)

    for budget, size in budgets.items():
        for name in sources:
            if size >= ram["last"]:
                rows.row(f"{name}, {budget}", partial(within, size, name))


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


def _described(found: Additive) -> Row:
    weights = {f"{k} {share:g}": gain for (k, share), gain in found.weights.items()}
    return {"biases": {str(k): gain for k, gain in found.biases.items()}, "weights": weights}


def _episodes(setting: Setting, part: str) -> list[Episode]:
    runs, first = (setting.tested, 0) if part == "test" else (setting.validated, 100)
    every = [e for seed in range(runs) for e in setting.task.episodes(part, first + seed)]
    return [Episode(e.learn, e.test) for e in every]
