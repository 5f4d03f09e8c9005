"""The worst-case stack of a function, read from the machine code of a linked ELF.

Compiler and library code count alike, so no compiler's own figures are needed.  The frame of a
function is the sum of all that it ever pushes: an upper bound.  A call through a pointer is
invisible here; the caller names those that exist.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from trainlet.backends.image import Image
from trainlet.backends.thumb import (
    Instruction,
    branch_target,
    ends_flow,
    instructions,
    is_call,
    is_padding,
    plain_constant,
    pushed,
    signed,
    wide_constant,
)
from trainlet.errors import TargetError


@dataclass
class Function:
    """`calls` also holds functions that it jumps or falls into."""

    name: str
    frame: int = 0
    calls: set[str] = field(default_factory=set)


class CallGraph:
    """Every function of an image, its frame and its calls."""

    def __init__(self, image: Image) -> None:
        self.functions = {name: Function(name) for _, name in image.functions}
        self._starts = [start for start, _ in image.functions]
        self._names = [name for _, name in image.functions]
        self._memory = image.segments
        for address, code in image.code:
            self._scan(list(instructions(address, code)))

    def worst(self, entry: str, pointers: Mapping[str, Sequence[str]] | None = None) -> int:
        """Bytes from the call of `entry` down; `pointers` lists a function's calls by pointer."""
        known: dict[str, int] = {}
        chain: list[str] = []

        def depth(name: str) -> int:
            if name in chain:
                loop = " -> ".join([*chain[chain.index(name) :], name])
                raise TargetError(f"recursion ({loop}): its stack has no bound; use a loop")
            if name not in known:
                chain.append(name)
                function = self.functions[name]
                callees = sorted(function.calls | set((pointers or {}).get(name, ())))
                known[name] = function.frame + max(map(depth, callees), default=0)
                chain.pop()
            return known[name]

        return depth(entry)

    def _owner(self, address: int) -> int:
        return bisect_right(self._starts, address) - 1

    def _scan(self, code: list[Instruction]) -> None:
        constants: dict[int, int] = {}  # register -> the constant last put there
        last: Instruction | None = None
        for i in code:
            if is_padding(i):
                continue
            owner = self._owner(i.address)
            if owner < 0:
                continue
            here = self.functions[self._names[owner]]
            if last and self._owner(last.address) == owner - 1 and not ends_flow(last):
                self.functions[self._names[owner - 1]].calls.add(here.name)
            here.frame += pushed(i) + self._moved(i, constants, here.name)
            target = branch_target(i)
            callee = -1 if target is None else self._owner(target)
            # Cortex-M0+ has no long jump: within a long function, bl is a jump too.
            if callee >= 0 and (callee != owner or (is_call(i) and target == self._starts[owner])):
                here.calls.add(self._names[callee])
            last = i

    def _moved(self, i: Instruction, constants: dict[int, int], name: str) -> int:
        """The bytes that a register, loaded with a constant before, moves the stack down."""
        a, b = i.first, i.second
        if b is None:
            if a >> 11 == 9:  # ldr r, [pc, #]
                constants[a >> 8 & 7] = self._word((i.address + 4 & ~3) + 4 * (a & 0xFF))
            elif a >> 11 == 4:  # movs r, #
                constants[a >> 8 & 7] = a & 0xFF
            elif a >> 11 == 0 and a >> 3 & 7 in constants:  # lsls r, r, #
                constants[a & 7] = constants[a >> 3 & 7] << (a >> 6 & 31) & 0xFFFFFFFF
            elif a & 0xFF87 == 0x4485:  # add sp, r
                return max(0, -signed(self._constant(constants, a >> 3 & 15, name), 32))
            return 0
        register = b >> 8 & 15
        if a & 0xFBF0 == 0xF240:  # movw
            constants[register] = plain_constant(i)
        elif a & 0xFBF0 == 0xF2C0:  # movt
            low = constants.get(register, 0) & 0xFFFF
            constants[register] = plain_constant(i) << 16 | low
        elif a & 0xFBEF == 0xF04F:  # mov.w r, #
            constants[register] = wide_constant(i)
        elif a & 0xFF7F == 0xF85F:  # ldr.w r, [pc, #]
            offset = b & 0xFFF if a & 0x80 else -(b & 0xFFF)
            constants[b >> 12] = self._word((i.address + 4 & ~3) + offset)
        elif a & 0xFFEF == 0xEBAD and register == 13:  # sub.w sp, sp, r
            return self._constant(constants, b & 15, name)
        elif a & 0xFFEF == 0xEB0D and register == 13:  # add.w sp, sp, r
            return max(0, -signed(self._constant(constants, b & 15, name), 32))
        return 0

    def _constant(self, constants: dict[int, int], register: int, name: str) -> int:
        if register not in constants:
            raise TargetError(
                f"'{name}' uses a variable amount of stack; use only arrays of fixed size"
            )
        return constants[register]

    def _word(self, address: int) -> int:
        for start, data in self._memory:
            if start <= address and address + 4 <= start + len(data):
                return int.from_bytes(data[address - start : address - start + 4], "little")
        return 0
