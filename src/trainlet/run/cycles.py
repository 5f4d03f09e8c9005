"""An estimate of cycles: LLVM's model of a core, a basic block at a time (llvm-mca).

A block is taken as the body of a loop, in its steady state.  What the model knows: which
instructions the core starts together, and how long each waits for its operands.  What it leaves
out is in `trainlet.run.counted.LEFT_OUT`.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from trainlet.errors import TargetError, ToolchainError
from trainlet.planning.cpu import Cpu
from trainlet.run.counter import Weights

UNIT = 16
"""Cycles are counted in parts of so many."""
TURNS = 100
TAKEN = {"cortex-m4": 2, "cortex-m33": 2, "cortex-m7": 0}
"""Cycles to refill the pipeline after a jump: the middle of the 1 to 3 that Arm states for the M4;
the M7 predicts jumps."""
MHZ = {"cortex-m4": 168, "cortex-m33": 160, "cortex-m7": 216}
"""Clocks of common boards: STM32F407, STM32U5, STM32F746."""
TOOLS = ("llvm-mca", "llvm-objdump")
_LINE = re.compile(r"^ *([0-9a-f]+):\s+(\S+)\s*(.*)$")
_CYCLES = re.compile(r"^\[\d+\] Code Region - (\d+)$.*?^Total Cycles: +(\d+)$", re.M | re.S)
_IT = re.compile(r"^it[te]{0,3}$")
_LACKING = re.compile(r"^note: instruction:\s+(\S+)", re.M)
_UNKNOWN = re.compile(r"^\S*?:(\d+):\d+: error", re.M)


def check_cycles(cpu: Cpu | None) -> Cpu:
    """Raise TargetError for a core that LLVM has no model of or Unicorn does not emulate, and
    ToolchainError where LLVM's tools are not installed."""
    if cpu is None or cpu.name not in MHZ:
        name = cpu.name if cpu else "this target"
        raise TargetError(
            f"no estimate of cycles for {name}; allowed: {', '.join(MHZ)} "
            "(llvm-mca has a model of them, and Unicorn counts their blocks)"
        )
    for tool in TOOLS:
        if shutil.which(tool) is None:
            raise ToolchainError(
                f"{tool} is not on the PATH, and cycles are estimated with it; install LLVM "
                "(Debian: apt-get install llvm), or leave --cycles out"
            )
    return cpu


def cycles_of(elf: Path, blocks: Sequence[tuple[int, int]], cpu: Cpu) -> Weights:
    """What each block of a firmware takes, by its address and size, in parts of a cycle.

    Raises ToolchainError where LLVM's tools fail.
    """
    code = dict(_disassembled(elf, cpu))
    lines: list[str] = []
    block_of_line: dict[int, int] = {}
    for k, (address, size) in enumerate(blocks):
        lines.append(f"@ LLVM-MCA-BEGIN {k}")
        for at in range(address, address + size, 2):
            if at in code:
                lines.append(code[at])
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
    return Weights(weights, UNIT, TAKEN[cpu.name] * UNIT)


def _analysed(lines: list[str], cpu: Cpu) -> subprocess.CompletedProcess[str]:
    """llvm-mca's answer; it stops at an instruction that its model lacks, which then is a nop."""
    while True:
        with tempfile.TemporaryDirectory(prefix="trainlet-") as work:
            source = Path(work) / "blocks.s"
            source.write_text("\n".join(lines) + "\n")
            done = _run("llvm-mca", *_core(cpu), f"-iterations={TURNS}", "-instruction-info=false",
                        "-resource-pressure=false", str(source))  # fmt: skip
        lacking = _LACKING.search(done.stderr)
        if not lacking or all(line.split()[:1] != [lacking[1]] for line in lines):
            return done
        lines = ["nop" if line.split()[:1] == [lacking[1]] else line for line in lines]


def _core(cpu: Cpu) -> tuple[str, str]:
    return "-mtriple=thumbv8m.main-none-eabi", f"-mcpu={cpu.name}"


def _run(*command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, capture_output=True, text=True, stdin=subprocess.DEVNULL)


def _disassembled(elf: Path, cpu: Cpu) -> Iterator[tuple[int, str]]:
    """Each instruction by its address, as the assembler reads it."""
    done = _run("llvm-objdump", "-d", "--no-show-raw-insn", f"--mcpu={cpu.name}", str(elf))
    if done.returncode:
        raise ToolchainError(f"llvm-objdump failed:\n{done.stderr[-2000:]}")
    predicated = 0
    for line in done.stdout.splitlines():
        if found := _LINE.match(line):
            address, name, operands = found.groups()
            yield int(address, 16), _readable(name, operands, predicated > 0)
            predicated = len(name) - 1 if _IT.match(name) else predicated - 1


def _readable(name: str, operands: str, predicated: bool) -> str:
    """As llvm-mca takes it: without widths and comments, and without conditions other than a
    branch's; a call, whose body is blocks of its own, is a jump."""
    plain, *types = name.removesuffix(".w").removesuffix(".n").split(".")
    if plain in ("bl", "blx", "tbb", "tbh"):
        return "b #0"
    if _IT.match(plain):
        return "nop"
    name = ".".join([plain[:-2] if predicated else plain, *types])
    operands = re.split("[<@;]", operands)[0].strip()
    return f"{name} {re.sub(', .*', ', #4', operands) if plain.startswith('cb') else operands}"
