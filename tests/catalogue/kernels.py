"""The reference kernels as a shared library, called with watched buffers.

Run as a program, it calls every kernel of a library on every sample; with a library built for
sanitizers, these see every buffer end where it ends.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from cffi import FFI

from catalogue.cases import CASES
from trainlet.backends.toolchain import EXACT, host_compiler
from trainlet.ir.graph import Node
from trainlet.ir.types import TensorType
from trainlet.ops import op
from trainlet.ops.op import OPS, in_place_candidates

FOLDER = Path(op.__file__).parent / "kernels" / "reference"
FILES = sorted(FOLDER.glob("*.c"))
PROTOTYPE = re.compile(r"void k_(\w+)\(([^)]*)\)")
KERNEL_CASES = [case for case in CASES if not (case.op.alias or case.op.lowered)]
CTYPE = {"float32": "float", **{name: f"{name}_t" for name in ("int32", "int16", "int8", "uint8")}}

_ffi = FFI()
_ffi.cdef("void *malloc(size_t); void free(void *);")
_libc = _ffi.dlopen(None)
_allocate = _ffi.new_allocator(_libc.malloc, _libc.free, should_clear_after_alloc=False)


def written(folder: Path, nodes: Iterable[Node]) -> list[Path]:
    """The kernels that are made for these nodes, as files in the folder; none for most."""
    made = {}
    for n in nodes:
        write, file = OPS[n.op].source, folder / f"{OPS[n.op].kernel(n)}.c"
        if write:
            called = {OPS[m.op].kernel(m) for m in OPS[n.op].calls(n)}
            made[file] = "".join([*map(declaration, sorted(called)), write(n)])
    for file, text in made.items():
        file.write_text(text)
    return list(made)


def declaration(name: str) -> str:
    """Of a kernel in a file of its own."""
    text = (FOLDER / f"{name}.c").read_text()
    found = re.search(rf"void k_{name}\([^)]*\)", text)
    assert found
    return "\n".join([*re.findall(r"^#include .*", text, re.MULTILINE), f"{found[0]};\n"])


def reference_sources(folder: Path) -> list[Path]:
    """The files of all reference kernels, those of the samples written into the folder."""
    return [*FILES, *written(folder, (case.node() for case in KERNEL_CASES))]


def combined(folder: Path, sources: Sequence[Path]) -> Path:
    """All kernels as one translation unit, as in a generated trainer."""
    path = folder / "kernels.c"
    path.write_text("".join(f'#include "{source}"\n' for source in sources))
    return path


def prototypes(folder: Path, sources: Sequence[Path]) -> dict[str, list[str]]:
    """The parameters of each kernel, read off the C files."""
    command = [*host_compiler(), *EXACT, f"-I{FOLDER}", "-E", "-P"]
    command.append(str(combined(folder, sources)))
    text = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    return {
        name: [re.sub(r"\s+", " ", p).strip() for p in parameters.split(",")]
        for name, parameters in PROTOTYPE.findall(text)
    }


class Buffer:
    """A tensor in memory of its own, aligned as its elements need and no better, or for words.

    Beyond its ends lie `guard` known bytes.
    """

    NAN, ODD = 0xFF, 0xA5
    """Beside an input NaN, which spreads when read; beside a result what differs from it."""

    def __init__(self, array: np.ndarray, guard: int, fill: int = NAN, words: bool = False) -> None:
        self.guard, self.shift, self.fill = guard, array.itemsize, fill
        if words or not guard:
            self.shift = 0
        self.memory = _allocate("uint8_t[]", self.shift + array.nbytes + 2 * guard)
        self.before = bytes(array.tobytes())
        self._bytes = np.frombuffer(_ffi.buffer(self.memory), np.uint8)
        self._bytes[:] = fill
        self._bytes[self._inside] = np.frombuffer(self.before, np.uint8)

    @property
    def _inside(self) -> slice:
        return slice(self.shift + self.guard, len(self._bytes) - self.guard)

    def pointer(self, ctype: str) -> Any:
        return _ffi.cast(f"{ctype} *", self.memory + self.shift + self.guard)

    def array(self, kind: TensorType) -> np.ndarray:
        """What lies at the beginning, as a tensor of this type."""
        inside = self._bytes[self._inside][: kind.nbytes]
        return inside.copy().view(kind.dtype).reshape(kind.shape)

    def check(self, what: str, unchanged: bool) -> None:
        """Raise AssertionError if bytes beside the tensor, or the tensor itself, changed."""
        inside = self._inside
        outside = np.concatenate([self._bytes[: inside.start], self._bytes[inside.stop :]])
        assert (outside == self.fill).all(), f"bytes beside {what} were written"
        assert not unchanged or self._bytes[inside].tobytes() == self.before, f"{what} was written"


def garbage(kind: TensorType) -> np.ndarray:
    """NaNs for floats: whoever adds to them is found out."""
    return np.full(kind.nbytes, 0xFF, np.uint8).view(kind.dtype).reshape(kind.shape)


class Library:
    """Calls kernels on fresh buffers."""

    def __init__(self, path: str | Path, parameters: dict[str, list[str]], guard: int = 64) -> None:
        self.parameters, self._guard, self._ffi = parameters, guard, FFI()
        for name, kinds in parameters.items():
            plain = ", ".join(kinds).replace("restrict ", "")
            self._ffi.cdef(f"void k_{name}({plain});")
        self._lib: Any = self._ffi.dlopen(str(path))

    def run(
        self,
        node: Node,
        arrays: list[np.ndarray],
        over: int | None = None,
        words: bool = False,
    ) -> np.ndarray:
        """The kernel's result.

        over: the input whose storage it takes, if any; words: every tensor begins at a word
        """
        record = OPS[node.op]
        over = record.mutates if record.mutates is not None else over
        fills = [Buffer.ODD if k == over else Buffer.NAN for k in range(len(arrays))]
        buffers = [Buffer(a, self._guard, f, words) for a, f in zip(arrays, fills, strict=True)]
        if over is None:
            result = Buffer(garbage(node.type), self._guard, Buffer.ODD, words)
        else:
            result = buffers[over]
        given = [k for k in range(len(buffers)) if k not in (record.mutates, record.seed)]
        pointers = [result.pointer(CTYPE[node.type.dtype])]
        pointers += [buffers[k].pointer(CTYPE[node.inputs[k].type.dtype]) for k in given]
        pointers += [_ffi.NULL] * (record.pointers - len(given))
        scratch = Buffer(np.full(record.workspace(node), 0xFF, np.uint8), self._guard)
        if record.workspace(node):
            pointers.append(scratch.pointer("uint8_t"))
        getattr(self._lib, f"k_{record.kernel(node)}")(*pointers, *record.call(node))
        scratch.check("the workspace", unchanged=False)
        result.check("the result", unchanged=False)
        keeps = record.name in {op.keeping for op in OPS.values()}
        for k, buffer in enumerate(buffers):
            buffer.check(f"input {k}", unchanged=buffer is not result and not (keeps and k == 1))
        if keeps:
            old = buffers[1].array(node.inputs[1].type)
            assert old.tobytes() == buffers[0].before, "the old value is not kept"
        return result.array(node.type)


def run_everything(library: Library) -> None:
    """Every kernel on every sample, its result in memory of its own and in each input's."""
    for case in KERNEL_CASES:
        node = case.node()
        for over in (None, *in_place_candidates(node)):
            library.run(node, case.draw(), over)


if __name__ == "__main__":
    run_everything(Library(sys.argv[1], json.loads(sys.argv[2]), guard=0))
