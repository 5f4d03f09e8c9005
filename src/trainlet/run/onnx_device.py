"""ONNX Runtime as a device."""

from __future__ import annotations

from typing import Any

import numpy as np

from trainlet.backends.onnx.model import STATE, model_of
from trainlet.errors import ToolchainError
from trainlet.ir.graph import Graph
from trainlet.planning.program import Program, Stage
from trainlet.run.simulated import SimulatedDevice

THREADS = 1


class OnnxDevice(SimulatedDevice):
    """Each stage's model in a session of its own; what training changes goes in and comes out."""

    def __init__(self, program: Program) -> None:
        self.sessions = {
            name: _session(model_of(program, stage.graph, name))
            for name, stage in program.stages.items()
        }
        super().__init__(program)

    def run(self, graph: Graph, stage: Stage, fed: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        name = next(k for k, own in self.program.stages.items() if own.graph is graph)
        session = self.sessions[name]
        values = {**{STATE + k: v for k, v in self.values.items()}, **fed}
        given = {i.name: values[i.name] for i in session.get_inputs()}
        return dict(zip(graph.outputs, session.run(None, given), strict=True))


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
    return onnxruntime.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
