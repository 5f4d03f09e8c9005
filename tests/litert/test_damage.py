"""Files that are cut, changed, or ask for what is not there: an error that says so, no crash."""

import re
import struct
import sys
from contextlib import suppress

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

pytest.importorskip("tflite", reason="needs pip install trainlet[tflite]")

from litert.networks import QUANTISED
from litert.reference import data
from litert.writer import Operator, Tensor, write
from trainlet.errors import DataError, FileError, TrainletError, UnsupportedError
from trainlet.frontends.tflite import import_tflite
from trainlet.ir.text import print_graph
from trainlet.ops.verify import verify

X = Tensor((1, 4, 4, 2), "INT8", [0.5], [3])
W = Tensor((2, 1, 1, 2), "INT8", [0.1, 0.2], [0, 0], 0, np.ones((2, 1, 1, 2), np.int8))
B = Tensor((2,), "INT32", [0.05, 0.1], [0, 0], 0, np.zeros(2, np.int32))
CONV = {"Padding": 0, "StrideH": 1, "StrideW": 1, "DilationHFactor": 1, "DilationWFactor": 1}
POOL = {"Padding": 0, "StrideH": 2, "StrideW": 2, "FilterHeight": 2, "FilterWidth": 2}
POOLED = Tensor((1, 2, 2, 2), "INT8", X.scale, X.zero_point)


def conv(x=X, w=W, b=B, y=X, **fields):
    return write([x, w, b, y], [Operator("CONV_2D", [0, 1, 2], 3, "Conv2DOptions", CONV | fields)])


def small():
    """A convolution and a pooling."""
    operators = [
        Operator("CONV_2D", [0, 1, 2], 3, "Conv2DOptions", CONV),
        Operator("MAX_POOL_2D", [3], 4, "Pool2DOptions", POOL),
    ]
    return write([X, W, B, X, POOLED], operators)


def test_the_small_file_is_good(opened):
    assert str(opened(small()).outputs["logits"].type) == "int8[1,2,2,2]"


def test_every_truncation(opened):
    """Of the last bytes, some are never read."""
    content = small()
    whole = print_graph(opened(content))
    for length in range(len(content)):
        try:
            found = print_graph(opened(content[:length]))
        except TrainletError:
            continue
        assert length > 0.99 * len(content) and found == whole


def test_truncations_of_a_real_network(opened):
    content = data(QUANTISED["kws"]).read_bytes()
    for length in np.linspace(0, len(content) - 50, 60).astype(int):
        with pytest.raises(TrainletError):
            opened(content[:length])


@settings(max_examples=300, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(st.tuples(st.integers(8, 5000), st.integers(0, 7)), min_size=1, max_size=4))
def test_flipped_bits(opened, flips):
    content = bytearray(small())
    for byte, bit in flips:
        content[byte % len(content)] ^= 1 << bit
    with suppress(TrainletError):
        verify(opened(bytes(content)))


@settings(max_examples=200, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.integers(2, 1000), st.sampled_from([0, 1, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF, 1 << 24]))
def test_wrong_offsets_and_counts(opened, word, value):
    content = bytearray(small())
    at = word * 4 % (len(content) - 4)
    content[at : at + 4] = struct.pack("<I", value)
    with suppress(TrainletError):
        verify(opened(bytes(content)))


def scaled(tensor, *scale):
    return Tensor(tensor.shape, tensor.dtype, scale, [0] * len(scale), 0, tensor.data)


WRONG = {
    "another format": (b"PK\x03\x04 and so on", FileError, "not a .tflite file"),
    "an unknown operator": (
        write([X, X], [Operator("CUMSUM", [0], 1)]),
        UnsupportedError,
        "operator 0, CUMSUM, is not supported; supported: ADD, AVERAGE_POOL_2D",
    ),
    "a later operator": (
        write([X, X, X], [Operator("RELU", [0], 1), Operator("ABS", [1], 2)]),
        UnsupportedError,
        "operator 1, ABS",
    ),
    "bytes without sign": (
        conv(x=Tensor(X.shape, "UINT8", [0.5], [3])),
        UnsupportedError,
        "'t0' is UINT8; supported: FLOAT32",
    ),
    "int16": (conv(x=Tensor(X.shape, "INT16", [0.5], [0])), UnsupportedError, "'t0' is int16"),
    "no options": (
        write([X, W, B, X], [Operator("CONV_2D", [0, 1, 2], 3)]),
        FileError,
        "operator 0, CONV_2D: its Conv2DOptions is missing",
    ),
    "no stride": (conv(StrideH=0), FileError, "stride 0x1; allowed: at least 1x1"),
    "an unknown padding": (conv(Padding=7), UnsupportedError, "padding number 7"),
    "an unknown activation": (
        conv(FusedActivationFunction=4),
        UnsupportedError,
        "fused activation number 4; allowed: NONE",
    ),
    "another shape than declared": (
        conv(y=Tensor((1, 4, 4, 3), "INT8", X.scale, X.zero_point)),
        FileError,
        "its result is int8[1,4,4,2]",
    ),
    "a weight of another size": (
        conv(w=Tensor((2, 1, 1, 2), "INT8", [0.1], [0], 0, np.ones(3, np.int8))),
        FileError,
        "needs 4 bytes and has 3",
    ),
    "a bias of another size": (
        conv(b=Tensor((3,), "INT32", [0.1], [0], 0, np.ones(3, np.int32))),
        FileError,
        "its bias, 't2', is int32 (3,); allowed: a constant int32 [2]",
    ),
    "a computed weight": (
        write(
            [X, Tensor(W.shape, "INT8", [0.1], [0]), B, X],
            [Operator("CONV_2D", [0, 1, 2], 3, "Conv2DOptions", CONV)],
            inputs=(0, 1),
        ),
        UnsupportedError,
        "its weight, 't1', is computed; allowed: a constant",
    ),
    "a weight with a zero point": (
        conv(w=Tensor(W.shape, "INT8", [0.1], [5], 0, W.data)),
        UnsupportedError,
        "has a zero point",
    ),
    "scales along another axis": (
        conv(w=Tensor(W.shape, "INT8", [0.1, 0.2], [0, 0], 3, W.data)),
        UnsupportedError,
        "with 2 scales along axis 3; allowed: int8 with one scale, or 2 along axis 0",
    ),
    "a negative scale": (conv(w=scaled(W, -1.0)), FileError, "a scale is not a positive number"),
    "a scale that is no number": (conv(w=scaled(W, np.nan)), FileError, "not a positive number"),
    "no scale": (conv(x=Tensor(X.shape)), UnsupportedError, "'t0' has 0 scales"),
    "scales too far apart": (conv(w=scaled(W, 1e30)), FileError, "cannot rescale by"),
    "a negative dimension": (
        conv(x=Tensor((1, -4, 4, 2), "INT8", [0.5], [3])),
        FileError,
        "has shape (1, -4, 4, 2)",
    ),
    "many dimensions": (conv(x=Tensor((1,) * 900, "INT8", [0.5], [3])), FileError, "at most 8"),
    "a tensor that nobody made": (
        write([X, X, X, X], [Operator("RELU", [1], 3)]),
        FileError,
        "tensor 't1' is read before an operator made it",
    ),
    "a tensor that is not there": (
        write([X, X], [Operator("RELU", [77], 1)]),
        FileError,
        "there is no tensor 77",
    ),
    "two outputs": (
        write([X, X], [Operator("RELU", [0], 1)], outputs=(0, 1)),
        UnsupportedError,
        "2 outputs; allowed: one",
    ),
    "a weight that is infinite": (
        write(
            [
                Tensor((1, 2), "FLOAT32"),
                Tensor((1, 2), "FLOAT32", data=np.array([[1, np.inf]], np.float32)),
                Tensor((1, 1), "FLOAT32"),
            ],
            [Operator("FULLY_CONNECTED", [0, 1], 2, "FullyConnectedOptions")],
        ),
        DataError,
        "'linear_0.weight' holds values that are NaN or infinite",
    ),
}


@pytest.mark.parametrize("what", WRONG)
def test_says_what_is_wrong(what, opened):
    content, kind, message = WRONG[what]
    with pytest.raises(kind, match=re.escape(message)) as caught:
        opened(content)
    assert "network.tflite: " in str(caught.value)


def test_absent_file(tmp_path):
    with pytest.raises(FileError, match="No such file"):
        import_tflite(tmp_path / "nothing.tflite")


def test_names_the_extra_that_is_missing(opened, monkeypatch):
    monkeypatch.setitem(sys.modules, "tflite", None)
    with pytest.raises(UnsupportedError, match=re.escape("pip install trainlet[tflite]")):
        opened(small())
