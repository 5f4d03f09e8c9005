"""The WebAssembly module of a program in a process of Node, through its ES module."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

import numpy as np

from trainlet.backends.interface import interface_of
from trainlet.backends.wasm.project import write_module
from trainlet.errors import ToolchainError
from trainlet.ir.storage import storage
from trainlet.planning.program import Program
from trainlet.run.commands import CommandDevice
from trainlet.run.device import Inputs
from trainlet.run.process import ProcessLink

LOOP = Path(__file__).with_name("node_device.js")
OLDEST = 18
"""The first version of Node with SIMD and the module's syntax."""


def has_node() -> bool:
    return shutil.which("node") is not None


class NodeDevice(CommandDevice):
    """Arrays pass the ES module, so they have the layout of the user's model there."""

    def __init__(self, program: Program, timeout: float = 600) -> None:
        node = shutil.which("node")
        if node is None:
            raise ToolchainError(
                f"running WebAssembly needs Node {OLDEST} or newer: install nodejs"
            )
        self._inputs = {n.name: n for n in program.inputs}
        self._folder = tempfile.TemporaryDirectory(prefix="trainlet-")
        folder = write_module(program, Path(self._folder.name))
        self.module = (folder / f"{program.prefix}.wasm").read_bytes()
        loop = folder / "node_device.mjs"
        loop.write_bytes(LOOP.read_bytes())
        command = [node, str(loop), str(folder / f"{program.prefix}.js")]
        super().__init__(ProcessLink(command, timeout), interface_of(program))

    def _given(self, inputs: Inputs) -> list[np.ndarray]:
        return [
            self._as_the_model(name, array)
            for name, array in zip(self._inputs, super()._given(inputs), strict=True)
        ]

    def _as_the_model(self, name: str, array: np.ndarray) -> np.ndarray:
        how = storage(self._inputs[name])
        permuted = array.reshape([how.shape[k] for k in how.permutation])
        return np.ascontiguousarray(np.transpose(permuted, np.argsort(how.permutation)))

    def close(self) -> None:
        super().close()
        self._folder.cleanup()
