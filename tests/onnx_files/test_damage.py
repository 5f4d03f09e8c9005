"""Files that are cut, changed, or ask for what is not there: an error that says so, no crash."""

from __future__ import annotations

import re
import sys
from contextlib import suppress

import numpy as np
import pytest

pytest.importorskip("onnx", reason="needs pip install trainlet[onnx]")

from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper

import trainlet as tl
from trainlet.errors import DataError, FileError, ToolchainError, TrainletError, UnsupportedError
from trainlet.ir.text import print_graph
from trainlet.ops.verify import verify

W = np.ones((3, 4), np.float32)


def floats(name, *shape):
    return helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)


def model(*nodes, x=None, constants=(), opset=17, outputs=("y",)):
    """A file with the input x and the output y, both [2, 4] if nothing else is said."""
    tensors = [
        c if isinstance(c, TensorProto) else numpy_helper.from_array(c[1], c[0]) for c in constants
    ]
    results = [floats(n, None) for n in outputs]
    graph = helper.make_graph(list(nodes), "net", [x or floats("x", 2, 4)], results, tensors)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)])


def node(kind, *inputs, output="y", **attributes):
    return helper.make_node(kind, inputs, [output], **attributes)


def small():
    return model(
        node("Gemm", "x", "w", output="a", transB=1), node("Relu", "a"), constants=[("w", W)]
    ).SerializeToString()


def affine(name, scale, zero, dtype=np.int8):
    """The scale and the zero point of what QuantizeLinear makes."""
    return (f"{name}s", np.array(scale, np.float32)), (f"{name}z", np.array(zero, dtype))


def integers(before=(0.1, 3), after=(0.2, -5), second=None, dtype=np.int8):
    """A linear layer between QuantizeLinear and DequantizeLinear, which may read other scales."""
    constants = [*affine("x", *before, dtype), *affine("y", *after, dtype), *affine("w", 0.05, 0),
                 *affine("q", *(second or before), dtype), ("w", W.astype(np.int8))]  # fmt: skip
    return model(
        node("QuantizeLinear", "x", "xs", "xz", output="a"),
        node("DequantizeLinear", "a", "qs", "qz", output="b"),
        node("DequantizeLinear", "w", "ws", "wz", output="v"),
        node("Gemm", "b", "v", output="c", transB=1),
        node("QuantizeLinear", "c", "ys", "yz", output="d"),
        node("DequantizeLinear", "d", "ys", "yz"),
        constants=constants,
    )


@pytest.fixture
def opened(tmp_path):
    def read(content, check=False):
        path = tmp_path / "net.onnx"
        path.write_bytes(content if isinstance(content, bytes) else content.SerializeToString())
        return tl.load(path, check=check)

    return read


def test_the_small_file_is_good(opened):
    assert str(opened(small(), check=True).outputs["logits"].type) == "float32[2,3]"


def test_a_small_file_of_integers_is_good(opened):
    assert [n.op for n in opened(integers(), check=True).nodes()].count("linear_i8") == 1


def test_every_truncation(opened):
    content = small()
    whole = print_graph(opened(content))
    for length in range(len(content)):
        with suppress(TrainletError):
            assert print_graph(opened(content[:length])) == whole


@settings(max_examples=300, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    st.sampled_from([small(), integers().SerializeToString()]),
    st.lists(st.tuples(st.integers(0, 5000), st.integers(0, 7)), min_size=1, max_size=4),
)
@example(integers().SerializeToString(), [(3084, 3)])  # a DequantizeLinear without a result
def test_flipped_bits(opened, content, flips):
    content = bytearray(content)
    for byte, bit in flips:
        content[byte % len(content)] ^= 1 << bit
    with suppress(TrainletError):
        verify(opened(bytes(content)))


def huge(name="w"):
    return TensorProto(name=name, data_type=TensorProto.FLOAT, dims=[1 << 40, 1 << 20])


def outside(place, **fields):
    tensor = TensorProto(name="w", data_type=TensorProto.FLOAT, dims=[3, 4],
                         data_location=TensorProto.EXTERNAL)  # fmt: skip
    for key, value in {"location": place, **fields}.items():
        tensor.external_data.add(key=key, value=str(value))
    return tensor


def linear(w, **how):
    return model(node("Gemm", "x", "w", transB=1), constants=[w], **how)


def sized(kind, values, *rest):
    constants = [("n", np.array(values, np.int64)), *rest]
    return model(node(kind, *[n for n, _ in constants][::-1], output="c"),
                 node("Add", "x", "c"), constants=constants)  # fmt: skip


CHAIN = [node("Relu", f"a{k}", output=f"a{k + 1}") for k in range(5000)]
WRONG = {
    "another format": (b"PK\x03\x04 and so on", FileError, "not a readable .onnx file"),
    "nothing": (b"", FileError, "it has no operators"),
    "an unknown operator": (
        model(node("Relu", "x", output="a"), node("Hardmax", "a")),
        UnsupportedError,
        "operator 1, Hardmax 'y', is not supported; supported: Abs, Acos",
    ),
    "an operator of others": (
        model(node("Conv", "x", "x", domain="com.acme")),
        UnsupportedError,
        "operator 0, com.acme.Conv 'y', is not supported",
    ),
    "an unknown attribute": (
        model(node("Relu", "x", slope=0.5)), UnsupportedError, "its attributes slope",
    ),
    "an attribute of another kind": (
        model(node("LeakyRelu", "x", alpha="much")), FileError, "its alpha is 'much'",
    ),
    "an old version": (linear(("w", W), opset=3), UnsupportedError, "opset [3]; allowed: one of 6"),
    "a new version": (linear(("w", W), opset=99), UnsupportedError, "opset [99]; allowed"),
    "a tensor that nobody made": (
        model(node("Relu", "nobody")), FileError, "'nobody' is read before an operator made it",
    ),
    "a tensor made twice": (
        model(node("Relu", "x"), node("Abs", "x")), FileError, "it makes 'y', which is there",
    ),
    "shapes that do not fit": (
        linear(("w", np.ones((3, 5), np.float32))), FileError, "operator 0, Gemm 'y'",
    ),
    "an open shape": (
        linear(("w", W), x=floats("x", 2, "n")), UnsupportedError, "has a dynamic shape (2, None)",
    ),
    "a weight of doubles": (
        linear(("w", W.astype(np.float64))), UnsupportedError, "the weight 'w' is float64",
    ),
    "a weight that is infinite": (linear(("w", W * np.inf)), DataError, "NaN or infinite"),
    "a weight that is too large": (linear(huge()), FileError, "at most"),
    "a weight that is too short": (
        linear(TensorProto(name="w", data_type=1, dims=[3, 4], raw_data=b"1234")),
        FileError,
        "tensor 'w' needs 48 bytes and has 4",
    ),
    "weights of a folder above": (
        linear(outside("../secret")), FileError, "stand in '../secret'; allowed: a file in the",
    ),
    "weights of anywhere": (linear(outside("/etc/passwd")), FileError, "stand in '/etc/passwd'"),
    "weights that are not there": (linear(outside("w.bin")), FileError, "No such file"),
    "weights at no place": (linear(outside("w.bin", offset=-8)), FileError, "the offset of tensor"),
    "a constant that is too large": (
        sized("ConstantOfShape", [1 << 30, 1 << 30]), UnsupportedError, "a constant of",
    ),
    "a tile that is too large": (
        sized("Tile", [1 << 40, 1], ("t", W)), UnsupportedError, "a constant of",
    ),
    "an output that is an input": (
        model(node("Relu", "x"), outputs=("x",)), UnsupportedError, "the output 'x' is input",
    ),
    "a scale of zero": (integers((0.0, 3)), FileError, "a scale is not a positive number"),
    "two scales of one tensor": (
        integers(second=(0.3, 3)),
        UnsupportedError,
        "it reads scale 0.3 and zero point 3 of integers that have",
    ),
    "integers of 16 bits": (
        integers(dtype=np.int16), UnsupportedError, "quantised to int16; allowed: int8, uint8",
    ),
    "weights that are quantised while it runs": (
        model(node("DynamicQuantizeLinear", "x")), UnsupportedError, "is not supported; supported",
    ),
    "too many operators": (
        model(node("Relu", "x", output="a0"), *CHAIN, outputs=("a5000",)), FileError, "at most",
    ),
}  # fmt: skip


@pytest.mark.parametrize("what", WRONG)
def test_says_what_is_wrong(what, opened):
    content, kind, message = WRONG[what]
    with pytest.raises(kind, match=re.escape(message)) as caught:
        opened(content)
    assert "net.onnx: " in str(caught.value) or "w.bin" in str(caught.value)


def test_weights_of_its_own_folder_are_read(opened, tmp_path):
    (tmp_path / "w.bin").write_bytes(b"skipped!" + W.tobytes())
    graph = opened(linear(outside("w.bin", offset=8, length=48)), check=True)
    np.testing.assert_array_equal(graph.values["w"], W)


def test_a_link_out_of_the_folder_is_not_followed(opened, tmp_path):
    (tmp_path / "inner").mkdir()
    (tmp_path / "secret").write_bytes(W.tobytes())
    (tmp_path / "inner" / "w.bin").symlink_to(tmp_path / "secret")
    path = tmp_path / "inner" / "net.onnx"
    path.write_bytes(linear(outside("w.bin")).SerializeToString())
    with pytest.raises(FileError, match="allowed: a file in the folder"):
        tl.load(path)


def test_names_the_extra_that_is_missing(opened, monkeypatch):
    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(ToolchainError, match=re.escape("pip install trainlet[onnx]")):
        opened(small())


def test_what_differs_from_onnxruntime_is_refused(opened, monkeypatch):
    from trainlet.frontends.onnx.table import TABLE

    monkeypatch.setitem(TABLE, "Relu", lambda at: at.build("abs", at.input(0)))
    with pytest.raises(UnsupportedError, match="operator 1, Relu 'y': what Trainlet computes"):
        opened(small(), check=True)


def test_onnx_compares_where_onnxruntime_is_absent(opened, monkeypatch):
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    opened(small(), check=True)
