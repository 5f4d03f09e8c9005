"""A network of the soak from its number, always the same."""

from __future__ import annotations

from dataclasses import dataclass, replace
from random import Random

import torch
from torch import Tensor

from soak.layers import Value, kinds, strange
from soak.options import Options, draw_options
from soak.recipe import Line, Recipe, evaluated

MOST_ELEMENTS, TRIES = 1500, 4


@dataclass(frozen=True)
class Case:
    """A network, the seed of its weights and examples, and the options."""

    recipe: Recipe
    seed: int
    options: Options


def draw_case(number: int) -> Case:
    rng = Random(f"soak {number}")
    options = draw_options(rng)
    for _ in range(100):
        drawing = Drawing(rng, options.loss)
        recipe = drawing.network()
        if len(recipe.inputs[0]) < 4 or recipe.inputs[0][0] > 1:  # rows are those of one map
            rows = rng.random() < 0.1
            options = replace(options, stream=options.stream and rows)
            options = replace(options, tile=options.tile if rows or not options.tile else None)
        try:
            return Case(recipe.fitted(), number, options)
        except (RuntimeError, ValueError, TypeError, IndexError):
            continue
    raise AssertionError(f"no network for number {number}")


class Drawing:
    """Lines are proposed, tried and kept; the shape of every value is known from that."""

    def __init__(self, rng: Random, loss: str) -> None:
        self.rng, self.loss = rng, loss
        self.lines: list[Line] = []
        self.parts: dict[str, str] = {}
        self.values: list[Value] = []

    def network(self) -> Recipe:
        rng = self.rng
        batch = rng.choice([1, 1, 1, 1, 2, 3])
        shapes = [self.input(batch) for _ in range(rng.choice([1, 1, 1, 1, 1, 2]))]
        if len(shapes) == 2 and rng.random() < 0.5:
            shapes[1] = shapes[0]
        self.values = [Value(f"x{k}", shape) for k, shape in enumerate(shapes)]
        if len(shapes) == 2:
            self.meet()
        for _ in range(rng.randint(1, 4) if rng.random() < 0.65 else rng.randint(5, 9)):
            self.line()
        last = self.values[-1]
        head = "none" if rng.random() < 0.1 else "linear"
        if self.loss == "bce":
            head = "sigmoid"
        return Recipe(
            tuple(shapes), tuple(self.lines), dict(self.parts), last.name, head, rng.randint(2, 6)
        )

    def input(self, batch: int) -> tuple[int, ...]:
        rng = self.rng
        side = lambda: rng.choice([1, 2, 3, 4, 5, 6, 7, 8, 9, 11, 13])  # noqa: E731
        kind = rng.choice(["map", "map", "map", "map", "sequence", "tokens", "vector"])
        if kind == "map":
            return batch, rng.randint(1, 6), side() + 2, rng.choice([side(), side() + 2])
        if kind == "sequence":
            return batch, rng.randint(1, 6), side() + 4
        return (batch, rng.randint(1, 6), side()) if kind == "tokens" else (batch, side())

    def meet(self) -> None:
        """Both inputs are read: through a pooled form where their shapes differ."""
        a, b = self.values[:2]
        if a.shape == b.shape:
            self.keep("x0 + x1" if self.rng.random() < 0.5 else "torch.cat([x0, x1], 1)", "")
        else:
            self.keep("torch.cat([x0.flatten(1), x1.flatten(1)], 1)", "")

    def line(self) -> None:
        rng = self.rng
        for _ in range(TRIES):
            x = self.values[-1] if rng.random() < 0.85 else rng.choice(self.values)
            others = [v for v in self.values if v.rank == x.rank and v is not x]
            choices = kinds(x)
            kind = rng.choices([*choices], [*choices.values()])[0]
            if rng.random() < 0.006:
                kind = strange
            if self.shared(x):
                return
            proposal = kind(rng, x, others)
            if self.keep(proposal.text.replace("{x}", x.name), proposal.part):
                return

    def shared(self, x: Value) -> bool:
        """Sometimes a layer that there is already reads another value."""
        modules = [name for name, text in self.parts.items() if "= nn." in text]
        modules = [name for name in modules if "Parameter" not in self.parts[name]]
        if not modules or self.rng.random() > 0.04:
            return False
        return self.keep(f"self.{self.rng.choice(modules)}({x.name})", "")

    def keep(self, text: str, part: str) -> bool:
        """Enter a line, if torch takes it and the result is of a size worth having."""
        number = len(self.lines)
        name, own = f"v{number}", f"m{number}"
        text = text.replace("{m}", own).replace("{v}", name)
        text = text if text.startswith(f"{name} =") else f"{name} = {text}"
        line = Line(name, text)
        parts = {**self.parts, **({own: part.replace("{m}", own)} if part else {})}
        used = {k: v for k, v in parts.items() if k in line.uses}
        known = {v.name: v.shape for v in self.values}
        try:
            given = {name: torch.zeros(known[name]) for name in line.reads}
            value = evaluated(text, used, given, name)
        except Exception:
            return False
        if not isinstance(value, Tensor) or not 0 < value.numel() <= MOST_ELEMENTS:
            return False
        if value.ndim < 2 or value.ndim > 5 or value.dtype != torch.float32:
            return False
        self.lines.append(line)
        self.parts = parts
        self.values.append(Value(name, tuple(value.shape)))
        return True
