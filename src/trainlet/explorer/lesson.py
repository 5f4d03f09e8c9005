"""The lesson: the page with a table of plans of the bundled networks, for use without a server.

The table has what the compiler planned, and a rule that adds up what parts of a scheme need; how
far the rule is off is measured on random schemes that are planned too.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

import trainlet as tl
from trainlet.errors import TrainletError
from trainlet.explorer.contributions import contributions
from trainlet.explorer.explored import SPEECH, SYMBOLS, Explored, Source
from trainlet.explorer.figures import Json, described, planned, wall
from trainlet.explorer.fleet import RECORDED
from trainlet.explorer.leakage import leakage
from trainlet.explorer.learning import RATES, learnt
from trainlet.explorer.requests import Adapter, Forward, Lesson, Precision, Recomputed, Setting
from trainlet.explorer.teaching import teaching
from trainlet.progress import stage, unheard

MODES: tuple[tuple[str, Adapter], ...] = (
    ("last", "none"), ("norm", "none"), ("bias", "none"), ("full", "none"),
    ("lora", "lora"), ("tinytl", "tinytl"),
)  # fmt: skip
"""Schemes and the adapters that they train, as the page asks for them."""
LEVELS = range(9, 1, -1)
"""Tenths of the arena without recomputation (explorer/src/recompute.ts)."""
QUESTIONS = {
    "plan": planned, "recompute": planned, "wall": wall, "learn": learnt,
    "contribution": lambda explored, _: contributions(explored),
}  # fmt: skip
COMBINATIONS = 24
RULES = ("arena", "saved", "backward")
STATEMENT = (
    "Planned by the compiler are the modes, the biases of the last layers, each share of a weight "
    "with the biases from its layer on, and {combinations} random combinations of each precision. "
    "The figures of all other combinations are interpolated: what the parts add is summed. Flash "
    "is that of the classifier alone. The random combinations show how far the sums are off:"
)
DEVIATION = (
    "{precision}: RAM {ram[0]:.1f} % on average, {ram[1]:.1f} % at most; bytes kept for the "
    "backward pass {saved[0]:.1f} % on average, {saved[1]:.1f} % at most."
)
MADE = (
    "Planned by Trainlet {version} for {target}. This file works without a network connection and "
    "sends nothing."
)


def lesson(names: Sequence[str] = (SPEECH, SYMBOLS), combinations: int = COMBINATIONS) -> Json:
    """The data of the page, for JSON.  Takes minutes.

    names: bundled networks; combinations: random schemes of each precision
    """
    target = tl.Target.preset("cortex-m7")
    tables = [_Table(Explored(Source(None, None, target, name))) for name in names]
    return {
        "networks": [table.filled(combinations) for table in tables],
        "teach": teaching(),
        "leakage": leakage(),
        "made": MADE.format(version=tl.__version__, target=target.name),
    }


def canonical(asked: Mapping[str, Any]) -> str:
    """The text by which the page finds an answer: sorted keys, whole numbers without a fraction."""

    def plain(value: Any) -> Any:
        if isinstance(value, Mapping):
            return {k: plain(v) for k, v in value.items()}
        return int(value) if isinstance(value, float) and value == int(value) else value

    return json.dumps(plain(asked), sort_keys=True, separators=(",", ":"))


@dataclass
class _Table:
    """The answers of one network."""

    explored: Explored
    answers: dict[str, Any] = field(default_factory=dict)

    def filled(self, combinations: int) -> Json:
        network, rules = described(self.explored), {}
        words = [STATEMENT.format(combinations=combinations)]
        for precision in self.explored.precisions:
            for scheme, adapter in MODES:
                asked = Setting(precision=precision, scheme=scheme, adapter=adapter)
                self._ask("plan", asked)
                if self.explored.data is not None:
                    values = asked.model_dump()
                    if scheme in RATES:
                        values["rate"] = RATES[scheme]
                    self._ask("learn", Lesson(**values))
            self._recomputations(Setting(precision=precision, scheme="full"))
            for batch in self.explored.batches:
                self._ask("wall", Forward(precision=precision, batch=batch))
            rules[precision] = self._rule(precision)
            words.append(self._deviation(precision, rules[precision], combinations))
        self._ask("contribution", None)
        if self.explored.source.name == SPEECH:
            self.answers |= json.loads(RECORDED.read_text())
        return {"network": network, "answers": self.answers, "rule": rules, "words": words}

    def _recomputations(self, asked: Setting) -> None:
        """With less and less arena, as the page asks, until the compiler does not reach it."""
        most = self._ask("plan", asked)["arena"]
        for tenths in LEVELS:
            limit = Recomputed(**asked.model_dump(), arena=most * tenths // 10)
            if isinstance(self._ask("recompute", limit), str):
                break

    def _ask(self, name: str, asked: Any) -> Any:
        """The answer, or the text of why it was refused; made once."""
        key = f"{name} {canonical({} if asked is None else asked.model_dump())}"
        if key not in self.answers:
            stage(f"{self.explored.source.name}: {name}", len(self.answers))
            make = QUESTIONS[name]
            try:
                with unheard():
                    self.answers[key] = make(self.explored, asked)
            except TrainletError as error:
                self.answers[key] = str(error)
        return self.answers[key]

    def _plan(self, precision: Precision, scheme: dict[str, float]) -> Json:
        found = self._ask("plan", Setting(precision=precision, scheme=scheme))
        if isinstance(found, str):
            raise TrainletError(found)
        return found

    def _rule(self, precision: Precision) -> Json:
        """What the head needs, the biases of the last layers with it, and each share of a weight
        beside the biases from its layer on."""
        layers = self.explored.layers
        head = dict.fromkeys(layers.head, 1.0)
        base = self._plan(precision, head)
        many = len(layers.body)
        reaching = [base]
        for k in range(1, many + 1):
            reaching.append(self._plan(precision, {**head, **self._biases(many - k)}))
        rule: Json = {
            part: {"base": base[part], "biases": [p[part] for p in reaching], "weights": {}}
            for part in RULES
        }
        bytes_of = {f"{name} 1": 0 for layer in layers.body for name in layer.biases}
        bytes_of[f"{layers.head[0]} 1"] = base["state"]
        for k, layer in enumerate(layers.body):
            before, here = reaching[many - k - 1], reaching[many - k]
            if layer.biases:
                bytes_of[f"{layer.biases[0]} 1"] = here["state"] - before["state"]
            for share in layer.shares:
                entry = f"{layer.weight} {share:g}"
                alone = self._plan(
                    precision, {**head, **self._biases(k), layer.weight: float(share)}
                )
                bytes_of[entry] = alone["state"] - here["state"]
                for part in RULES:
                    rule[part]["weights"][entry] = max(0, alone[part] - here[part])
        target = self.explored.source.target
        return {**rule, "forward": base["forward"], "flash": base["flash"],
                "stack": target.stack, "bytes": bytes_of}  # fmt: skip

    def _biases(self, first: int) -> dict[str, float]:
        """Of all layers from a number on."""
        return {name: 1.0 for layer in self.explored.layers.body[first:] for name in layer.biases}

    def _deviation(self, precision: Precision, rule: Json, combinations: int) -> str:
        """How far the rule is off on random choices for every layer, in words."""
        rng, layers = np.random.default_rng(0), self.explored.layers
        off: dict[str, list[float]] = {"ram": [], "saved": []}
        for _ in range(combinations):
            scheme = dict.fromkeys(layers.head, 1.0)
            for layer in layers.body:
                options = [None, 0.0] if layer.biases else [None]
                chosen = [*options, *layer.shares][rng.integers(len(options) + len(layer.shares))]
                if chosen is not None:
                    scheme |= dict.fromkeys(layer.biases, 1.0)
                    scheme |= {layer.weight: float(chosen)} if chosen else {}
            found = self._plan(precision, scheme)
            for part, value in self._interpolated(rule, scheme).items():
                off[part].append(abs(value / found[part] - 1))
        shown = {k: (100 * float(np.mean(v)), 100 * max(v)) for k, v in off.items()}
        return DEVIATION.format(precision=precision, **shown)

    def _interpolated(self, rule: Json, scheme: Mapping[str, float]) -> dict[str, int]:
        """RAM and kept bytes as the page computes them (explorer/src/data.ts)."""
        body = self.explored.layers.body
        learning = [k for k, layer in enumerate(body)
                    if {layer.weight, *layer.biases} & scheme.keys()]  # fmt: skip
        reach = len(body) - learning[0] if learning else 0
        entries = [f"{name} {share:g}" for name, share in scheme.items()]

        def summed(part: str) -> int:
            added = sum(rule[part]["weights"].get(entry, 0) for entry in entries)
            return rule[part]["biases"][reach] + added

        state = sum(rule["bytes"].get(entry, 0) for entry in entries)
        arena = max(summed("arena"), state)
        return {"ram": arena + state + rule["stack"], "saved": summed("saved")}
