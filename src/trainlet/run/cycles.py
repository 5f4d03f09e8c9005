"""An estimate of cycles: LLVM's model of a core, a basic block at a time (llvm-mca).

A block is taken as the body of a loop, in its steady state.  What the model knows: which
instructions the core starts together, and how long each waits for its operands.  What it leaves
out is in `trainlet.run.counted.LEFT_OUT`.
"""

from __future__ import annotations

import re
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from trainlet.errors import TargetError, ToolchainError
from trainlet.planning.cpu import Cpu
from trainlet.run.counter import Weights
from trainlet.run.llvm import TOOLS, Instruction, ends_loop, run, tool

UNIT = 16
"""Cycles are counted in parts of so many."""
TURNS = 100


@dataclass(frozen=True)
class Model:
    """What is known of a core beside LLVM's model of it.

    mhz:    the clock of a common board
    taken:  cycles to refill the pipeline after a jump
    oldest: the first version of LLVM with a model of the core
    """

    mhz: int
    taken: int
    oldest: int = 14


MODELS = {
    "cortex-m4": Model(168, 2),  # STM32F407; the middle of the 1 to 3 cycles that Arm states
    "cortex-m7": Model(216, 0),  # STM32F746; it predicts jumps
    "cortex-m33": Model(160, 2),  # STM32U5; as the M4
    "cortex-m55": Model(400, 2, 16),  # Alif Ensemble; as the M4, and 0 in a low-overhead loop
}
_CYCLES = re.compile(r"^\[\d+\] Code Region - (\d+)$.*?^Total Cycles: +(\d+)$", re.M | re.S)
_PREDICATES = re.compile(r"i(t[te]{0,3})$|vps?(t[te]{0,3})(?:\.|$)")
"""An instruction that makes those behind it conditional, one a letter."""
_LACKING = re.compile(r"^note: instruction:\s+(\S+)", re.M)
_JUMPS = re.compile(r"b(eq|ne|hs|cs|lo|cc|mi|pl|vs|vc|hi|ls|ge|lt|gt|le)?$|cbn?z$")
_TARGET = re.compile(r"(#|0x)[0-9a-fx-]+$")
_UNKNOWN = re.compile(r"^\S*?:(\d+):\d+: error", re.M)


def check_cycles(cpu: Cpu | None) -> Model:
    """Raise TargetError for a core that LLVM has no model of, and ToolchainError where LLVM's tools
    are not installed."""
    if cpu is None or cpu.name not in MODELS:
        name = cpu.name if cpu else "this target"
        raise TargetError(
            f"no estimate of cycles for {name}; allowed: {', '.join(MODELS)} "
            "(llvm-mca has a model of them)"
        )
    model = MODELS[cpu.name]
    for name in TOOLS:
        tool(name, model.oldest)
    return model


def cycles_of(code: Sequence[Instruction], blocks: Sequence[tuple[int, int]], cpu: Cpu) -> Weights:
    """What each block of a firmware takes, by its address and size, in parts of a cycle.

    Raises ToolchainError where llvm-mca fails.
    """
    model, readable = MODELS[cpu.name], dict(_lines(code))
    lines: list[str] = []
    block_of_line: dict[int, int] = {}
    for k, (address, size) in enumerate(blocks):
        lines.append(f"@ LLVM-MCA-BEGIN {k}")
        for at in range(address, address + size, 2):
            if at in readable:
                lines.append(readable[at])
                block_of_line[len(lines)] = k
        lines.append("@ LLVM-MCA-END")
    done = _analysed(lines, cpu)
    taken = {int(k): int(cycles) * UNIT // TURNS for k, cycles in _CYCLES.findall(done.stdout)}
    if not taken:
        raise ToolchainError(f"llvm-mca answered nothing for {cpu.name}:\n{done.stderr[-2000:]}")
    for line in _UNKNOWN.findall(done.stderr):  # an instruction that it does not read: one cycle
        k = block_of_line.get(int(line), -1)
        taken[k] = taken.get(k, 0) + UNIT
    most = 0xFFFF
    weights = {block: min(taken[k], most) for k, block in enumerate(blocks) if k in taken}
    return Weights(weights, UNIT, model.taken * UNIT)


def _analysed(lines: list[str], cpu: Cpu) -> subprocess.CompletedProcess[str]:
    """llvm-mca's answer; it stops at an instruction that its model lacks, which then is a nop."""
    while True:
        with tempfile.TemporaryDirectory(prefix="trainlet-") as work:
            source = Path(work) / "blocks.s"
            source.write_text("\n".join(lines) + "\n")
            done = run(
                tool("llvm-mca", MODELS[cpu.name].oldest), "-mtriple=thumbv8.1m.main-none-eabi",
                f"-mcpu={cpu.name}", f"-iterations={TURNS}", "-instruction-info=false",
                "-resource-pressure=false", str(source),
            )  # fmt: skip
        lacking = _LACKING.search(done.stderr)
        if not lacking or all(line.split()[:1] != [lacking[1]] for line in lines):
            return done
        lines = ["nop" if line.split()[:1] == [lacking[1]] else line for line in lines]


def _lines(code: Sequence[Instruction]) -> Iterator[tuple[int, str]]:
    """Each instruction by its address, as the assembler reads it."""
    left, suffix = 0, 0
    for one in code:
        yield one.address, "" if ends_loop(one) else _readable(one, suffix if left > 0 else 0)
        left -= 1
        if block := _PREDICATES.match(one.name):
            left, suffix = len(block[1] or block[2]), 2 if block[1] else 1


def _readable(one: Instruction, suffix: int) -> str:
    """As llvm-mca takes it: without widths and comments, and without conditions other than a
    branch's, which are the last letters of a predicated name; a call, whose body is blocks of its
    own, is a jump."""
    plain, *types = one.name.removesuffix(".w").removesuffix(".n").split(".")
    if plain in ("bl", "blx", "tbb", "tbh"):
        return "b #0"
    if _PREDICATES.match(one.name):
        return "nop"
    name = ".".join([plain[: len(plain) - suffix], *types])
    operands = re.split("[<@;]", one.operands)[0].strip()
    return f"{name} {_TARGET.sub('#4', operands) if _JUMPS.match(plain) else operands}"
