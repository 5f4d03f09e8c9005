"""Where the values of one turn lie: in the result, or in the node's work space."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from typing import NamedTuple

from trainlet.ir.graph import Node, users
from trainlet.ops.op import OPS, in_place_candidates
from trainlet.ops.repeat.loop import EACH, STATES, Loop

ALIGN = 8
WORK, NEXT = "work", "next"


class Home(NamedTuple):
    """STATES or EACH with the number of the result, WORK with a byte of the work space, or NEXT
    with the number of a state that is not stacked; shift: elements behind its beginning."""

    kind: str
    number: int
    shift: int = 0


@dataclass(frozen=True)
class Placement:
    """home:     where each value that a turn computes lies
    copies:   what is copied at the end of a turn: (value, where to)
    beside:   values that are laid side by side, with the operands that have to be copied there,
              and how far behind the beginning
    pairs:    of a state that is not stacked, the first byte of its two slots, which swap each turn
    scratch:  the first byte of an operation's own work space
    size:     bytes of work space
    in_place: numbers of the sliced inputs on whose slots the only result may lie
    """

    home: dict[Node, Home]
    copies: tuple[tuple[Node, Home], ...]
    beside: dict[Node, tuple[tuple[Node, int], ...]]
    pairs: dict[int, int]
    scratch: dict[Node, int]
    size: int
    in_place: tuple[int, ...]


def aligned(nbytes: int) -> int:
    """Bytes that a value takes in the work space."""
    return -(-nbytes // ALIGN) * ALIGN


def in_place(n: Node) -> list[int]:
    """Positions of the inputs whose storage the loop's result may take."""
    loop = Loop.of(n.attrs)
    return [loop.position[k] for k in place(loop).in_place]


@lru_cache(256)
def place(loop: Loop) -> Placement:
    """Values are written directly to where their readers expect them; the others share the work
    space."""
    return _Placing(loop).placed()


@dataclass
class _Placing:
    loop: Loop
    home: dict[Node, Home] = field(default_factory=dict)
    copies: list[tuple[Node, Home]] = field(default_factory=list)
    parent: dict[Node, tuple[Node, int]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        loop = self.loop
        self.steps = loop.values[len(loop.body.inputs) :]
        self.made = [n for n in self.steps if not OPS[n.op].alias]
        self.moment = {n: t for t, n in enumerate(self.made)}
        self.readers = users(loop.values)
        self.results = {value for value, _ in self.targets()}
        self.last = dict.fromkeys(loop.values, -1)
        for n in self.made:
            for i in n.inputs:
                self.last[source_of(i)] = self.moment[n]

    def targets(self) -> Iterator[tuple[Node, Home]]:
        """The values that are wanted at the end of a turn, and where."""
        body = self.loop.body
        for k, v in enumerate(body.after):
            yield self.loop.values[v], Home(STATES if k in self.loop.stacked else NEXT, k)
        for k, v in enumerate(body.each):
            yield self.loop.values[v], Home(EACH, k)

    def placed(self) -> Placement:
        for value, target in self.targets():
            source = source_of(value)
            if self.is_free(source) and source.type.size == value.type.size:
                self.home[source] = target
            else:
                self.copies.append((value, target))
                self.last[source] = len(self.made)
        beside = {n: self.side_by_side(n) for n in reversed(self.made) if _joins_rows(n)}
        pairs, size = dict[int, int](), 0
        for k in range(self.loop.body.states):
            if k not in self.loop.stacked:
                pairs[k], size = size, size + 2 * aligned(self.loop.values[k].type.nbytes)
        space, scratch = _WorkSpace(size), dict[Node, int]()
        for n in self.made:
            self.find_home(n, space)
            if nbytes := OPS[n.op].workspace(n):
                scratch[n] = space.take(nbytes, self.moment[n], self.moment[n])
        own = tuple(self.in_place())
        return Placement(self.home, tuple(self.copies), beside, pairs, scratch, space.size, own)

    def is_free(self, n: Node) -> bool:
        return n in self.moment and n not in self.home and n not in self.parent

    def side_by_side(self, n: Node) -> tuple[tuple[Node, int], ...]:
        """The operands that must be copied; the others are made where they belong."""
        copied, shift = [], 0
        for i in n.inputs:
            alone = self.readers[i] == [n] and n.inputs.count(i) == 1 and i not in self.results
            if self.is_free(i) and alone:
                self.parent[i] = n, shift
            else:
                copied.append((i, shift))
            shift += i.type.size
        return tuple(copied)

    def find_home(self, n: Node, space: _WorkSpace) -> None:
        whole, shift, t = n, 0, self.moment[n]
        while whole in self.parent:
            whole, further = self.parent[whole]
            shift += further
        if whole not in self.home:
            until = self.last[whole]
            lent = self.reused(n, t) if whole is n else None
            if lent is None:
                self.home[whole] = Home(WORK, space.take(whole.type.nbytes, t, until))
            else:
                self.home[whole] = self.home[lent]
                space.keep(self.home[lent].number, until)
        if whole is not n:
            there = self.home[whole]
            self.home[n] = there._replace(shift=there.shift + shift)

    def reused(self, n: Node, t: int) -> Node | None:
        """The value in the work space that dies here, and whose storage the result may take."""
        read = [source_of(i) for i in n.inputs]
        for k in in_place_candidates(n):
            i = read[k]
            there = self.home.get(i)
            whole = i.type.nbytes == n.inputs[k].type.nbytes == n.type.nbytes
            dies = self.last[i] == t and read.count(i) == 1
            if there and there.kind == WORK and whole and dies and i not in self.parent:
                return i
        return None

    def in_place(self) -> Iterator[int]:
        """A slice may be overwritten by the result that nobody reads the slice after."""
        loop = self.loop
        if list(loop.slots) != [(EACH, 0)]:
            return
        result = loop.values[loop.body.each[0]]
        written = [self.moment[n] for n, home in self.home.items() if home.kind == EACH]
        first = min(written, default=len(self.made))
        for k in loop.sliced:
            slice = loop.values[k]
            if slice.type == result.type and self.last[slice] < first and slice is not result:
                yield k


def source_of(n: Node) -> Node:
    """The value whose storage an alias names."""
    while not n.is_leaf and OPS[n.op].alias:
        n = n.inputs[0]
    return n


def _joins_rows(n: Node) -> bool:
    """Whether it lays its operands side by side, each as a whole."""
    return n.op == "concat" and OPS[n.op].call(n)[0] == 1


class _WorkSpace:
    """First fit: a block lies where others leave room until the moment of its last reader."""

    def __init__(self, start: int) -> None:
        self.start = self.size = start
        self.blocks: list[list[int]] = []

    def take(self, nbytes: int, t: int, until: int) -> int:
        """The first byte of a block that is free from moment t on."""
        nbytes = aligned(nbytes)
        self.blocks = [b for b in self.blocks if b[2] >= t]
        at = self.start
        for start, stop, _ in sorted(self.blocks):
            if at + nbytes <= start:
                break
            at = max(at, stop)
        self.blocks.append([at, at + nbytes, until])
        self.size = max(self.size, at + nbytes)
        return at

    def keep(self, start: int, until: int) -> None:
        """A block stays in use under another value's name."""
        next(b for b in self.blocks if b[0] == start)[2] = until
