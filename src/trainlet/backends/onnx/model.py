"""A stage of a program as an ONNX model."""

from __future__ import annotations

from typing import Any

import numpy as np

from trainlet.backends.onnx import formulas, layers, moves  # noqa: F401  each fills the table
from trainlet.backends.onnx.emitter import EMITTED, OPSET, Emitter
from trainlet.errors import UnsupportedError
from trainlet.ir.graph import Graph, Node
from trainlet.ir.printable import plain
from trainlet.planning.program import Program

IR_VERSION = 10
STATE, NEW = "state.", "new."


def model_of(program: Program, graph: Graph, name: str) -> Any:
    """An onnx.ModelProto whose inputs are the graph's and all that training changes, and whose
    outputs are the graph's, by their names in the graph.

    Raises UnsupportedError for what has no row here, ToolchainError without the extra `onnx`.
    """
    at = Emitter()
    onnx, values, inputs = at.onnx, dict[Node, str](), []
    for n in graph.nodes():
        if n.is_leaf:
            values[n] = _leaf(at, program, n, inputs)
            continue
        if n.op not in EMITTED or "int8" in (n.type.dtype, *(i.type.dtype for i in n.inputs)):
            raise UnsupportedError(
                f"target='onnx' has no form of {n.op!r} ({n.name or 'of the step'}: {n.type}); "
                f"allowed: {', '.join(sorted(EMITTED))}"
            )
        values[n] = EMITTED[n.op](at, n, *(values[i] for i in n.inputs))
    outputs = []
    for key, n in graph.outputs.items():
        at.nodes.append(onnx.helper.make_node("Identity", [values[n]], [plain(key)]))
        outputs.append(info(onnx, plain(key), n))
    tensors = [onnx.numpy_helper.from_array(v, k) for k, v in at.constants.items()]
    made = onnx.helper.make_graph(at.nodes, name, inputs, outputs, tensors)
    model = onnx.helper.make_model(
        made, opset_imports=[onnx.helper.make_opsetid("", OPSET)], producer_name="trainlet",
        ir_version=IR_VERSION,
    )  # fmt: skip
    try:
        onnx.checker.check_model(model, full_check=True)
    except Exception as error:  # two inputs or outputs of one name
        raise UnsupportedError(f"onnx refuses the model of {name!r}: {error}") from None
    return model


def _leaf(at: Emitter, program: Program, n: Node, inputs: list[Any]) -> str:
    """What is fed is an input, and so is what training changes."""
    if n.op in ("const", "seed"):
        return at.constant(np.asarray(program.initial(n)))
    name = plain(n.name if n.op == "input" else STATE + n.name)
    inputs.append(info(at.onnx, name, n))
    return name


def info(onnx: Any, name: str, n: Node) -> Any:
    """The description of an input or output of a node's type."""
    kind = onnx.helper.np_dtype_to_tensor_dtype(np.dtype(n.type.dtype))
    return onnx.helper.make_tensor_value_info(name, kind, n.type.shape)
