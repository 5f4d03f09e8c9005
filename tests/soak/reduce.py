"""A smaller case that fails in the same way."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import replace

from soak.draw import Case
from soak.options import Options
from soak.recipe import Recipe

Fails = Callable[[Case], bool]


def reduced(case: Case, fails: Fails, seconds: float = 120) -> Case:
    """The smallest case found in that time: fewer lines first, then plainer options."""
    end, smaller = time.monotonic() + seconds, True
    while smaller:
        smaller = False
        for other in candidates(case):
            if time.monotonic() > end:
                return case
            if fails(other):
                case, smaller = other, True
                break
    return case


def candidates(case: Case) -> Iterator[Case]:
    """Each is one change away; those that torch does not run are left out."""
    for recipe in smaller_recipes(case.recipe.needed()):
        try:
            yield replace(case, recipe=recipe.needed().fitted())
        except Exception:
            continue
    plain = Options()
    for name in case.options.changed():
        yield replace(case, options=replace(case.options, **{name: getattr(plain, name)}))


def smaller_recipes(recipe: Recipe) -> Iterator[Recipe]:
    for value in [f"x{k}" for k in range(len(recipe.inputs))] + [n.name for n in recipe.lines]:
        if value != recipe.result:
            yield recipe.but(result=value)
    for k, line in reversed(list(enumerate(recipe.lines))):
        for source in line.reads:
            following = tuple(n.reading(line.name, source) for n in recipe.lines[k + 1 :])
            result = source if recipe.result == line.name else recipe.result
            yield recipe.but(lines=recipe.lines[:k] + following, result=result)
    if recipe.head != "none":
        yield recipe.but(head="none")
    for k, shape in enumerate(recipe.inputs):
        for axis, size in enumerate(shape):
            for fewer in {1, size // 2} - {0, size}:
                smaller = (*shape[:axis], fewer, *shape[axis + 1 :])
                yield recipe.but(inputs=(*recipe.inputs[:k], smaller, *recipe.inputs[k + 1 :]))
