"""Decodes as much of Thumb-2 as the stack analysis needs: where instructions begin, where they
jump, and how they move the stack pointer."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass

SP, PC = 13, 15


@dataclass(frozen=True)
class Instruction:
    """`second` is None for an instruction of 16 bits."""

    address: int
    first: int
    second: int | None


def instructions(address: int, code: bytes) -> Iterator[Instruction]:
    """A stretch of code, split: the first halfword says whether there is a second."""
    halves = struct.unpack(f"<{len(code) // 2}H", code[: len(code) & ~1])
    k = 0
    while k < len(halves):
        wide = halves[k] >> 11 in (0x1D, 0x1E, 0x1F) and k + 1 < len(halves)
        yield Instruction(address + 2 * k, halves[k], halves[k + 1] if wide else None)
        k += 2 if wide else 1


def signed(value: int, bits: int) -> int:
    return value - (1 << bits) if value >> (bits - 1) & 1 else value


def branch_target(i: Instruction) -> int | None:
    """Where a call (bl) or a jump (b, conditional or not) goes; None for anything else."""
    a, b = i.first, i.second
    if b is None:
        if a >> 12 == 0xD and a >> 8 & 15 < 14:
            return i.address + 4 + 2 * signed(a & 0xFF, 8)
        if a >> 11 == 0x1C:
            return i.address + 4 + 2 * signed(a & 0x7FF, 11)
        return None
    if a >> 11 != 0x1E or not b >> 15:
        return None
    sign, j1, j2 = a >> 10 & 1, b >> 13 & 1, b >> 11 & 1
    if b >> 12 & 1:  # bl, b.w
        i1, i2 = 1 - (j1 ^ sign), 1 - (j2 ^ sign)
        offset = sign << 24 | i1 << 23 | i2 << 22 | (a & 0x3FF) << 12 | (b & 0x7FF) << 1
        return i.address + 4 + signed(offset, 25)
    if b & 0xD000 == 0x8000 and a >> 6 & 15 < 14:  # b<condition>.w
        offset = sign << 20 | j2 << 19 | j1 << 18 | (a & 0x3F) << 12 | (b & 0x7FF) << 1
        return i.address + 4 + signed(offset, 21)
    return None


def is_call(i: Instruction) -> bool:
    """Whether a branch comes back (bl)."""
    return i.second is not None and i.second & 0xD000 == 0xD000


def ends_flow(i: Instruction) -> bool:
    """Whether what follows is not reached from here.  A final bl is taken as one of noreturn."""
    a, b = i.first, i.second
    if b is None:
        return (
            a >> 11 == 0x1C  # b
            or a & 0xFF87 == 0x4700  # bx
            or a & 0xFF87 == 0x4687  # mov pc
            or a >> 8 in (0xBD, 0xDE)  # pop {.., pc}; udf
        )
    return (
        (a >> 11 == 0x1E and b & 0x9000 == 0x9000)  # b.w, bl
        or (a == 0xE8BD and b >> 15 == 1)  # ldm sp!, {.., pc}
        or (a >> 4 in (0xF85, 0xF8D) and b >> 12 == PC)  # ldr pc
        or (a >> 4 == 0xE8D and b & 0xFFE0 == 0xF000)  # tbb, tbh
    )


def is_padding(i: Instruction) -> bool:
    return i.first in (0xBF00, 0x46C0, 0x0000, 0xD4D4) or (i.first, i.second) == (0xF3AF, 0x8000)


def wide_constant(i: Instruction) -> int:
    """The modified immediate of a 32-bit data-processing instruction."""
    assert i.second is not None
    code = (i.first >> 10 & 1) << 11 | (i.second >> 12 & 7) << 8 | i.second & 0xFF
    byte = code & 0xFF
    if code >> 10 == 0:
        return (byte, byte << 16 | byte, byte << 24 | byte << 8, byte * 0x01010101)[code >> 8]
    return (0x80 | byte & 0x7F) << (32 - (code >> 7))


def plain_constant(i: Instruction) -> int:
    """The 12 bits of subw; with the 4 more, the 16 of movw and movt."""
    assert i.second is not None
    low = (i.first >> 10 & 1) << 11 | (i.second >> 12 & 7) << 8 | i.second & 0xFF
    return low | (i.first & 15) << 12 if i.first & 0xFB70 == 0xF240 else low


def pushed(i: Instruction) -> int:
    """The bytes that an instruction moves the stack pointer down by a constant of its own."""
    a, b = i.first, i.second
    if b is None:
        if a & 0xFE00 == 0xB400:  # push
            return 4 * (a & 0x1FF).bit_count()
        return 4 * (a & 0x7F) if a & 0xFF80 == 0xB080 else 0  # sub sp, #
    if a == 0xE92D:  # stmdb sp!
        return 4 * b.bit_count()
    if a == 0xF84D and b & 0xF00 == 0xD00:  # str [sp, #-]!
        return b & 0xFF
    if a == 0xE96D or (a & 0xFFBF == 0xED2D and b & 0xE00 == 0xA00):  # strd [sp, #-]!, vpush
        return 4 * (b & 0xFF)
    if b >> 8 & 15 == SP and not b >> 15:
        if a & 0xFBEF == 0xF1AD:  # sub.w sp, sp, #
            return wide_constant(i)
        if a & 0xFBFF == 0xF2AD:  # subw sp, sp, #
            return plain_constant(i)
    return 0
