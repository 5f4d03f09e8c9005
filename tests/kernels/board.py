"""The kernels of a target's search path on a board that QEMU emulates, called in one run.

The memory protection unit ends the run at an access outside RAM, and every tensor is in turn the
one that ends where RAM ends, so that a read or a write beyond it is found.
"""

from __future__ import annotations

import struct
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from kernels.shadows import folder, made, sources
from trainlet.backends.firmware import SOURCES as FIRMWARE
from trainlet.backends.firmware import VECTORS, render
from trainlet.backends.image import read_image
from trainlet.backends.toolchain import arm_toolchain
from trainlet.ir.graph import Node
from trainlet.ops.op import OPS
from trainlet.planning.target import Target
from trainlet.run.qemu_device import QEMU, SHIFT

CALLS = Path(__file__).parent / "board_calls.c"
UNUSED, BESIDE, WORDS, FLOATS = 0xA5, 64, 40, 4


@dataclass(frozen=True)
class Call:
    """A kernel's call in the board's memory: what goes there, and where its tensors lie in it."""

    node: Node | None
    arrays: list[np.ndarray]
    places: list[slice]
    memory: bytes
    asked: bytes


class Board:
    """All kernels of one preset in a firmware; `instructions` are those of the last run's calls,
    with what calling them takes."""

    def __init__(self, core: str, compiler: str, work: Path) -> None:
        self.target = replace(Target.preset(core), ram=1 << 20, flash=1 << 20)
        cpu, toolchain = self.target.cpu, arm_toolchain(compiler)
        assert cpu is not None and cpu.board is not None
        kernels = work / "kernels.c"
        files = (*sources(self.target.kernels), *made(work))
        kernels.write_text("".join(f'#include "{file}"\n' for file in files))
        parts = {"trainer.o": kernels, "main.o": CALLS, "startup.o": FIRMWARE / "startup.c",
                 "board.o": FIRMWARE / "board_semihosting.c",
                 "memory.o": FIRMWARE / "memory.c"}  # fmt: skip
        include = [*map(folder, self.target.kernels), FIRMWARE, FIRMWARE / "include"]
        options = [*(f"-I{path}" for path in include if path.is_dir()), "-DHAS_FPU=1",
                   f"-DMPU_VERSION={cpu.mpu}", f"-DTIMER_BASE={cpu.timer:#x}u"]  # fmt: skip
        if compiler == "gcc":
            options.append("-fno-tree-loop-distribute-patterns")
        for name, source in parts.items():
            toolchain.compile(cpu, source, work / name, *options)
        offset = VECTORS if cpu.vectors == cpu.flash else 0
        script, elf = (
            render("link.ld.jinja", work, target=self.target, cpu=cpu, offset=offset),
            work / "elf",
        )
        toolchain.link(cpu, [work / name for name in parts], script, elf, "-Wl,--no-gc-sections")
        self.symbols = read_image(elf).symbols
        self._ticks = cpu.board.counter_hz * 2**SHIFT / 1e9
        self._command = [QEMU, "-M", cpu.board.machine, "-kernel", str(elf), "-display", "none",
                         "-monitor", "none", "-serial", "none", "-semihosting-config",
                         "enable=on,target=native",
                         "-icount", f"shift={SHIFT},sleep=off,align=off"]  # fmt: skip
        self.instructions: list[int] = []

    def run(self, given: Sequence[tuple[Node, list[np.ndarray]]]) -> list[np.ndarray]:
        """Each node's result; raises AssertionError for a write beside it."""
        return self._results(
            [self._call(k, node, arrays) for k, (node, arrays) in enumerate(given)]
        )

    def spin(self, times: Sequence[int]) -> list[int]:
        """The instructions of a loop of two, so many times; and what is around it, always alike."""
        words = [[n, *[0] * (WORDS - 1)] for n in times]
        start = self.symbols["bss_end"]
        heads = [self._head("spin", start, 0, [0.0] * FLOATS, w) for w in words]
        self._results([Call(None, [], [], b"", head) for head in heads])
        return self.instructions

    def _results(self, calls: list[Call]) -> list[np.ndarray]:
        sent = b"".join(call.asked + call.memory for call in calls)
        done = subprocess.run(self._command, input=sent, capture_output=True, timeout=600)
        results, at, self.instructions = [], 0, []
        for call in calls:
            n = call.node
            what = f"{n.op} {n.attrs} {n.inputs}" if n else "spin"
            found = done.stdout[at : at + 4 + len(call.memory)]
            assert len(found) == 4 + len(call.memory), (
                f"{what}: {done.returncode} {done.stderr.decode()[-300:]}"
            )
            self.instructions.append(round(struct.unpack_from("<I", found)[0] / self._ticks))
            if n:
                results.append(self._result(n, call, found[4:], what))
            at += 4 + len(call.memory)
        return results

    def _call(self, k: int, node: Node, arrays: list[np.ndarray]) -> Call:
        result = np.full(node.type.nbytes, UNUSED, np.uint8)
        changed = OPS[node.op].mutates
        if changed is not None:
            result, arrays = arrays[changed], [a for k, a in enumerate(arrays) if k != changed]
        tensors, places, memory = [result, *arrays], {}, b"\xa5" * BESIDE
        last = k % len(tensors)
        for t in [*(t for t in range(len(tensors)) if t != last), last]:
            room = -tensors[t].nbytes % 4 if t == last else 0
            memory += bytes([UNUSED]) * (-len(memory) % 4 + room)
            places[t] = slice(len(memory), len(memory) + tensors[t].nbytes)
            memory += tensors[t].tobytes() + (b"" if t == last else b"\xa5" * (BESIDE + k % 4))
        start = self.symbols["ram_end"] - len(memory)
        assert start >= self.symbols["bss_end"], "the tensors do not fit"
        words: list[int] = [start + places[t].start for t in range(len(tensors))]
        words += [0] * (OPS[node.op].pointers - len(arrays))
        floats: list[float] = []
        for value in OPS[node.op].call(node):
            (floats if isinstance(value, float) else words).append(value)  # type: ignore
        words += [0] * (WORDS - len(words))
        floats += [0.0] * (FLOATS - len(floats))
        head = self._head(OPS[node.op].kernel(node), start, len(memory), floats, words)
        return Call(node, arrays, [places[t] for t in range(len(tensors))], memory, head)

    def _head(
        self, kernel: str, start: int, size: int, floats: list[float], words: list[int]
    ) -> bytes:
        head = struct.pack("<III", self.symbols[f"k_{kernel}"] | 1, start, size)
        return head + struct.pack(f"<{FLOATS}f{WORDS}I", *floats, *(w & 0xFFFFFFFF for w in words))

    @staticmethod
    def _result(node: Node, call: Call, memory: bytes, what: str) -> np.ndarray:
        place = call.places[0]
        outside = call.memory[: place.start] + call.memory[place.stop :]
        assert memory[: place.start] + memory[place.stop :] == outside, f"{what}: wrote elsewhere"
        kind = node.type
        return np.frombuffer(memory[place], kind.dtype).reshape(kind.shape)
