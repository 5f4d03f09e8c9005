"""Where the values of one turn lie: in the result, or in the node's work space."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

from trainlet.ir.graph import Node
from trainlet.ops.op import OPS, in_place_candidates
from trainlet.ops.repeat.loop import EACH, STATES, Loop

ALIGN = 8

Home = tuple[str, int]
"""Of a slot of the result: STATES or EACH, and its number; of the work space: WORK and the byte;
of the next value of a state that is not stacked: NEXT and the state."""
WORK, NEXT = "work", "next"


@dataclass(frozen=True)
class Placement:
    """home:   where each value that a turn computes lies
    copies: what is copied at the end of a turn: (value, where to)
    pairs:  of a state that is not stacked, the first byte of its two slots, which swap each turn
    size:   bytes of work space
    """

    home: dict[Node, Home]
    copies: tuple[tuple[Node, Home], ...]
    pairs: dict[int, int]
    scratch: dict[Node, int]
    size: int


def _aligned(nbytes: int) -> int:
    return -(-nbytes // ALIGN) * ALIGN


def storage_of(n: Node) -> Node:
    """The value whose storage an alias names."""
    while not n.is_leaf and OPS[n.op].alias:
        n = n.inputs[0]
    return n


def _targets(loop: Loop) -> Iterator[tuple[Node, Home]]:
    for k, v in enumerate(loop.body.after):
        yield loop.values[v], (STATES if k in loop.stacked else NEXT, k)
    for k, v in enumerate(loop.body.each):
        yield loop.values[v], (EACH, k)


@lru_cache(256)
def place(loop: Loop) -> Placement:
    """Values are written directly to where their readers expect them; the others share the work
    space."""
    steps = loop.values[len(loop.body.inputs) :]
    made = [n for n in steps if not OPS[n.op].alias]
    moment = {n: t for t, n in enumerate(made)}
    end = len(made)
    last = dict.fromkeys(made, -1)
    for n in made:
        for i in map(storage_of, n.inputs):
            if i in moment:
                last[i] = moment[n]
    home: dict[Node, Home] = {}
    copies: list[tuple[Node, Home]] = []
    for value, target in _targets(loop):
        source = storage_of(value)
        if source in moment and source not in home and source.type.size == value.type.size:
            home[source] = target
        else:
            copies.append((value, target))
            if source in moment:
                last[source] = end
    size, pairs = 0, dict[int, int]()
    for k in range(loop.body.states):
        if k not in loop.stacked:
            pairs[k] = size
            size += 2 * _aligned(loop.values[k].type.nbytes)
    space = _WorkSpace(size)
    scratch: dict[Node, int] = {}
    for n in made:
        t = moment[n]
        if n not in home:
            lent = _reused_buffer(n, t, last, home)
            start = home[lent][1] if lent else space.take(n.type.nbytes, t, last[n])
            if lent:
                space.keep(start, last[n])
            home[n] = WORK, start
        if nbytes := OPS[n.op].workspace(n):
            scratch[n] = space.take(nbytes, t, t)
    return Placement(home, tuple(copies), pairs, scratch, space.size)


def _reused_buffer(n: Node, t: int, last: dict[Node, int], home: dict[Node, Home]) -> Node | None:
    """The value in the work space that dies here, and whose storage the result may take."""
    read = [storage_of(i) for i in n.inputs]
    for k in in_place_candidates(n):
        i = read[k]
        dies = i in home and home[i][0] == WORK and last[i] == t
        whole = i.type.nbytes == n.inputs[k].type.nbytes == n.type.nbytes
        if dies and whole and read.count(i) == 1:
            return i
    return None


class _WorkSpace:
    """First fit: a block lies where others leave room until the moment of its last reader."""

    def __init__(self, start: int) -> None:
        self.start = self.size = start
        self.blocks: list[list[int]] = []

    def take(self, nbytes: int, t: int, until: int) -> int:
        """The first byte of a block that is free from moment t on."""
        nbytes = _aligned(nbytes)
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
        block: Sequence[list[int]] = [b for b in self.blocks if b[0] == start]
        block[-1][2] = until
