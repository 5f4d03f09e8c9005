"""Rolls the turns of a tile that differ only in addresses and rows into one loop."""

from __future__ import annotations

from dataclasses import replace

from trainlet.planning.tiles.tile import Band, Fetch, Loop, Slide, TileStep


def as_loops(turns: list[list[TileStep]]) -> tuple[Loop, ...]:
    """The same steps in as few loops as there are kinds of turns in a row."""
    loops: list[Loop] = []
    at = 0
    while at < len(turns):
        end = at + 1
        steady = _advance(turns[at], turns[end]) if end < len(turns) else None
        while steady is not None and end < len(turns):
            if _advance(turns[end - 1], turns[end]) != steady:
                break
            end += 1
        body = tuple(turns[at]) if steady is None else _moving(turns[at], steady)
        loops.append(Loop(end - at, body))
        at = end
    return tuple(loops)


def _advance(a: list[TileStep], b: list[TileStep]) -> list[int] | None:
    """By how much each place moves from turn a to turn b; None if they differ otherwise."""
    if len(a) != len(b) or any(_fixed(x) != _fixed(y) for x, y in zip(a, b, strict=True)):
        return None
    starts = zip(map(_starts, a), map(_starts, b), strict=True)
    return [q - p for old, new in starts for p, q in zip(old, new, strict=True)]


def _fixed(step: TileStep) -> tuple:
    """What does not change from turn to turn."""
    if isinstance(step, Slide):
        return (step,)
    if isinstance(step, Fetch):
        return step.node, step.rows, step.start
    call = step.call
    return step.node, call.type, [i.type for i in call.inputs], call.attrs


def _starts(step: TileStep) -> list[int]:
    """What may move from turn to turn."""
    if isinstance(step, Slide):
        return []
    if isinstance(step, Fetch):
        return [step.first]
    return [place.start for place in (step.result, *step.inputs) if place]


def _moving(turn: list[TileStep], advance: list[int]) -> tuple[TileStep, ...]:
    by = iter(advance)
    body: list[TileStep] = []
    for step in turn:
        if isinstance(step, Band):
            result = replace(step.result, advance=next(by))
            inputs = tuple(p and replace(p, advance=next(by)) for p in step.inputs)
            step = Band(step.node, step.call, result, inputs)
        elif isinstance(step, Fetch):
            step = replace(step, advance=next(by))
        body.append(step)
    return tuple(body)
