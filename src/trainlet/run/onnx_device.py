"""ONNX Runtime as a device."""

from __future__ import annotations

from typing import Any

import numpy as np

from trainlet.backends.onnx.model import NEW, STATE, Models
from trainlet.errors import ToolchainError
from trainlet.ir.graph import Graph
from trainlet.planning.blob import Saved
from trainlet.planning.program import STEP, Program, Stage
from trainlet.run.simulated import SimulatedDevice

THREADS = 1


class OnnxDevice(SimulatedDevice):
    """Each stage's model in a session of its own.

    What training changes has two sets of arrays: a step reads one and writes the other, and then
    they change places.  They lie as the models declare them.
    """

    def __init__(self, program: Program) -> None:
        self.models = Models(program)
        self.sessions = {name: _session(model) for name, model in self.models.models.items()}
        super().__init__(program)

    def init(self) -> None:
        """Restore the pretrained values."""
        leaves = (*self.program.params, *self.program.states)
        self._put({n.name: self.program.initial(n) for n in leaves})
        self.pending = 0

    def run(self, graph: Graph, stage: Stage, fed: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        name = next(k for k, own in self.program.stages.items() if own.graph is graph)
        session = self.sessions[name]
        binding, read = session.io_binding(), {STATE + k: v for k, v in self.values.items()}
        given = {**read, **{k: self.models.arranged(k, v) for k, v in fed.items()}}
        for i in session.get_inputs():
            binding.bind_cpu_input(i.name, given[i.name])
        written = {k: self._free(k.removeprefix(NEW)) for k in graph.outputs if k.startswith(NEW)}
        for k in graph.outputs:
            if k in written:
                binding.bind_ortvalue_output(k, _shared(written[k]))
            else:
                binding.bind_output(k)
        session.run_with_iobinding(binding)
        made = dict(zip(graph.outputs, binding.get_outputs(), strict=True))
        return {k: written[k] if k in written else v.numpy() for k, v in made.items()}

    def _free(self, name: str) -> np.ndarray:
        """An array for a new value, which nothing reads."""
        free = self.spare.pop(name, None)
        return np.empty_like(self.values[name]) if free is None else free

    def _take(self, results: dict[str, np.ndarray], stage: Stage) -> None:
        before = self.values
        super()._take(results, stage)
        if stage is self.program.stages[STEP]:
            self.spare = {k: v for k, v in before.items() if v is not self.values[k]}

    def _take_back(self, before: dict[str, np.ndarray]) -> None:
        super()._take_back(before)
        self.spare = {}

    def _put(self, arrays: dict[str, np.ndarray]) -> None:
        """Take values as the program keeps them."""
        self.values = {k: self.models.arranged(k, v) for k, v in arrays.items()}
        self.spare = dict[str, np.ndarray]()

    def save(self) -> bytes:
        arrays = {k: self.models.as_ours(k, v) for k, v in self.values.items()}
        return self.program.layout.pack(Saved(arrays, self.pending))

    def load(self, blob: bytes) -> None:
        saved = self.program.layout.unpack(blob)
        self._put(dict(saved.arrays))
        self.pending = saved.pending


def _shared(array: np.ndarray) -> Any:
    """The array's memory as ONNX Runtime's own value."""
    import onnxruntime

    return onnxruntime.OrtValue.ortvalue_from_numpy(array)


def _session(model: Any) -> Any:
    try:
        import onnxruntime
    except ImportError:
        raise ToolchainError(
            "running on onnxruntime needs the package onnxruntime: pip install trainlet[onnx]"
        ) from None
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = THREADS
    options.log_severity_level = 3
    options.enable_mem_pattern = False  # each of these takes less memory, and the same time
    options.enable_mem_reuse = False
    return onnxruntime.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
