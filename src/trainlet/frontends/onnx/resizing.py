"""Resize and Upsample: along each dimension, what a slice of the result takes of each of the
input."""

from __future__ import annotations

import numpy as np

from trainlet.errors import FileError, UnsupportedError
from trainlet.frontends.aten.moves import gather
from trainlet.frontends.aten.resizing import resampled
from trainlet.frontends.onnx.builder import Builder
from trainlet.frontends.onnx.file import one_of
from trainlet.frontends.onnx.shaping import axis_of
from trainlet.frontends.onnx.table import onnx
from trainlet.ir.bounds import TENSOR_BYTES
from trainlet.ir.graph import Node

PLACES = (
    "half_pixel", "pytorch_half_pixel", "align_corners", "asymmetric", "half_pixel_symmetric",
    "tf_half_pixel_for_nn",
)  # fmt: skip
ROUNDINGS = ("round_prefer_floor", "round_prefer_ceil", "floor", "ceil")
KINDS = ("nearest", "linear", "cubic")


def _places(before: int, after: int, scale: float, how: str) -> np.ndarray:
    """Where each slice of the result stands in the input."""
    k = np.arange(after, dtype=np.float64)
    if how == "asymmetric":
        return k / scale
    if how == "align_corners":
        return k * (before - 1) / (after - 1) if after > 1 else np.zeros(after)
    if how == "pytorch_half_pixel" and after == 1:
        return np.zeros(1)
    if how == "tf_half_pixel_for_nn":
        return (k + 0.5) / scale
    if how == "half_pixel_symmetric":
        adjust = after / (before * scale)
        return before / 2 * (1 - adjust) + (k + 0.5) / scale - 0.5
    return (k + 0.5) / scale - 0.5


def _nearest(places: np.ndarray, before: int, rounding: str) -> np.ndarray:
    whole = {
        "round_prefer_floor": np.ceil(places - 0.5),
        "round_prefer_ceil": np.floor(places + 0.5),
        "floor": np.floor(places),
        "ceil": np.ceil(places),
    }[rounding]
    return np.clip(whole, 0, before - 1).astype(int)


def _weights(
    places: np.ndarray, before: int, kind: str, a: float, exclude_outside: bool
) -> np.ndarray:
    """[after, before], of linear or cubic kind; what would be outside is the border's."""
    first = np.floor(places)
    share = places - first
    if kind == "linear":
        taps = {0: 1 - share, 1: share}
    else:
        taps = {k: _cubic(np.abs(share - k), a) for k in (-1, 0, 1, 2)}
    weights = np.zeros((len(places), before))
    for k, part in taps.items():
        spot = (first + k).astype(int)
        inside = (spot >= 0) & (spot < before)
        used = np.where(inside, part, 0) if exclude_outside else part
        np.add.at(weights, (np.arange(len(places)), np.clip(spot, 0, before - 1)), used)
    if exclude_outside:
        weights /= weights.sum(1, keepdims=True)
    return weights.astype(np.float32)


def _cubic(d: np.ndarray, a: float) -> np.ndarray:
    near = (a + 2) * d**3 - (a + 3) * d**2 + 1
    return np.where(d <= 1, near, a * d**3 - 5 * a * d**2 + 8 * a * d - 4 * a)


def _resized(at: Builder, x: Node, scales: dict[int, tuple[float, int]], kind: str) -> Node:
    """scales: by axis, the scale and the size of the result."""
    default = "half_pixel" if at.operator.kind == "Resize" and at.model.opset > 10 else "asymmetric"
    how = one_of(
        at.attribute("coordinate_transformation_mode", default), PLACES,
        "coordinate_transformation_mode",
    )  # fmt: skip
    rounding = "floor" if default == "asymmetric" else ROUNDINGS[0]
    rounding = one_of(at.attribute("nearest_mode", rounding), ROUNDINGS, "nearest_mode")
    a, outside = at.attribute("cubic_coeff_a", -0.75), bool(at.attribute("exclude_outside", 0))
    for axis, (scale, after) in scales.items():
        before = x.type.shape[axis]
        if (scale, after) == (1, before):
            continue
        TENSOR_BYTES.check(4 * x.type.size // before * after, "the result")
        if how == "align_corners" and abs(scale * before - after) > 1e-4:
            raise UnsupportedError(
                f"scale {scale:g} of {before} slices with align_corners, which onnx and "
                "onnxruntime compute in two ways; allowed: a whole number of slices"
            )
        places = _places(before, after, scale, how)
        if kind == "nearest":
            x = gather(at, x, (axis,), [_nearest(places, before, rounding)])
        else:
            TENSOR_BYTES.check(8 * before * after, "the weights")
            x = resampled(at, x, axis, _weights(places, before, kind, a, outside))
    return x


def _scales(x: Node, axes: list[int], values: np.ndarray) -> dict[int, tuple[float, int]]:
    if len(values) != len(axes) or not ((values > 0) & (values < 1 << 16)).all():
        raise FileError(f"its scales are {values[:8].tolist()} of {x.type}")
    return {
        k: (float(s), max(1, int(x.type.shape[k] * np.float64(s))))
        for k, s in zip(axes, values, strict=True)
    }


def _sizes(x: Node, axes: list[int], sizes: list[int]) -> dict[int, tuple[float, int]]:
    if len(sizes) != len(axes) or not all(0 < n < 1 << 24 for n in sizes):
        raise FileError(f"its sizes are {sizes[:8]} of {x.type}")
    return {k: (n / x.type.shape[k], n) for k, n in zip(axes, sizes, strict=True)}


@onnx("Resize")
def _resize(at: Builder) -> Node:
    """The region of interest is of a mode that is refused."""
    x, kind = at.input(0), one_of(at.attribute("mode", "nearest"), KINDS, "mode")
    at.attribute("extrapolation_value", 0.0)
    if at.attribute("antialias", 0):
        raise UnsupportedError("antialias=1; allowed: 0")
    one_of(at.attribute("keep_aspect_ratio_policy", "stretch"), ("stretch",), "the policy")
    axes = [axis_of(x, k) for k in at.numbers("axes") or range(x.type.rank)]
    where = 1 if at.model.opset == 10 else 2
    if at.has(3):
        return _resized(at, x, _sizes(x, axes, at.ints(3, "sizes")), kind)
    return _resized(at, x, _scales(x, axes, at.constant(where, "scales").reshape(-1)), kind)


@onnx("Upsample")
def _upsample(at: Builder) -> Node:
    x, kind = at.input(0), one_of(at.attribute("mode", "nearest"), KINDS[:2], "mode")
    axes = list(range(x.type.rank))
    if at.has(1):
        values = at.constant(1, "scales").reshape(-1)
    else:
        at.unread.discard("scales")
        values = np.asarray(at.operator.attributes.get("scales", ()), np.float32)
    return _resized(at, x, _scales(x, axes, values), kind)
