"""The Cortex-M cores that Trainlet builds for: compiler flags, memory map, emulators.

The memory maps are those of Arm's MPS boards, so that one ELF runs in QEMU and in Unicorn.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Board:
    """A QEMU machine with the core, and its counter of passed (virtual) time."""

    machine: str
    counter_hz: int
    ram: int = 4 << 20
    flash: int = 4 << 20


@dataclass(frozen=True)
class Cpu:
    """One core.  `kernels` is the search path of its kernels: a file in an earlier folder replaces
    files of the same name in later ones.  For zig the FPU is a feature by name: the bare name of a
    core means soft float.

    Helium flushes denormal numbers, so no compiler may vectorize floats on its own there.
    """

    name: str
    gcc: tuple[str, ...]
    zig: tuple[str, ...]
    kernels: tuple[str, ...] = ("cortex_m", "reference")
    fpu: bool = True
    mpu: int = 7  # the architecture of its memory protection unit; 0: none
    vectors: int = 0
    flash: int = 0
    ram: int = 0x20000000
    timer: int = 0x40028000  # the FPGAIO block, whose counter gives instruction counts
    board: Board | None = None  # None: QEMU has no board large enough
    unicorn: str | None = None  # None: Unicorn does not know the core


HARD = "-mfloat-abi=hard"
SOFT = "-mfloat-abi=soft"
MHZ = 1_000_000
PLAIN = ("reference",)

CPUS = {
    cpu.name: cpu
    for cpu in (
        Cpu("cortex-m0plus", ("-mcpu=cortex-m0plus", SOFT), ("-mcpu=cortex_m0plus",),
            PLAIN, fpu=False, mpu=0, unicorn="UC_CPU_ARM_CORTEX_M0"),
        Cpu("cortex-m3", ("-mcpu=cortex-m3", SOFT), ("-mcpu=cortex_m3",), PLAIN,
            fpu=False, board=Board("mps2-an385", 25 * MHZ), unicorn="UC_CPU_ARM_CORTEX_M3"),
        Cpu("cortex-m4", ("-mcpu=cortex-m4", "-mfpu=fpv4-sp-d16", HARD),
            ("-mcpu=cortex_m4+vfp4d16sp",),
            board=Board("mps2-an386", 25 * MHZ), unicorn="UC_CPU_ARM_CORTEX_M4"),
        Cpu("cortex-m7", ("-mcpu=cortex-m7", "-mfpu=fpv5-d16", HARD),
            ("-mcpu=cortex_m7+fp_armv8d16",),
            board=Board("mps2-an500", 25 * MHZ), unicorn="UC_CPU_ARM_CORTEX_M7"),
        Cpu("cortex-m23", ("-mcpu=cortex-m23", SOFT), ("-mcpu=cortex_m23",), PLAIN,
            fpu=False, mpu=0,
            unicorn="UC_CPU_ARM_CORTEX_M33"),  # it has no M23; an M33 executes all its instructions
        Cpu("cortex-m33", ("-mcpu=cortex-m33", "-mfpu=fpv5-sp-d16", HARD),
            ("-mcpu=cortex_m33+dsp+fp_armv8d16sp",), mpu=8,
            vectors=0x10000000, flash=0x10000000, ram=0x38000000, timer=0x50302000,
            board=Board("mps2-an505", 20 * MHZ), unicorn="UC_CPU_ARM_CORTEX_M33"),
        Cpu("cortex-m55", ("-mcpu=cortex-m55", "-mfpu=auto", HARD, "-fno-tree-vectorize"),
            ("-mcpu=cortex_m55+mve_fp+mve+fp_armv8d16sp+fullfp16", "-fno-vectorize",
             "-fno-slp-vectorize"), ("helium", "cortex_m", "reference"), mpu=8,
            flash=0x01000000, ram=0x21000000, timer=0x49302000,
            board=Board("mps3-an547", 20 * MHZ, flash=2 << 20)),
    )
}  # fmt: skip
