"""The files of the target wasm: the module, its ES module with types, and the description of the
saved state."""

from __future__ import annotations

import json
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

from trainlet.backends import c
from trainlet.backends.firmware import SOURCES
from trainlet.backends.text import fill
from trainlet.backends.toolchain import compile_wasm
from trainlet.backends.wasm.description import description
from trainlet.errors import UnsupportedError
from trainlet.files import filling
from trainlet.planning.program import Program

RUNTIME = Path(__file__).with_name("runtime.js")
PACKAGE = "package.json"


def write_module(program: Program, folder: Path) -> Path:
    """<prefix>.wasm, <prefix>.js, <prefix>.d.ts and <prefix>.json; package.json where there is
    none, so that Node takes the .js for an ES module.

    Raises UnsupportedError for a program that reads an input in rows, ToolchainError without zig,
    FileError when the folder cannot be written; nothing is written then.
    """
    p, described = program.prefix, description(program)
    module = compiled(program)
    with filling(folder) as new:
        (new / f"{p}.wasm").write_bytes(module)
        (new / f"{p}.js").write_text(_script(p, described), encoding="utf-8")
        (new / f"{p}.d.ts").write_text(_types(p, described), encoding="utf-8")
        record = c.render(program)[f"{p}.json"]
        (new / f"{p}.json").write_text(record, encoding="utf-8")
        if not (folder / PACKAGE).exists():
            (new / PACKAGE).write_text('{"type": "module"}\n', encoding="utf-8")
    return folder


def compiled(program: Program) -> bytes:
    """The WebAssembly module of a program; it imports nothing."""
    if program.streamed is not None:
        raise UnsupportedError(
            f"input {program.streamed.name!r} is read in rows through a callback, which target "
            "'wasm' does not have; compile with stream=False"
        )
    program = replace(program, target=replace(program.target, kernels=_kernels(program)))
    with tempfile.TemporaryDirectory(prefix="trainlet-") as work:
        folder = Path(work)
        for name, text in c.render(program).items():
            if name.endswith((".h", f"{program.prefix}.c")):
                (folder / name).write_text(text, encoding="utf-8")
        exports = folder / "exports.c"
        exports.write_text(fill("wasm.c", c.Emitter(program).context()), encoding="utf-8")
        output = folder / "module.wasm"
        sources = [folder / f"{program.prefix}.c", exports]
        compile_wasm(sources, output, f"-I{SOURCES / 'include'}")
        return output.read_bytes()


def _kernels(program: Program) -> tuple[str, ...]:
    """The faster search path (benchmarks/wasm.py); both compute the same bits.

    The kernels for Cortex-M load integers in pairs, which LLVM turns into SIMD; in float32 it does
    better with the simple loops.
    """
    integers = any(n.type.quant is not None for n in program.graph.nodes())
    return ("cortex_m", "reference") if integers else ("reference",)


def _script(p: str, described: dict[str, Any]) -> str:
    text = json.dumps(described)  # ASCII: no name from a model can end the literal
    return fill("wasm.js", {"p": p, "description": text, "runtime": RUNTIME.read_text("utf-8")})


def _types(p: str, described: dict[str, Any]) -> str:
    arrays = {
        kind: [
            one | {"key": json.dumps(one["name"]).replace("*/", '*\\/'),
                   "shape": "x".join(map(str, one["shape"])) or "1"}
            for one in described[kind]
        ]
        for kind in ("inputs", "targets", "outputs")
    }  # fmt: skip
    return fill("wasm.d.ts", {"p": p, **described, **arrays})
