"""Convolution's geometry and sums against PyTorch's, in reals and in integers."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from trainlet.errors import ShapeError
from trainlet.ir.types import TensorType
from trainlet.ops.correlate import correlate, correlate_dw, correlate_dx
from trainlet.ops.window import Geometry, areas, scattered, windows

RANGES = {"float64": None, "int16": 255, "int32": 4095, "int64": 32767}
"""The type of the inputs, and the largest of integers; a float32 holds the sums of the first."""

GEOMETRIES = {
    "point": Geometry((1, 1), (1, 1), (0, 0, 0, 0), groups=1),
    "plain": Geometry((3, 3), (1, 1), (1, 1, 1, 1), groups=1),
    "groups": Geometry((3, 2), (1, 2), (1, 0, 1, 1), groups=3),
    "stride": Geometry((3, 3), (2, 3), (0, 0, 0, 0), groups=1),
    "asymmetric": Geometry((4, 3), (2, 1), (0, 2, 3, 1), groups=2),
    "dilation": Geometry((3, 2), (2, 1), (2, 1, 0, 3), dilation=(2, 3), groups=2),
    "channels": Geometry((3, 3), (1, 1), (1, 1, 1, 1)),
    "all of it by channels": Geometry((3, 2), (2, 1), (2, 1, 0, 3), dilation=(2, 3)),
}


def drawn(rng, dtype, *shape):
    """Reals, or integers of the whole range."""
    most = RANGES[dtype]
    return (rng.integers(-most, most + 1, shape) if most else rng.standard_normal(shape)).astype(
        dtype
    )


def torch_conv(x, w, geometry):
    """x [N,H,W,C], w as ours: y [N,OH,OW,O]."""
    top, left, bottom, right = geometry.padding
    maps = F.pad(x.permute(0, 3, 1, 2), (left, right, top, bottom))
    if geometry.groups is None:
        w, groups = w.permute(2, 0, 1)[:, None], w.shape[2]
    else:
        w, groups = w.permute(0, 3, 1, 2), geometry.groups
    y = F.conv2d(maps, w, None, geometry.stride, 0, geometry.dilation, groups)
    return y.permute(0, 2, 3, 1)


def agree(ours, theirs, integers):
    if integers:
        assert ours.dtype == np.int64
        np.testing.assert_array_equal(ours, theirs.detach().numpy())
    else:
        assert ours.dtype == np.float64
        np.testing.assert_allclose(ours, theirs.detach().numpy(), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("dtype", RANGES)
@pytest.mark.parametrize("name", GEOMETRIES)
def test_sums_and_both_gradients(name, dtype):
    geometry, rng = GEOMETRIES[name], np.random.default_rng(0)
    groups = geometry.groups
    x = drawn(rng, dtype, 2, 9, 8, 6)
    w = drawn(rng, dtype, *((*geometry.kernel, 6) if groups is None else
                            (4 * groups, *geometry.kernel, 6 // groups)))  # fmt: skip
    real_x, real_w = (torch.from_numpy(a.astype(np.float64)).requires_grad_() for a in (x, w))
    expected = torch_conv(real_x, real_w, geometry)
    y = correlate(x, w, geometry)
    agree(y, expected, RANGES[dtype])

    g = drawn(rng, dtype, *y.shape)
    dx, dw = torch.autograd.grad(expected, (real_x, real_w), torch.from_numpy(g.astype(np.float64)))
    agree(correlate_dx(g, w, x.shape[1:3], geometry), dx, RANGES[dtype])
    agree(correlate_dw(g, x, geometry), dw, RANGES[dtype])


def test_a_window_larger_than_the_padded_map():
    with pytest.raises(ShapeError, match="a 3x3 window does not fit a 6x2 padded map"):
        correlate(np.ones((1, 5, 2, 1)), np.ones((3, 3, 1)), Geometry((3, 3), (1, 1), (1, 0, 0, 0)))


def test_scattering_is_the_adjoint_of_the_windows():
    """<windows(x), parts> = <x, scattered(parts)>, as of any linear map and its transpose."""
    geometry, rng = GEOMETRIES["dilation"], np.random.default_rng(0)
    x, out = rng.standard_normal((2, 9, 8, 3)), geometry.out((9, 8))
    met = np.stack(list(windows(x, geometry, out)))
    parts = rng.standard_normal(met.shape)
    back = scattered(parts, (9, 8), geometry)
    np.testing.assert_allclose((met * parts).sum(), (x * back).sum(), rtol=1e-12)


def test_padding_is_no_part_of_an_area():
    geometry = Geometry((2, 2), (2, 2), (1, 0, 0, 1))
    assert areas((3, 3), geometry, geometry.out((3, 3)))[0, ..., 0].tolist() == [[2, 1], [4, 2]]


def test_sizes_and_multiply_accumulates_of_a_call():
    x, y, w = TensorType((2, 5, 4, 6)), TensorType((2, 3, 4, 9)), TensorType((9, 2, 1, 2))
    grouped = Geometry.of_weight(w, stride=(2, 1), padding=(1, 0, 0, 0), dilation=(1, 2), groups=3)
    assert grouped.literals(x, y) == (2, 5, 4, 6, 3, 4, 9, 2, 1, 2, 1, 1, 0, 1, 2, 3)
    assert grouped.macs(y, w) == y.size * 2 * 1 * 2
    y, w = x.with_shape((2, 3, 4, 6)), TensorType((2, 1, 6))
    alone = Geometry.of_weight(w, stride=(2, 1), padding=(1, 0, 0, 0))
    assert alone.literals(x, y) == (2, 5, 4, 6, 3, 4, 2, 1, 2, 1, 1, 0, 1, 1)
    assert alone.macs(y, w) == y.size * 2
