"""LLVM's tools for a core: which of those installed know it, and a firmware's code by them."""

from __future__ import annotations

import re
import shutil
import subprocess
from functools import cache
from pathlib import Path
from typing import NamedTuple

from trainlet.errors import ToolchainError


class Instruction(NamedTuple):
    """Of a disassembly."""

    address: int
    name: str
    operands: str


def ends_loop(one: Instruction) -> bool:
    """Whether it ends a low-overhead loop: then its jump back takes no time but the first."""
    return one.name.split(".")[0] in ("le", "letp")


TOOLS = ("llvm-mca", "llvm-objdump")
NEWEST = 30
_LINE = re.compile(r"^ *([0-9a-f]+):\s+(\S+)\s*(.*)$")
_VERSION = re.compile(r"LLVM version (\d+)")


def run(*command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, capture_output=True, text=True, stdin=subprocess.DEVNULL)


def tool(name: str, oldest: int) -> str:
    """The tool on the PATH, plain or with a version behind its name, of a version that will do.

    Raises ToolchainError where none is.
    """
    for found in (name, *(f"{name}-{version}" for version in range(NEWEST, oldest - 1, -1))):
        if shutil.which(found) and _version(found) >= oldest:
            return found
    raise ToolchainError(
        f"{name} {oldest} or later is not on the PATH, and cycles are estimated with it; install "
        f"LLVM (Debian: apt-get install llvm-{max(oldest, 16)}), or leave --cycles out"
    )


@cache
def _version(found: str) -> int:
    told = _VERSION.search(run(found, "--version").stdout)
    return int(told[1]) if told else 0


def disassembly(elf: Path, core: str, oldest: int) -> list[Instruction]:
    """The code of a firmware, in the order of its addresses.

    Raises ToolchainError where llvm-objdump is absent or fails.
    """
    done = run(tool("llvm-objdump", oldest), "-d", "--no-show-raw-insn", f"--mcpu={core}", str(elf))
    if done.returncode:
        raise ToolchainError(f"llvm-objdump failed:\n{done.stderr[-2000:]}")
    found = (_LINE.match(line) for line in done.stdout.splitlines())
    return [Instruction(int(line[1], 16), line[2], line[3]) for line in found if line]
