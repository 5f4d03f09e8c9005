"""TensorFlow Lite's operators that move elements, resize maps, and look functions up: every element
is LiteRT's, in files written here, with random shapes, scales and values."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial

import numpy as np
import pytest

pytest.importorskip("tflite", reason="needs pip install trainlet[tflite]")

import trainlet as tl
from litert.reference import LiteRT, draw, kernels, oracle
from litert.test_operators import Rng, Written, activation, bias, binary, result, weight
from litert.writer import Operator, Tensor, write

SEEDS = range(12)


def like(x: Tensor, shape: tuple[int, ...]) -> Tensor:
    """A result that keeps the scale."""
    return Tensor(shape, x.dtype, x.scale, x.zero_point)


def ints(*values: int) -> Tensor:
    return Tensor((len(values),), "INT32", data=np.array(values, np.int32))


def source(rng: Rng, *shape: int, real: bool) -> Tensor:
    return Tensor(shape, "FLOAT32") if real else activation(rng, *shape)


def sizes(rng: Rng, count: int = 4) -> tuple[int, ...]:
    return tuple(int(k) for k in rng.integers(2, 6, count))


def sliced(rng: Rng, real: bool) -> Written:
    """Some axes from an end, some backwards, one left out, one single."""
    shape = sizes(rng)
    begin, end, strides, taken = [], [], [], []
    for n in shape:
        first, step = int(rng.integers(-n, n)), int(rng.choice([1, 1, 2, -1]))
        last = n if step > 0 else -n - 1
        begin, end, strides = [*begin, first], [*end, last], [*strides, step]
        taken.append(slice(first, None, step))
    masks = {"BeginMask": 0b0100, "EndMask": 0b0100, "ShrinkAxisMask": 0b0010}
    taken[2], taken[1] = slice(None, None, strides[2]), begin[1]
    end[1], strides[1] = begin[1] + 1, 1
    out = np.zeros(shape)[tuple(taken)].shape
    x = source(rng, *shape, real=real)
    operator = Operator("STRIDED_SLICE", [0, 1, 2, 3], 4, "StridedSliceOptions", masks)
    return [x, ints(*begin), ints(*end), ints(*strides), like(x, out)], [operator], (0,)


def cut(rng: Rng, real: bool) -> Written:
    shape = sizes(rng, 3)
    begin = [int(rng.integers(0, n)) for n in shape]
    size = [int(rng.integers(1, n - first + 1)) for n, first in zip(shape, begin, strict=True)]
    x = source(rng, *shape, real=real)
    operator = Operator("SLICE", [0, 1, 2], 3, "SliceOptions")
    return [x, ints(*begin), ints(*size), like(x, tuple(size))], [operator], (0,)


def gathered(rng: Rng, real: bool) -> Written:
    shape, axis = sizes(rng, 3), int(rng.integers(-3, 3))
    index = [int(k) for k in rng.integers(0, shape[axis], int(rng.integers(1, 7)))]
    out = list(shape)
    out[axis] = len(index)
    x = source(rng, *shape, real=real)
    operator = Operator("GATHER", [0, 1], 2, "GatherOptions", {"Axis": axis}, 1)
    return [x, ints(*index), like(x, tuple(out))], [operator], (0,)


def embedded(rng: Rng, real: bool) -> Written:
    """The index is the input."""
    rows, width, many = sizes(rng, 3)
    x = source(rng, rows, width, real=real)
    values = rng.integers(-128, 128, x.shape)
    x.data = values.astype(np.float32 if real else np.int8)
    operator = Operator("GATHER", [0, 1], 2, "GatherOptions", {"Axis": 0}, 1)
    return [x, Tensor((2, many), "INT32"), like(x, (2, many, width))], [operator], (1,)


def packed(rng: Rng, real: bool) -> Written:
    shape, axis = sizes(rng, 3), int(rng.integers(-4, 4))
    x = source(rng, *shape, real=real)
    out = list(shape)
    out.insert(axis % 4, 2)
    fields = {"Axis": axis, "ValuesCount": 2}
    operator = Operator("PACK", [0, 1], 2, "PackOptions", fields, 1)
    return [x, like(x, shape), like(x, tuple(out))], [operator], (0, 1)


def joined(x: Tensor, parts: int, axis: int, first: int) -> tuple[Operator, tuple[int, ...]]:
    """The parts, which are tensors from `first` on, one behind the other in reverse."""
    names = list(range(first, first + parts))[::-1]
    return Operator("CONCATENATION", names, -1, "ConcatenationOptions", {"Axis": axis}), x.shape


def unpacked(rng: Rng, real: bool) -> Written:
    x = source(rng, *sizes(rng, 3), real=real)
    axis, part = int(rng.integers(0, 3)), list(x.shape)
    many = part.pop(axis)
    parts = [like(x, tuple(part)) for _ in range(many)]
    fields = {"Axis": axis, "Num": many}
    operator = Operator("UNPACK", [0], list(range(1, 1 + many)), "UnpackOptions", fields, 1)
    join, _ = joined(x, many, 0, 1)
    return [x, *parts, like(x, (part[0] * many, *part[1:]))], [operator, join], (0,)


def split(rng: Rng, real: bool, several: bool = False) -> Written:
    shape, axis = list(sizes(rng, 3)), int(rng.integers(0, 3))
    own = [1, 3, 2] if several else [2, 2, 2]
    shape[axis] = sum(own)
    x = source(rng, *shape, real=real)
    parts = [like(x, tuple(n if k == axis else s for k, s in enumerate(shape))) for n in own]
    join, _ = joined(x, 3, axis, 3 if several else 2)
    if several:
        fields, made = {"NumSplits": 3}, [3, 4, 5]
        operator = Operator("SPLIT_V", [0, 1, 2], made, "SplitVOptions", fields, 1)
        return [x, ints(*own), ints(axis), *parts, like(x, x.shape)], [operator, join], (0,)
    operator = Operator("SPLIT", [1, 0], [2, 3, 4], "SplitOptions", {"NumSplits": 3})
    axis_of = Tensor((), "INT32", data=np.array(axis, np.int32))
    return [x, axis_of, *parts, like(x, x.shape)], [operator, join], (0,)


def reversed_(rng: Rng, real: bool) -> Written:
    x = source(rng, *sizes(rng, 3), real=real)
    operator = Operator("REVERSE_V2", [0, 1], 2, "ReverseV2Options", {}, 3)
    return [x, ints(int(rng.integers(0, 3))), like(x, x.shape)], [operator], (0,)


def tiled(rng: Rng, real: bool) -> Written:
    x, many = source(rng, *sizes(rng, 3), real=real), [int(k) for k in rng.integers(1, 4, 3)]
    out = tuple(n * m for n, m in zip(x.shape, many, strict=True))
    return [x, ints(*many), like(x, out)], [Operator("TILE", [0, 1], 2, version=1)], (0,)


def mirrored(rng: Rng, real: bool) -> Written:
    x, mode = source(rng, *sizes(rng, 3), real=real), int(rng.integers(0, 2))
    by = np.array([rng.integers(0, n if mode else n - 1, 2) for n in x.shape], np.int32)
    out = tuple(n + int(b.sum()) for n, b in zip(x.shape, by, strict=True))
    constant = Tensor(by.shape, "INT32", data=by)
    operator = Operator("MIRROR_PAD", [0, 1], 2, "MirrorPadOptions", {"Mode": mode})
    return [x, constant, like(x, out)], [operator], (0,)


def padded(rng: Rng, real: bool) -> Written:
    x = source(rng, *sizes(rng), real=real)
    by = rng.integers(0, 3, (4, 2)).astype(np.int32)
    out = tuple(n + int(b.sum()) for n, b in zip(x.shape, by, strict=True))
    value = np.array(1.5, np.float32) if real else rng.integers(-128, 128, ()).astype(np.int8)
    with_ = Tensor((), x.dtype, x.scale, x.zero_point, data=value)
    constant = Tensor((4, 2), "INT32", data=by)
    operator = Operator("PADV2", [0, 1, 2], 3, "PadV2Options")
    return [x, constant, with_, like(x, out)], [operator], (0,)


def blocks(rng: Rng, real: bool, name: str = "DEPTH_TO_SPACE") -> Written:
    n, h, w, c = sizes(rng)
    small, large = (n, h, w, 4 * c), (n, 2 * h, 2 * w, c)
    before, after = (small, large) if name == "DEPTH_TO_SPACE" else (large, small)
    x = source(rng, *before, real=real)
    options = "DepthToSpaceOptions" if name == "DEPTH_TO_SPACE" else "SpaceToDepthOptions"
    version = 2 if name == "SPACE_TO_DEPTH" else 1
    operator = Operator(name, [0], 1, options, {"BlockSize": 2}, version)
    return [x, like(x, after)], [operator], (0,)


def resized(rng: Rng, real: bool, name: str, options: str) -> Written:
    x = source(rng, *sizes(rng), real=real)
    to = [int(k) for k in rng.integers(1, 12, 2)]
    half = bool(rng.integers(2))
    fields = {"AlignCorners": not half and bool(rng.integers(2)), "HalfPixelCenters": half}
    operator = Operator(name, [0, 1], 2, options, fields, 3)
    return [x, ints(*to), like(x, (x.shape[0], *to, x.shape[3]))], [operator], (0,)


def sized(rng: Rng, real: bool) -> Written:
    """A new shape that is computed of the old one."""
    x = source(rng, 2, 3, 4, real=real)
    shape, first, two = Tensor((3,), "INT32"), Tensor((1,), "INT32"), Tensor((2,), "INT32")
    operators = [
        Operator("SHAPE", [0], 1, "ShapeOptions", {"OutType": 2}, 1),
        Operator("STRIDED_SLICE", [1, 2, 3, 4], 5, "StridedSliceOptions"),
        Operator("CONCATENATION", [5, 6], 7, "ConcatenationOptions", {"Axis": 0}, 1),
        Operator("RESHAPE", [0, 7], 8, "ReshapeOptions", {}, 1),
    ]
    tensors = [x, shape, ints(0), ints(1), ints(1), first, ints(-1), two, like(x, (2, 12))]
    return tensors, operators, (0,)


def transposed(rng: Rng, real: bool) -> Written:
    n, h, w, c = 1, *sizes(rng, 3)
    kh, kw, sh, sw = (int(k) for k in rng.integers(1, 4, 4))
    o, same = int(rng.integers(1, 9)), bool(rng.integers(2))
    size = [d * s if same else (d - 1) * s + max(k, s)
            for d, k, s in ((h, kh, sh), (w, kw, sw))]  # fmt: skip
    fields = {"Padding": 0 if same else 1, "StrideH": sh, "StrideW": sw}
    operator = Operator("TRANSPOSE_CONV", [0, 1, 2, 3], 4, "TransposeConvOptions", fields, 3)
    if real:
        f = Tensor((o, kh, kw, c), "FLOAT32",
                   data=rng.standard_normal((o, kh, kw, c)).astype(np.float32))  # fmt: skip
        b = Tensor((o,), "FLOAT32", data=rng.standard_normal(o).astype(np.float32))
        tensors = [ints(n, *size, o), f, Tensor((n, h, w, c), "FLOAT32"), b]
        return [*tensors, Tensor((n, *size, o), "FLOAT32")], [operator], (2,)
    x = activation(rng, n, h, w, c)
    f = weight(rng, o, kh, kw, c, axis=0, channels=bool(rng.integers(2)))
    y = result(rng, x, f, kh * kw * c, n, *size, o)
    return [ints(n, *size, o), f, x, bias(rng, x, f, o), y], [operator], (2,)


def function(rng: Rng, real: bool, name: str) -> Written:
    if real:
        return [Tensor((300,), "FLOAT32")] * 2, [Operator(name, [0], 1, version=1)], (0,)
    x = activation(rng, 256)
    fixed = {"LOGISTIC": (1 / 256, -128), "TANH": (1 / 128, 0)}.get(name)
    y = activation(rng, 256, scale=x.scale[0] * float(rng.uniform(0.5, 1.5)))
    if fixed:
        y = Tensor((256,), "INT8", [fixed[0]], [fixed[1]])
    return [x, y], [Operator(name, [0], 1, version=1)], (0,)


def extreme(rng: Rng, real: bool, name: str) -> Written:
    shape = sizes(rng)
    x = source(rng, *shape, real=real)
    other = like(x, shape if rng.integers(2) else (1, 1, 1, shape[3]))
    operator = Operator(name, [0, 1], 2, "MaximumMinimumOptions")
    return [x, other, like(x, shape)], [operator], (0, 1)


def difference(rng: Rng, real: bool) -> Written:
    if not real:
        return binary(rng, "SUB", "SubOptions")
    kinds = [Tensor((2, 3, 4), "FLOAT32"), Tensor((4,), "FLOAT32"), Tensor((2, 3, 4), "FLOAT32")]
    return kinds, [Operator("SUB", [0, 1], 2, "SubOptions", {}, 1)], (0, 1)


BILINEAR = ("RESIZE_BILINEAR", "ResizeBilinearOptions")
NEAREST = ("RESIZE_NEAREST_NEIGHBOR", "ResizeNearestNeighborOptions")
KERNELS = {"elu": "BUILTIN_WITHOUT_DEFAULT_DELEGATES"}
"""LiteRT has no reference kernel for it."""
FAMILIES: dict[str, Callable[..., Written]] = {
    "strided slice": sliced,
    "slice": cut,
    "gather": gathered,
    "embedding": embedded,
    "pack": packed,
    "unpack": unpacked,
    "split": split,
    "split by sizes": partial(split, several=True),
    "reverse": reversed_,
    "tile": tiled,
    "mirror pad": mirrored,
    "pad with a value": padded,
    "depth to space": blocks,
    "space to depth": partial(blocks, name="SPACE_TO_DEPTH"),
    "nearest": lambda rng, real: resized(rng, real, *NEAREST),
    "bilinear": lambda rng, real: resized(rng, real, *BILINEAR),
    "sizes": sized,
    "transposed convolution": transposed,
    "logistic": partial(function, name="LOGISTIC"),
    "tanh": partial(function, name="TANH"),
    "elu": partial(function, name="ELU"),
    "hard swish": partial(function, name="HARD_SWISH"),
    "maximum": partial(extreme, name="MAXIMUM"),
    "minimum": partial(extreme, name="MINIMUM"),
    "difference": difference,
}


@pytest.mark.parametrize("real", [False, True], ids=["int8", "float32"])
@pytest.mark.parametrize("family", FAMILIES)
def test_equals_litert(family, real, library, opened):
    for seed in SEEDS:
        rng = np.random.default_rng([seed, len(family)])
        tensors, operators, inputs = FAMILIES[family](rng, real=real)
        content = write(tensors, operators, inputs)
        graph, litert = opened(content), LiteRT(content, KERNELS.get(family, "BUILTIN_REF"))
        for _ in range(4):
            arrays = [draw(rng, n) for n in graph.leaves("input")]
            expected = litert(*arrays)
            found = oracle(graph, *arrays)
            if real:
                np.testing.assert_allclose(found, expected, 1e-5, 1e-5, err_msg=f"seed {seed}")
            else:
                np.testing.assert_array_equal(found, expected, f"seed {seed}")
        if not real:
            made = kernels(library, graph, *arrays)
            np.testing.assert_array_equal(made, expected, f"seed {seed}")


def decoder(rng: Rng) -> bytes:
    """An integer network of a layer, a function, larger maps, a difference, and a classifier."""
    x, f = activation(rng, 1, 4, 4, 2), weight(rng, 3, 3, 3, 2, axis=0, channels=True)
    h = result(rng, x, f, 18, 1, 4, 4, 3)
    swish = like(h, h.shape)
    up = weight(rng, 4, 2, 2, 3, axis=0, channels=True)
    large = result(rng, swish, up, 12, 1, 8, 8, 4)
    small, half = like(large, (1, 5, 3, 4)), like(large, (1, 5, 3, 4))
    scale = float(large.scale[0])
    other = activation(rng, 1, 5, 3, 4, scale=2 * scale)
    flat = activation(rng, 1, 4, scale=scale)
    w = weight(rng, 3, 4, axis=0, channels=False)
    head = result(rng, flat, w, 4, 1, 3)
    same = {"Padding": 0, "StrideH": 1, "StrideW": 1, "DilationHFactor": 1, "DilationWFactor": 1}
    twice = {"Padding": 0, "StrideH": 2, "StrideW": 2}
    tensors = [
        x, f, bias(rng, x, f, 3), h, swish, ints(1, 8, 8, 4), up, bias(rng, swish, up, 4), large,
        ints(5, 3), small, half, other, ints(1, 2), flat, w, bias(rng, flat, w, 3), head,
    ]  # fmt: skip
    operators = [
        Operator("CONV_2D", [0, 1, 2], 3, "Conv2DOptions", same),
        Operator("HARD_SWISH", [3], 4, version=1),
        Operator("TRANSPOSE_CONV", [5, 6, 4, 7], 8, "TransposeConvOptions", twice, 3),
        Operator("RESIZE_BILINEAR", [8, 9], 10, "ResizeBilinearOptions", {}, 3),
        Operator("RESIZE_NEAREST_NEIGHBOR", [8, 9], 11, "ResizeNearestNeighborOptions", {}, 3),
        Operator("SUB", [10, 11], 12, "SubOptions"),
        Operator("MEAN", [12, 13], 14, "ReducerOptions", {"KeepDims": False}),
        Operator("FULLY_CONNECTED", [14, 15, 16], 17, "FullyConnectedOptions"),
    ]
    return write(tensors, operators)


def test_an_integer_file_trains_through_them(tmp_path):
    path, rng = tmp_path / "decoder.tflite", np.random.default_rng(1)
    path.write_bytes(decoder(rng))
    target = replace(tl.Target.preset("cortex-m7"), ram=1 << 20)
    program = tl.compile(path, scheme="full", target=target, optimizer=tl.SGD(0.01))
    made = {n.op for n in program.graph.nodes()}
    assert {"conv_transpose_i8", "resample_i8", "gather_i8", "sub_i8", "lookup_i8"} <= made
    x = rng.integers(-128, 128, (1, 4, 4, 2)).astype(np.int8)
    with program.build("host") as host, program.build("unicorn", count=False) as device:
        before = host.state()["conv2d_0.weight"].copy()
        losses = [host.step(x, [1]) for _ in range(8)]
        assert losses == [device.step(x, [1]) for _ in range(8)] and losses[-1] < losses[0]
        assert host.save() == device.save()
        assert (host.state()["conv2d_0.weight"] != before).any()
