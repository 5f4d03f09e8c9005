"""Which blocks of code a firmware in QEMU ran, in their order, from QEMU's log of them."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from trainlet.backends.image import Image
from trainlet.run.counter import Weights
from trainlet.run.llvm import Instruction, ends_loop

LOGGED = ("-d", "in_asm,exec,nochain", "-D")
"""QEMU's options, before the log's path."""
_ENTERED = re.compile(rb"Trace \d+: (\S+) \[[0-9a-f]+/([0-9a-f]+)")


@dataclass(frozen=True)
class Ran:
    """Blocks in their order: where they begin and end, and whether the jump behind them is free,
    as that of a low-overhead loop."""

    starts: np.ndarray
    ends: np.ndarray
    free: np.ndarray

    def blocks(self) -> list[tuple[int, int]]:
        """Address and size of each that ran."""
        return self._distinct()[0]

    def weigh(self, weights: Weights) -> np.ndarray:
        """What each takes, in the unit of the weights."""
        blocks, which = self._distinct()
        own = np.array([weights.blocks.get(block, weights.unit) for block in blocks])
        jumped = np.append(self.ends[:-1] != self.starts[1:], False) & ~self.free
        return own[which] + weights.taken * jumped

    def last_call(self, image: Image) -> tuple[Ran, list[int]]:
        """The blocks of the last call with marks that the harness made, and where the marks lie
        among them; the blocks of the marks themselves are left out."""
        within = {name: self._in(image, name) for name in ("board_call", "board_mark", "note_time")}
        marks = np.flatnonzero(self.starts == image.symbols["board_mark"] & ~1)
        harness = np.flatnonzero(within["board_call"])
        first = harness[harness < marks[-1]][-1] + 1
        last = harness[harness > marks[-1]][0]
        kept = np.zeros(len(self.starts), bool)
        kept[first:last] = True
        kept &= ~(within["board_mark"] | within["note_time"])
        before = np.cumsum(kept)
        return (
            Ran(self.starts[kept], self.ends[kept], self.free[kept]),
            [int(before[at]) for at in marks if at >= first],
        )

    def _distinct(self) -> tuple[list[tuple[int, int]], np.ndarray]:
        """Address and size of each block that ran, and which of these each was."""
        pairs = np.stack([self.starts, self.ends - self.starts], 1)
        found, which = np.unique(pairs, axis=0, return_inverse=True)
        return [(int(address), int(size)) for address, size in found], which.reshape(-1)

    def _in(self, image: Image, name: str) -> np.ndarray:
        start = image.symbols[name] & ~1
        later = [address for address, _ in image.functions if address > start]
        return (self.starts >= start) & (self.starts < min(later, default=1 << 32))


def read_log(path: Path, code: Sequence[Instruction]) -> Ran:
    """The blocks of QEMU's log of a firmware with this code.

    The log has the halfwords of each block before the block first runs, and a line for each time
    that it is entered.  A block that was about to begin and did not has a further line.  QEMU's
    disassembler does not know Helium, so that its lines may begin within an instruction.
    """
    at = [*(one.address for one in code), code[-1].address + 4]
    translated: dict[int, int] = {}
    known: dict[bytes, tuple[int, int, bool]] = {}
    entered: list[tuple[int, int, bool]] = []
    first: int | None = None
    with path.open("rb") as file:
        for line in file:
            if line.startswith(b"IN:"):
                first = None
            elif line.startswith(b"0x"):
                last = int(line[: line.index(b":")], 16)
                first = last if first is None else first
                translated[first] = last
            elif found := _ENTERED.match(line):
                own, address = found[1], int(found[2], 16)
                if address in translated:
                    behind = bisect_right(at, translated.pop(address))
                    known[own] = address, at[behind], ends_loop(code[behind - 1])
                entered.append(known[own])
            elif line.startswith(b"Stopped"):
                entered.pop()
    starts, ends, free = (np.array(part) for part in zip(*entered, strict=True))
    return Ran(starts, ends, free)
