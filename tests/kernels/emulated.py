"""The kernels of a target's search path on an emulated core, called one by one.

Every tensor ends where the memory ends, so that a read or a write beyond it stops the run.
"""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

import numpy as np
import unicorn
from unicorn import Uc, arm_const  # pyright: ignore[reportPrivateImportUsage]

from kernels.shadows import folder, made, sources
from trainlet.backends.firmware import SOURCES as FIRMWARE
from trainlet.backends.image import read_image
from trainlet.backends.toolchain import arm_toolchain
from trainlet.ir.graph import Node
from trainlet.ops.op import OPS
from trainlet.planning.cpu import CPUS
from trainlet.planning.target import Target
from trainlet.run.counter import Counter

FLASH, FLASH_SIZE, RAM, STACK, APART, PAGE = 0, 1 << 20, 0x20000000, 4096, 1 << 24, 4096
STOP = FLASH + FLASH_SIZE - 4
SCRIPT = f"""
SECTIONS {{
  . = {FLASH + 64};
  .text : {{ KEEP(*(.text .text.*)) }}
  .rodata : {{ *(.rodata .rodata.*) }}
  /DISCARD/ : {{ *(.ARM.exidx*) *(.ARM.extab*) *(.comment) }}
}}
"""
UNUSED = 0xA5


def register(name: str) -> int:
    """Unicorn's number of a register."""
    return getattr(arm_const, f"UC_ARM_REG_{name}")


class Emulated:
    """All kernels of one core's preset; `instructions` counts those of the last call."""

    def __init__(self, core: str, compiler: str, work: Path) -> None:
        cpu, toolchain = CPUS[core], arm_toolchain(compiler)
        source, script, elf = (work / name for name in ("all.c", "all.ld", "all.elf"))
        path = Target.preset(core).kernels
        source.write_text("".join(f'#include "{file}"\n' for file in (*sources(path), *made(work))))
        script.write_text(SCRIPT)
        objects = [work / "all.o", work / "memory.o"]
        includes = [f"-I{folder(name)}" for name in path if folder(name).is_dir()]
        options = [f"-I{FIRMWARE / 'include'}"]
        if compiler == "gcc":
            options.append("-fno-tree-loop-distribute-patterns")
        toolchain.compile(cpu, source, objects[0], *includes, *options)
        toolchain.compile(cpu, FIRMWARE / "memory.c", objects[1], *options)
        toolchain.link(cpu, objects, script, elf, "-Wl,-e,0", "-Wl,--no-gc-sections")
        self.image = read_image(elf)
        self._core: Any = Uc(unicorn.UC_ARCH_ARM, unicorn.UC_MODE_THUMB | unicorn.UC_MODE_MCLASS)
        self._core.ctl_set_cpu_model(getattr(arm_const, str(cpu.unicorn)))
        self._core.mem_map(FLASH, FLASH_SIZE)
        self._core.mem_map(RAM, STACK)
        for address, content in self.image.segments:
            self._core.mem_write(address, content)
        self._counter = Counter(self._core, FLASH, FLASH_SIZE)
        self.instructions = 0

    def run(self, node: Node, arrays: list[np.ndarray], over: int | None = None) -> np.ndarray:
        """The kernel's result on copies of the arrays; `over`: the input whose storage it takes."""
        result = np.full(node.type.nbytes, UNUSED, np.uint8).view(node.type.dtype)
        changed = OPS[node.op].mutates
        if changed is not None:
            result, arrays = arrays[changed], [a for k, a in enumerate(arrays) if k != changed]
        if over is not None:
            result = arrays[over]
        tensors = [result, *arrays]
        places = [self._place(k, a) for k, a in enumerate(tensors)]
        literals = OPS[node.op].call(node)
        called = [places[0] if k - 1 == over else place for k, place in enumerate(places)]
        words = [*called, *[0] * (OPS[node.op].pointers - len(arrays))]
        words += [value for value in literals if not isinstance(value, float)]
        floats = [value for value in literals if isinstance(value, float)]
        self._call(f"k_{OPS[node.op].kernel(node)}", words, floats)
        for k, (place, array) in enumerate(zip(places, tensors, strict=True)):
            start = RAM + (k + 1) * APART
            before = self._core.mem_read(start, place - start)
            assert set(before) <= {UNUSED}, f"bytes before tensor {k} were written"
            if k:
                now = bytes(self._core.mem_read(place, array.nbytes))
                assert now == array.tobytes(), f"input {k - 1} was written"
        found = self._core.mem_read(places[0], node.type.nbytes)
        for k, array in enumerate(tensors):
            self._core.mem_unmap(RAM + (k + 1) * APART, room(array))
        return np.frombuffer(bytes(found), node.type.dtype).reshape(node.type.shape)

    def _place(self, k: int, array: np.ndarray) -> int:
        """The address of a tensor that ends with its memory."""
        start, size = RAM + (k + 1) * APART, room(array)
        self._core.mem_map(start, size)
        self._core.mem_write(start, bytes([UNUSED]) * (size - array.nbytes) + array.tobytes())
        return start + size - array.nbytes

    def _call(self, name: str, words: list[int], floats: list[float]) -> None:
        stack = struct.pack(f"<{len(words[4:])}I", *(w & 0xFFFFFFFF for w in words[4:]))
        sp = (RAM + STACK - len(stack)) & ~7
        self._core.mem_write(sp, stack)
        for k, value in enumerate(words[:4]):
            self._core.reg_write(register(f"R{k}"), value & 0xFFFFFFFF)
        for k, value in enumerate(floats):
            bits = struct.unpack("<I", struct.pack("<f", value))[0]
            self._core.reg_write(register(f"S{k}"), bits)
        self._core.reg_write(register("SP"), sp)
        self._core.reg_write(register("LR"), STOP | 1)
        before = self._counter.count
        self._core.emu_start(self.image.symbols[name] | 1, STOP)
        self.instructions = self._counter.count - before


def room(array: np.ndarray) -> int:
    """Whole pages for an array, and at least a byte before it."""
    return (array.nbytes // PAGE + 1) * PAGE
