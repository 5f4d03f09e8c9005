"""Finding and running C compilers: for Arm (gcc or zig) and for this machine (cc or zig).

All floating-point flags keep IEEE semantics, so that host and device agree bit for bit.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from trainlet.errors import ToolchainError
from trainlet.planning.cpu import Cpu

ARM_GCC = "arm-none-eabi-gcc"
ZIG = (sys.executable, "-m", "ziglang", "cc")
WARNINGS = ("-Wall", "-Wextra", "-Wconversion")
CLANG = ("-fno-sanitize=undefined", "-fno-slp-vectorize")
"""Zig sanitizes by default.  LLVM 22's SLP vectorizer (zig 0.17) gives wrong bits of shifts
and masks: lanes that it fills up shift by more bits than there are."""
STRICT = "TRAINLET_WERROR"
"""Set, it makes a warning an error: for our tests. A user's newer compiler may warn of more."""
EXACT = ("-std=c11", "-ffp-contract=off", "-fno-math-errno", "-fno-strict-aliasing",
         "-DTRAINLET_NO_STRICT_ALIASING", "-g0")  # fmt: skip
BARE = ("-O3", "-ffunction-sections", "-fdata-sections", "-ffreestanding", "-fno-unwind-tables",
        "-fno-asynchronous-unwind-tables")  # fmt: skip
WASM = ("-target", "wasm32-freestanding", "-mcpu=generic+bulk_memory+simd128", "-nostdlib",
        "-Wl,--no-entry", "-Wl,-z,stack-size=65536")  # fmt: skip
SANITIZE = ("-fsanitize=address,undefined", "-fno-sanitize-recover=all", "-g1")
CONTEXT = 8  # lines
INSTALL = "`pip install ziglang`, or install gcc-arm-none-eabi"


@dataclass(frozen=True)
class Toolchain:
    """A compiler for bare-metal Arm; `kind` is "gcc" or "zig"."""

    kind: str
    command: tuple[str, ...]

    def flags(self, cpu: Cpu) -> tuple[str, ...]:
        """The flags that select the core, for compiling and linking."""
        if self.kind == "gcc":
            return (*cpu.gcc, "-mthumb")
        abi = "eabihf" if cpu.fpu else "eabi"
        return ("-target", f"thumb-freestanding-{abi}", *cpu.zig, *CLANG,
                "-fomit-frame-pointer")  # fmt: skip

    def compile(self, cpu: Cpu, source: Path, output: Path, *options: str) -> None:
        run([*self.command, *self.flags(cpu), *EXACT, *BARE, *warning_flags(), *options,
             "-c", str(source), "-o", str(output)])  # fmt: skip

    def link(
        self, cpu: Cpu, objects: list[Path], script: Path, output: Path, *options: str
    ) -> None:
        """Zig brings its own support library; gcc's is the only one taken from gcc."""
        library = ("-nostdlib", "-lgcc") if self.kind == "gcc" else ("-nostartfiles",)
        run([*self.command, *self.flags(cpu), "-Wl,--gc-sections", "-T", str(script),
             *options, *map(str, objects), *library, "-o", str(output)])  # fmt: skip


def arm_toolchain(choice: str | None = None) -> Toolchain:
    """gcc where it is installed, else zig; `choice`, or TRAINLET_CC, says which."""
    choice = choice or os.environ.get("TRAINLET_CC") or None
    if choice not in (None, "gcc", "zig"):
        raise ToolchainError(f"unknown compiler '{choice}' in TRAINLET_CC; allowed: gcc, zig")
    gcc = shutil.which(ARM_GCC)
    if choice != "zig" and gcc:
        return Toolchain("gcc", (gcc,))
    if choice == "gcc":
        raise ToolchainError(f"{ARM_GCC} is not on the PATH; install gcc-arm-none-eabi or use zig")
    if not has_zig():
        raise ToolchainError(f"no compiler for Arm: {INSTALL}")
    return Toolchain("zig", ZIG)


def warning_flags() -> tuple[str, ...]:
    """What the compiler is to warn of, and whether that stops it (environment: TRAINLET_WERROR)."""
    return (*WARNINGS, "-Werror") if os.environ.get(STRICT) else WARNINGS


def has_zig() -> bool:
    return importlib.util.find_spec("ziglang") is not None


def host_compiler(sanitizers: bool = False) -> tuple[str, ...]:
    """The command of a C compiler for this machine; zig has no AddressSanitizer."""
    for name in ("cc", "gcc", "clang"):
        if found := shutil.which(name):
            return (found,)
    if sanitizers:
        raise ToolchainError("the sanitizers need gcc or clang: install one of them")
    if has_zig():
        return (*ZIG, *CLANG)
    raise ToolchainError("no C compiler for this machine: install gcc, or `pip install ziglang`")


def compile_shared(sources: list[Path], output: Path, *options: str) -> None:
    """A shared library for this machine."""
    run([*host_compiler(), *EXACT, "-O2", "-fPIC", "-shared", *warning_flags(), *options,
         *map(str, sources), "-o", str(output)])  # fmt: skip


def compile_sanitized(sources: list[Path], output: Path, *options: str) -> None:
    """An executable for this machine that stops at any bad access or undefined behaviour."""
    run([*host_compiler(sanitizers=True), *EXACT, "-O1", *SANITIZE, *warning_flags(), *options,
         *map(str, sources), "-o", str(output)])  # fmt: skip


def compile_wasm(sources: list[Path], output: Path, *options: str) -> None:
    """A WebAssembly module that imports nothing.

    Its loops over integers use SIMD; LLVM vectorises no sum of floats, whose bits would change.
    Raises ToolchainError without zig.
    """
    if not has_zig():
        raise ToolchainError("no compiler for WebAssembly: `pip install ziglang`")
    run([*ZIG, *WASM, *CLANG, *EXACT, "-O3", *warning_flags(), *options,
         *map(str, sources), "-o", str(output)])  # fmt: skip


def run(command: list[str]) -> None:
    """Run a compiler; an error quotes its output around the first error."""
    done = subprocess.run(command, capture_output=True, text=True, stdin=subprocess.DEVNULL)
    if done.returncode:
        lines = (done.stderr + done.stdout).strip().splitlines()
        first = next((k for k, line in enumerate(lines) if "error" in line), 0)
        tail = "\n".join(lines[max(0, first - CONTEXT) : first + 2 * CONTEXT])
        raise ToolchainError(f"the C compiler failed ({done.returncode}): {command[0]}\n{tail}")
