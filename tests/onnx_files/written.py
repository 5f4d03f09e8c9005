"""Files that are written out by hand."""

from __future__ import annotations

import numpy as np
from onnx import TensorProto, helper, numpy_helper


def drawn(*shape):
    return np.random.default_rng(0).normal(size=shape).astype(np.float32)


def written(folder, rows, x, tensors, functions=(), opset=23, outputs=("y",)):
    """A file with the input x and these outputs; rows: kind, inputs, results, attributes."""
    nodes = [helper.make_node(kind, inputs, made, **how) for kind, inputs, made, how in rows]
    graph = helper.make_graph(
        nodes, "net", [helper.make_tensor_value_info("x", TensorProto.FLOAT, x.shape)],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in outputs],
        [numpy_helper.from_array(np.asarray(v), k) for k, v in tensors.items()],
    )  # fmt: skip
    opsets = [helper.make_opsetid("", opset), helper.make_opsetid("own", 1)]
    model = helper.make_model(graph, opset_imports=opsets, functions=list(functions), ir_version=10)
    path = folder / "net.onnx"
    path.write_bytes(model.SerializeToString())
    return path
