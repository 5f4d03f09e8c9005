"""Inputs that do not fit are refused before anything runs."""

import pytest

from trainlet.errors import ShapeError
from trainlet.ops.op import build, float32, leaf, typed

POOL = {"kernel": (2, 2), "stride": (1, 1), "padding": (2, 0, 0, 0)}
FAR = {"kernel": (2, 2), "stride": (1, 1), "padding": (1, 1, 1, 1), "dilation": (3, 1)}
CONV = {"stride": (1, 1), "padding": (0, 0, 0, 0), "dilation": (1, 1)}


@pytest.mark.parametrize(
    ("op", "types", "attrs"),
    [
        ("linear", [float32(2, 3), float32(4, 5)], {}),
        ("linear", [float32(2, 3), float32(4, 3), float32(3)], {}),
        ("matmul", [float32(2, 3), float32(2, 3)], {}),
        ("conv2d", [float32(1, 4, 4, 3), float32(2, 3, 3, 2)], {**CONV, "groups": 1}),
        ("conv2d", [float32(1, 4, 4, 3), float32(2, 5, 5, 3)], {**CONV, "groups": 1}),
        ("depthwise", [float32(1, 4, 4, 3), float32(3, 3, 2)], CONV),
        ("avg_pool", [float32(1, 4, 4, 1)], {**POOL, "count_padding": False}),
        ("max_pool", [float32(1, 2, 4, 1)], FAR),
        ("add", [float32(2, 3), float32(2)], {}),
        ("mul_sum", [float32(2, 3), float32(2, 3)], {"shape": (2,)}),
        ("sum_to", [float32(2, 3)], {"shape": (2,)}),
        ("broadcast_to", [float32(2)], {"shape": (2, 3)}),
        ("reshape", [float32(2, 3)], {"shape": (4,)}),
        ("permute", [float32(2, 3)], {"permutation": (0, 0)}),
        ("slice", [float32(2, 3)], {"axis": 1, "start": 2, "stop": 4}),
        ("pad_strided", [float32(2, 3)], {"axis": 1, "start": 2, "size": 4}),
        ("concat", [float32(2, 3), float32(3, 2)], {"axis": 0}),
        ("cross_entropy", [float32(2, 3), typed("int32", 3)], {}),
        ("mse", [float32(2, 3), float32(3)], {}),
        ("normalize", [float32(2, 3)], {"view": (2, 1, 1, 4), "eps": 1e-5}),
        ("mask_dx", [float32(9), typed("uint8", 1)], {"slope": 1.0}),
        ("sgd", [float32(4, 4), float32(2, 2), float32()], {}),
        ("momentum", [float32(4), float32(2)], {"factor": 0.9}),
        ("concat", [typed("int32", 2), typed("int32", 3)], {"axis": 0}),
        ("concat_i8", [float32(2), float32(3)], {"axis": 0}),
        ("add", [typed("int32", 2), typed("int32", 2)], {}),
        ("relu", [typed("int8", 4)], {}),
        ("sgd", [typed("int32", 4), float32(4), float32()], {}),
    ],
)
def test_refused(op, types, attrs):
    inputs = [leaf("input", f"x{k}", kind) for k, kind in enumerate(types)]
    with pytest.raises(ShapeError, match=f"{op} at here: "):
        build(op, *inputs, label="here", **attrs)
