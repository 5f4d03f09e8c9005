"""Removes the results of a loop that nobody reads, and the computation that only they need."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from trainlet.ir.graph import Node, topological
from trainlet.ops.op import OPS, build
from trainlet.ops.repeat.body import body_of
from trainlet.ops.repeat.loop import EACH, LAST, STATES, Loop

Key = tuple[str, int]


@dataclass(frozen=True)
class Trimmed:
    """node:  the loop with the results that are read
    start: for the first element of what was read, where it begins in the new result
    """

    node: Node
    start: dict[int, int]


def trimmed(n: Node, read: Iterable[tuple[int, int]]) -> Trimmed:
    """read: first element and number of elements of each part of the result that is read."""
    loop = Loop.of(n.attrs)
    parts = [(start, *_result(loop, start), size) for start, size in read]
    stacked, lone, each = _kept(loop, [(key, shift, size) for _, key, shift, size in parts])
    values = loop.values
    states = _needed(loop, (*stacked, *lone), [values[loop.body.each[k]] for k in each])
    roots = [values[loop.body.after[k]] for k in states]
    each_values = [values[loop.body.each[k]] for k in each]
    reached = set(topological((*roots, *each_values)))
    sliced = [k for k in loop.sliced if values[k] in reached]
    fixed = [k for k in loop.fixed if values[k] in reached]
    new = _in_place(values)
    body = body_of(
        [values[k] for k in states],
        [values[k] for k in sliced],
        [values[k] for k in fixed],
        [new[v] for v in roots],
        [new[v] for v in each_values],
    )
    inputs = [n.inputs[loop.position[k]] for k in (*states, *sliced, *fixed) if k in loop.position]
    number = {k: own for own, k in enumerate(states)}
    attrs = {
        "body": body,
        "count": loop.count,
        "reverse": loop.reverse,
        "zeros": tuple(number[k] for k in loop.zeros if k in number),
        "stacked": tuple(number[k] for k in stacked),
        "last": tuple(number[k] for k in lone),
    }
    own = Loop.of(attrs)
    key = {(STATES, k): (STATES, number[k]) for k in stacked}
    key |= {(LAST, k): (LAST, number[k]) for k in lone}
    key |= {(EACH, k): (EACH, place) for place, k in enumerate(each)}
    start, before, now = {}, loop.result.itemsize, own.result.itemsize
    for old, (kind, k), shift, _ in parts:
        nbytes = shift * before
        if kind == STATES and k in lone:
            kind, nbytes = LAST, nbytes - loop.final * values[k].type.nbytes
        elif kind == LAST and k in stacked:
            kind, nbytes = STATES, own.final * values[k].type.nbytes
        start[old] = own.slots[key[kind, k]].start + nbytes // now
    return Trimmed(build(n.op, *inputs, label=n.name, **attrs), start)


def _result(loop: Loop, start: int) -> tuple[Key, int]:
    """The result that begins at or before an element, and how far before."""
    key = max((slots.start, key) for key, slots in loop.slots.items() if slots.start <= start)[1]
    return key, start - loop.slots[key].start


def _kept(
    loop: Loop, parts: Iterable[tuple[Key, int, int]]
) -> tuple[list[int], list[int], list[int]]:
    """States that stay stacked, states of which the last value is enough, and stacked values."""
    stacked, lone, each = set[int](), set[int](), set[int]()
    for (kind, k), shift, count in parts:
        if kind == EACH:
            each.add(k)
            continue
        size = loop.slots[kind, k].step
        final = kind == LAST or (
            shift >= loop.final * size and shift + count <= (loop.final + 1) * size
        )
        (lone if final else stacked).add(k)
    return sorted(stacked), sorted(lone - stacked), sorted(each)


def _needed(loop: Loop, wanted: Iterable[int], each: Iterable[Node]) -> list[int]:
    """The states that are results, or that one that is needed depends on."""
    values, needed, each = loop.values, set(wanted), list(each)
    while True:
        reached = set(topological((*(values[loop.body.after[k]] for k in needed), *each)))
        more = {k for k in range(loop.body.states) if values[k] in reached} | needed
        if more == needed:
            return sorted(needed)
        needed = more


def _in_place(values: Iterable[Node]) -> dict[Node, Node]:
    """Consecutive elements of another value are read without a copy."""
    new: dict[Node, Node] = {}
    for n in values:
        made = n if n.is_leaf else n.with_inputs(new[i] for i in n.inputs)
        start = None if n.is_leaf or OPS[n.op].alias else OPS[n.op].window(n)
        if start is not None:
            made = build("view", made.inputs[0], start=start, shape=n.type.shape)
        new[n] = made
    return new
