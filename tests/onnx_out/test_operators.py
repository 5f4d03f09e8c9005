"""Each operator's form in ONNX makes of the operator's own samples what the oracle makes."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("onnx", reason="needs pip install trainlet[onnx]")
pytest.importorskip("onnxruntime", reason="needs pip install trainlet[onnx]")

import onnx
import onnxruntime
from onnx.reference import ReferenceEvaluator

from trainlet.backends.onnx import model
from trainlet.backends.onnx.emitter import EMITTED, Emitter
from trainlet.ir.graph import Node
from trainlet.ops.op import OPS, build, leaf

PACKED = {
    "relu_mask", "relu6_mask", "hard_sigmoid_mask", "clip_mask", "mask_dx", "leaky_relu_dx",
    "max_pool_winner", "max_pool_dx",
}  # fmt: skip
"""Whose masks and winners have another form here: networks test them."""
UNFIT = {"cross_entropy", "log_softmax", "conv2d_dx"}
"""Which onnx's reference cannot compute: large logits overflow there, and its transposed
convolution knows no dilation."""
SAMPLES = [
    (name, k)
    for name in sorted(model.EMITTED.keys() - PACKED)
    for k in range(len(OPS[name].samples))
]


def drawn(name: str, k: int) -> tuple[Node, list[np.ndarray]]:
    sample, rng = OPS[name].samples[k], np.random.default_rng(0)
    inputs = [leaf("input", f"x{i}", t) for i, t in enumerate(sample.types)]
    values = [
        np.asarray(sample.values[i](rng) if i in sample.values else rng.standard_normal(t.shape))
        for i, t in enumerate(sample.types)
    ]
    arrays = [v.astype(t.dtype) for v, t in zip(values, sample.types, strict=True)]
    return build(name, *inputs, **sample.attrs), arrays


@pytest.mark.parametrize(("name", "k"), SAMPLES)
def test_equals_the_oracle(name, k):
    n, arrays = drawn(name, k)
    at = Emitter()
    inputs = [model.info(onnx, f"x{i}", own) for i, own in enumerate(n.inputs)]
    made = EMITTED[name](at, n, *(i.name for i in inputs))
    at.nodes.append(onnx.helper.make_node("Identity", [made], ["y"]))
    tensors = [onnx.numpy_helper.from_array(v, key) for key, v in at.constants.items()]
    graph = onnx.helper.make_graph(at.nodes, name, inputs, [model.info(onnx, "y", n)], tensors)
    opset = [onnx.helper.make_opsetid("", 21)]
    proto = onnx.helper.make_model(graph, opset_imports=opset, ir_version=10)
    onnx.checker.check_model(proto, full_check=True)
    fed = {f"x{i}": v for i, v in enumerate(arrays)}
    session = onnxruntime.InferenceSession(
        proto.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    with np.errstate(all="ignore"):
        expected = np.asarray(OPS[name].eval(*arrays, **n.attrs))
        found = {"runtime": session.run(None, fed)[0]}
        if name not in UNFIT:
            found["onnx"] = ReferenceEvaluator(proto).run(None, fed)[0]
    for who, value in found.items():
        assert value.shape == n.type.shape, who
        largest = np.abs(expected[np.isfinite(expected)]).max(initial=1)
        np.testing.assert_allclose(value, expected, rtol=1e-4, atol=2e-6 * largest, err_msg=who)
