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
from trainlet.backends.onnx.emitter import Emitter, Order, info
from trainlet.backends.onnx.values import Values
from trainlet.ir.graph import Node
from trainlet.ir.types import TensorType
from trainlet.ops.op import OPS, build, leaf

PACKED = {
    "relu_mask", "relu6_mask", "hard_sigmoid_mask", "clip_mask", "mask_dx", "leaky_relu_dx",
    "max_pool_winner", "max_pool_dx",
}  # fmt: skip
"""Whose masks and winners have another form here: networks test them."""
UNFIT = {"cross_entropy", "log_softmax", "distillation", "conv2d_dx", "conv_transpose"}
"""Which onnx's reference cannot compute: large logits overflow there, and its transposed
convolution knows no dilation.  Its loops run forwards only."""
CONSTANT = {"banded_spectrogram", "bands", "spectrogram"}
"""Operators whose inputs are all constants but the first."""
SAMPLES = [
    (name, k)
    for name in sorted(model.EMITTED.keys() - PACKED)
    for k in range(len(OPS[name].samples))
]


LARGER = {
    "rows": ((2, 12, 10, 4), {"kernel": (5, 3), "stride": (2, 1), "padding": (2, 0, 1, 1)}),
    "rows apart": ((1, 40, 18, 2), {"dilation": (2, 3)}),
    "elements": ((1, 20, 36, 2), {"stride": (2, 2)}),
    "images": ((2, 48, 48, 60), {}),
    "images, stride": ((3, 64, 52, 40), {"stride": (2, 2), "padding": (0, 1, 1, 0)}),
}
"""Which form the gradient of a depthwise weight takes for maps of this shape."""


def drawn(name: str, k: int) -> tuple[Node, list[np.ndarray]]:
    sample, rng = OPS[name].samples[k], np.random.default_rng(0)
    inputs = [leaf("input", f"x{i}", t) for i, t in enumerate(sample.types)]
    values = [
        np.asarray(sample.values[i](rng) if i in sample.values else rng.standard_normal(t.shape))
        for i, t in enumerate(sample.types)
    ]
    arrays = [v.astype(t.dtype) for v, t in zip(values, sample.types, strict=True)]
    return build(name, *inputs, **sample.attrs), arrays


def model_of(n: Node, arrays: list[np.ndarray]) -> onnx.ModelProto:
    """A model of one node, whose inputs and output lie as the program's do."""
    at, inputs = Emitter(), []

    def leaf_name(i: Node, order: Order) -> tuple[str, Order]:
        plain = tuple(range(i.type.rank))
        if n.op in CONSTANT and i is not n.inputs[0]:
            return at.constant(arrays[n.inputs.index(i)]), plain
        inputs.append(info(onnx, i.name, i))
        return i.name, plain

    values = Values(at, [*n.inputs, n], leaf_name)
    values.write(n)
    at.result(values.take(n), "y")
    return model.checked(at, n.op, inputs, [info(onnx, "y", n)])


@pytest.mark.parametrize(("name", "k"), SAMPLES)
def test_equals_the_oracle(name, k):
    n, arrays = drawn(name, k)
    proto = model_of(n, arrays)
    fed = {i.name: v for i, v in zip(proto.graph.input, arrays, strict=False)}
    session = onnxruntime.InferenceSession(
        proto.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    with np.errstate(all="ignore"):
        expected = np.asarray(OPS[name].eval(*arrays, **n.attrs))
        found = {"runtime": session.run(None, fed)[0]}
        if name not in UNFIT and not n.attrs.get("reverse"):
            found["onnx"] = ReferenceEvaluator(proto).run(None, fed)[0]
    for who, value in found.items():
        assert value.shape == n.type.shape, who
        largest = np.abs(expected[np.isfinite(expected)]).max(initial=1)
        np.testing.assert_allclose(value, expected, rtol=1e-4, atol=2e-6 * largest, err_msg=who)


@pytest.mark.parametrize("form", LARGER)
def test_each_form_of_a_depthwise_gradient(form):
    size, attrs = LARGER[form]
    attrs = {"kernel": (3, 3), "stride": (1, 1), "padding": (1, 1, 1, 1), "dilation": (1, 1),
             **attrs}  # fmt: skip
    kernel = attrs.pop("kernel")
    x, w = (leaf("input", k, TensorType(s)) for k, s in (("x1", size), ("w", (*kernel, size[3]))))
    g = leaf("input", "x0", build("depthwise", x, w, **attrs).type)
    n = build("depthwise_dw", g, x, kernel=kernel, **attrs)
    rng = np.random.default_rng(0)
    fed = {k.name: rng.standard_normal(k.type.shape).astype(np.float32) for k in n.inputs}
    proto = model_of(n, [])
    session = onnxruntime.InferenceSession(
        proto.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    expected = OPS[n.op].eval(*fed.values(), **n.attrs)
    np.testing.assert_allclose(session.run(None, fed)[0], expected, rtol=1e-4, atol=1e-3)
    kinds = {k.op_type for k in proto.graph.node}
    assert ("Scan" in kinds, "Concat" in kinds) == (
        form.startswith("images"), not form.startswith("images")
    )  # fmt: skip


@pytest.mark.parametrize("name", ["conv2d", "depthwise"])
def test_an_input_gradient_with_an_uneven_border(name):
    x = leaf("input", "x", TensorType((2, 9, 8, 4)))
    attrs = {"stride": (1, 1), "padding": (0, 1, 2, 2), "dilation": (1, 1)}
    attrs |= {"groups": 2} if name == "conv2d" else {}
    w = leaf("input", "x1", TensorType((6, 3, 3, 2) if name == "conv2d" else (3, 3, 4)))
    g = leaf("input", "x0", build(name, x, w, **attrs).type)
    n = build(f"{name}_dx", g, w, size=(9, 8), **attrs)
    rng = np.random.default_rng(0)
    fed = {k.name: rng.standard_normal(k.type.shape).astype(np.float32) for k in n.inputs}
    session = onnxruntime.InferenceSession(
        model_of(n, []).SerializeToString(), providers=["CPUExecutionProvider"]
    )
    expected = OPS[n.op].eval(*fed.values(), **n.attrs)
    np.testing.assert_allclose(session.run(None, fed)[0], expected, rtol=1e-4, atol=1e-5)
