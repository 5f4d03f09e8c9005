"""The body of a loop as nodes, and nodes as the body of a loop."""

from __future__ import annotations

from collections.abc import Sequence
from weakref import WeakKeyDictionary

from trainlet.errors import ShapeError
from trainlet.ir.body import Body
from trainlet.ir.graph import Node, topological
from trainlet.ops.op import build, leaf, require

_VALUES: WeakKeyDictionary[Body, tuple[Node, ...]] = WeakKeyDictionary()


def values_of(body: Body) -> tuple[Node, ...]:
    """A node for each value of the body, in the order of their numbers; the same for each call.

    Raises ShapeError for a body that reads a value before it is made, or whose states change their
    type from turn to turn.
    """
    if body not in _VALUES:
        _VALUES[body] = _values(body)
    return _VALUES[body]


def _values(body: Body) -> tuple[Node, ...]:
    made = [leaf("input", f"value{k}", t) for k, t in enumerate(body.inputs)]
    for op, operands, attrs in body.steps:
        require(all(0 <= k < len(made) for k in operands), f"{op} reads a value not yet made")
        made.append(build(op, *(made[k] for k in operands), **attrs))
    named = (*body.after, *body.each)
    require(all(0 <= k < len(made) for k in named), f"results {named} of {len(made)} values")
    require(len(body.after) == body.states, f"{body.states} states, {len(body.after)} after a turn")
    for k, n in enumerate(body.after):
        before, after = made[k].type, made[n].type
        require(before == after, f"state {k} is {before} before a turn and {after} after it")
    return tuple(made)


def body_of(
    states: Sequence[Node],
    slices: Sequence[Node],
    fixed: Sequence[Node],
    after: Sequence[Node],
    each: Sequence[Node] = (),
) -> Body:
    """The body that computes `after` and `each` from leaves.

    Raises ShapeError where these read a leaf that is none of the body's inputs.
    """
    inputs = (*states, *slices, *fixed)
    number = {n: k for k, n in enumerate(inputs)}
    steps = []
    for n in topological((*after, *each)):
        if n in number:
            continue
        if n.is_leaf:
            raise ShapeError(f"the body of a loop reads {n!r}, which is none of its inputs")
        steps.append((n.op, tuple(number[i] for i in n.inputs), dict(n.attrs)))
        number[n] = len(number)
    return Body(
        tuple(n.type for n in inputs),
        len(states),
        len(slices),
        tuple(steps),
        tuple(number[n] for n in after),
        tuple(number[n] for n in each),
    )
