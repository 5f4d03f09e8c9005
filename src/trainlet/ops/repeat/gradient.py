"""The gradient of a loop: a loop that runs backwards.

It keeps nothing of a turn but the states: each of its turns computes again, from the states before
and after, what the gradient rules read.  The gradient of a fixed weight is one product after the
loop, over what all turns have stacked.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache, reduce

from trainlet.ir.graph import Node, topological
from trainlet.ops.op import OPS, Thunk, build, float32, leaf, require
from trainlet.ops.repeat.body import body_of
from trainlet.ops.repeat.loop import EACH, LAST, STATES, Loop, after, before, each, last


def gradients(n: Node, g: Node) -> list[Thunk | None]:
    """A thunk for each input; all read the same backward loop."""
    loop = Loop.of(n.attrs)

    @cache
    def backward() -> _Backward:
        return _Backward.of(n, _Arriving.of(loop, g))

    def thunk(k: int) -> Thunk:
        return lambda: backward().of_input(k)

    return [thunk(k) for k in loop.position]


@dataclass(frozen=True)
class _Arriving:
    """The gradients of the results: of a state after each turn, of its last and its initial value,
    and of each stacked value."""

    after: dict[int, Node] = field(default_factory=dict)
    last: dict[int, Node] = field(default_factory=dict)
    initial: dict[int, Node] = field(default_factory=dict)
    each: dict[int, Node] = field(default_factory=dict)

    @staticmethod
    def of(loop: Loop, g: Node) -> _Arriving:
        """Those of which `g`, the gradient of the whole result, is made."""
        found = _Arriving()
        for term in _terms(g):
            if not found.take_view(loop, term):
                found.take_whole(loop, term)
        return found

    def take_view(self, loop: Loop, term: Node) -> bool:
        """Whether the term is that of one result alone."""
        if term.op != "pad_strided" or term.attrs.get("step", 1) != 1:
            return False
        flat, start = term.inputs[0], term.attrs["start"]
        for (kind, k), slots in loop.slots.items():
            first = (start - slots.start) // slots.step
            count = flat.type.size // slots.type.size
            if not 0 <= start - slots.start < slots.size:
                continue
            if kind == STATES and (first, count) == (loop.after, loop.count):
                _add(self.after, k, _stack(flat, slots.type.shape, loop.count))
            elif (kind == STATES and (first, count) == (loop.final, 1)) or kind == LAST:
                _add(self.last, k, build("reshape", flat, shape=slots.type.shape))
            elif kind == EACH and count == loop.count:
                _add(self.each, k, _stack(flat, slots.type.shape, loop.count))
            else:
                return False
            return True
        return False

    def take_whole(self, loop: Loop, g: Node) -> None:
        """A gradient of the whole result, cut into those of its parts."""
        require(loop.result.dtype != "uint8", "a gradient of bytes; allowed: of a result's parts")

        def cut(start: int, size: int) -> Node:
            return build("slice", g, axis=0, start=start, stop=start + size)

        for (kind, k), slots in loop.slots.items():
            size, shape = slots.type.size, slots.type.shape
            if kind == STATES:
                flat = cut(slots.start + loop.after * size, loop.count * size)
                _add(self.after, k, _stack(flat, shape, loop.count))
                first = cut(slots.start + loop.initial * size, size)
                _add(self.initial, k, build("reshape", first, shape=shape))
            elif kind == LAST:
                _add(self.last, k, build("reshape", cut(slots.start, size), shape=shape))
            else:
                flat = cut(slots.start, loop.count * size)
                _add(self.each, k, _stack(flat, shape, loop.count))


def _stack(flat: Node, shape: tuple[int, ...], count: int) -> Node:
    return build("reshape", flat, shape=(count, *shape))


def _add(found: dict, k: object, term: Node) -> None:
    found[k] = build("add", found[k], term) if k in found else term


def _terms(g: Node) -> Iterator[Node]:
    if g.op == "add":
        for i in g.inputs:
            yield from _terms(i)
    else:
        yield g


@dataclass(frozen=True)
class _Backward:
    """loop:     the loop whose gradient this is
    node:     the backward loop
    arriving: the gradients of its results
    stacks:   what has a value for each turn, as a whole
    slices:   for a sliced input's number, the value of a turn that is its gradient
    fixed:    for a fixed input's number, the terms of its gradient in a turn
    """

    loop: Loop
    node: Node
    arriving: _Arriving
    stacks: dict[Node, Node]
    slices: dict[int, Node]
    fixed: dict[int, list[Node]]

    @staticmethod
    def of(n: Node, arriving: _Arriving) -> _Backward:
        loop, values = Loop.of(n.attrs), Loop.of(n.attrs).values
        states = values[: loop.body.states]
        carried = [
            leaf("input", f"gradient{k}", float32(*s.type.shape)) for k, s in enumerate(states)
        ]
        afters = {k: leaf("input", f"after{k}", s.type) for k, s in enumerate(states)}
        given = {values[k]: n.inputs[loop.position[k]] for k in loop.sliced}
        stacks = {s: before(n, k) for k, s in enumerate(states) if k in loop.stacked}
        stacks |= {a: after(n, k) for k, a in afters.items() if k in loop.stacked} | given
        terms: dict[Node, list[Node]] = {}

        def arrives(number: int, whole: Node) -> None:
            own = float32(*values[number].type.shape)
            slice = leaf("input", f"arriving{len(stacks)}", own)
            stacks[slice] = whole
            terms.setdefault(values[number], []).append(slice)

        for k, number in enumerate(loop.body.after):
            terms.setdefault(values[number], []).append(carried[k])
        for k, whole in arriving.after.items():
            arrives(loop.body.after[k], whole)
        for k, whole in arriving.each.items():
            arrives(loop.body.each[k], whole)
        known = {values[v]: afters[k] for k, v in enumerate(loop.body.after) if k in loop.stacked}
        known = {v: a for v, a in known.items() if not v.is_leaf}
        found = _substituted(_turn(values, terms), known)

        before_turn = [
            found.get(s) or build("scale", g, factor=0.0)
            for s, g in zip(states, carried, strict=True)
        ]
        slices = {k: found[values[k]] for k in loop.sliced if values[k] in found}
        fixed = {k: list(_terms(found[values[k]])) for k in loop.fixed if values[k] in found}
        wanted = dict.fromkeys(slices.values())
        for term in (t for own in fixed.values() for t in own):
            wanted.update(dict.fromkeys(_operands(term, stacks)))
        wanted = [w for w in wanted if w not in stacks]
        reached = set(topological((*before_turn, *wanted)))
        own_slices = [s for s in stacks if s in reached]
        own_fixed = [k for k in loop.fixed if values[k] in reached]
        body = body_of(carried, own_slices, [values[k] for k in own_fixed], before_turn, wanted)
        zeros = tuple(k for k in range(len(carried)) if k not in arriving.last)
        inputs = [arriving.last[k] for k in range(len(carried)) if k in arriving.last]
        inputs += [stacks[s] for s in own_slices]
        inputs += [n.inputs[loop.position[k]] for k in own_fixed]
        node = build("repeat", *inputs, body=body, count=loop.count, reverse=not loop.reverse,
                     zeros=zeros, last=tuple(range(len(carried))), label=n.name)  # fmt: skip
        stacks.update({w: each(node, k) for k, w in enumerate(wanted)})
        return _Backward(loop, node, arriving, stacks, slices, fixed)

    def of_input(self, k: int) -> Node:
        """The gradient of the input with this number in the body."""
        if k < self.loop.body.states:
            found = last(self.node, k)
            known = self.arriving.initial.get(k)
            return build("add", known, found) if known else found
        if k in self.slices:
            return self.stacks[self.slices[k]]
        if k in self.fixed:
            return reduce(lambda a, b: build("add", a, b), map(self.summed, self.fixed[k]))
        return _nothing(self.loop, k, self.node)

    def summed(self, term: Node) -> Node:
        """The sum over all turns."""
        operands = [self.stacks[i] for i in _operands(term, self.stacks)]
        if operands and not (len(operands) == 1 and operands[0] is self.stacks.get(term)):
            return build(term.op, *operands, label=self.node.name, **term.attrs)
        return build("sum_to", self.stacks[term], shape=term.type.shape, label=self.node.name)


def _nothing(loop: Loop, k: int, node: Node) -> Node:
    """The gradient of an input that no result depends on."""
    shape = loop.body.inputs[k].shape
    whole = (loop.count, *shape) if k in loop.sliced else shape
    zero = build("view", node, start=0, shape=(1,) * max(len(whole), 1))
    return build("broadcast_to", build("scale", zero, factor=0.0), shape=whole)


def _turn(values: Sequence[Node], terms: dict[Node, list[Node]]) -> dict[Node, Node]:
    """The gradient of each value of a turn, of the terms that arrive."""
    found: dict[Node, Node] = {}
    for n in reversed(values):
        if n not in terms:
            continue
        found[n] = _joined(terms[n])
        vjp = OPS[n.op].vjp if not n.is_leaf else None
        for i, thunk in zip(n.inputs, vjp(n, found[n]) if vjp else (), strict=False):
            if thunk is not None:
                terms.setdefault(i, []).append(thunk())
    return found


def _joined(terms: Sequence[Node]) -> Node:
    """The sum of the terms; of slices that lie side by side, what they make together."""
    padded = sorted((t for t in terms if t.op == "pad_strided"), key=lambda t: t.attrs["start"])
    if len(padded) == len(terms) > 1:
        axis, edge = padded[0].attrs["axis"], 0
        for t in padded:
            beside = t.attrs["axis"] == axis and t.attrs.get("step", 1) == 1
            if not beside or t.attrs["start"] != edge:
                break
            edge += t.inputs[0].type.shape[axis]
        else:
            if edge == padded[0].type.shape[axis]:
                parts = [t.inputs[0] for t in padded]
                return reduce(lambda a, b: build("concat", a, b, axis=axis), parts)
    return reduce(lambda a, b: build("add", a, b), terms)


def _substituted(found: dict[Node, Node], known: dict[Node, Node]) -> dict[Node, Node]:
    """The same gradients, where known values take the place of what would be computed again."""
    new = dict(known)
    for n in topological(found.values()):
        if n not in new:
            new[n] = n.with_inputs(new[i] for i in n.inputs)
    return {value: new[g] for value, g in found.items()}


def _operands(term: Node, stacks: dict[Node, Node]) -> list[Node]:
    """What has to be stacked so that the sum of the term over all turns is one operation: its
    operands, if it sums over their rows, or the term itself."""
    fixed = any(i.is_leaf and i not in stacks for i in term.inputs)
    ranks = {i.type.rank for i in term.inputs}
    if term.is_leaf or not OPS[term.op].sums_rows or fixed or len(ranks) > 1:
        return [term]
    return list(term.inputs)
