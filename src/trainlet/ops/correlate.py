"""A convolution and its two gradients, written once for all element types.

Maps are [N,H,W,C].  A weight is [O,KH,KW,C/groups], or [KH,KW,C] for a depthwise convolution, whose
`Geometry.groups` is None.  Float inputs are summed in their own type.  Integer inputs give exact
int64 sums: they are computed in floats wide enough to be exact, so BLAS may add in any order.
"""

from __future__ import annotations

import numpy as np

from trainlet.ops.window import Geometry, Size, scattered, windows


def correlate(x: np.ndarray, w: np.ndarray, geometry: Geometry) -> np.ndarray:
    """The convolution [N,OH,OW,O] of x [N,H,W,C] without bias.

    Raises ShapeError if no window fits into the padded map."""
    outputs, out = len(w) if w.ndim == 4 else w.shape[2], geometry.out(x.shape[1:3])
    by, kind, x, w = _products(geometry, x, w, w.size // outputs)
    y = np.zeros((len(x), *out, outputs), x.dtype)
    for (ky, kx), part in zip(geometry.positions, windows(x, geometry, out), strict=True):
        y += by.output(part, w[..., ky, kx, :])
    return y.astype(kind, copy=False)


def correlate_dx(g: np.ndarray, w: np.ndarray, size: Size, geometry: Geometry) -> np.ndarray:
    """The gradient of x, [N,H,W,C] with H and W of `size`, from g [N,OH,OW,O], the result's."""
    by, kind, g, w = _products(geometry, g, w, w.size // w.shape[-1])
    parts = (by.input(g, w[..., ky, kx, :]) for ky, kx in geometry.positions)
    return scattered(parts, size, geometry).astype(kind, copy=False)


def correlate_dw(g: np.ndarray, x: np.ndarray, geometry: Geometry) -> np.ndarray:
    """The gradient of the weight, from g [N,OH,OW,O], the result's, and x [N,H,W,C]."""
    by, kind, g, x = _products(geometry, g, x, g[..., 0].size)
    dw = np.stack([by.weight(g, part) for part in windows(x, geometry, g.shape[1:3])], -2)
    dw = dw.reshape(*dw.shape[:-2], *geometry.kernel, dw.shape[-1])
    return dw.astype(kind, copy=False)


class _Channels:
    """The products of one kernel position of a depthwise convolution, for x and g [N,OH,OW,C] and a
    weight w [C]."""

    def output(self, x: np.ndarray, w: np.ndarray) -> np.ndarray:
        return x * w

    def input(self, g: np.ndarray, w: np.ndarray) -> np.ndarray:
        return g * w

    def weight(self, g: np.ndarray, x: np.ndarray) -> np.ndarray:
        return (g * x).sum((0, 1, 2))


class _Groups(_Channels):
    """The products of one kernel position of a grouped convolution, for x [N,OH,OW,C], g
    [N,OH,OW,O] and a weight w [O,C/groups]."""

    def __init__(self, groups: int) -> None:
        self.groups = groups

    def output(self, x: np.ndarray, w: np.ndarray) -> np.ndarray:
        y = np.einsum("nhwgi,goi->nhwgo", self.maps(x), self.matrices(w), optimize=True)
        return y.reshape(*x.shape[:3], -1)

    def input(self, g: np.ndarray, w: np.ndarray) -> np.ndarray:
        x = np.einsum("nhwgo,goi->nhwgi", self.maps(g), self.matrices(w), optimize=True)
        return x.reshape(*g.shape[:3], -1)

    def weight(self, g: np.ndarray, x: np.ndarray) -> np.ndarray:
        w = np.einsum("nhwgo,nhwgi->goi", self.maps(g), self.maps(x), optimize=True)
        return w.reshape(g.shape[3], -1)

    def maps(self, maps: np.ndarray) -> np.ndarray:
        """[N,OH,OW,groups,C/groups]."""
        return maps.reshape(*maps.shape[:3], self.groups, -1)

    def matrices(self, w: np.ndarray) -> np.ndarray:
        """[groups,O/groups,C/groups]."""
        return w.reshape(self.groups, -1, w.shape[1])


class _ExactGroups(_Groups):
    """The same by BLAS, for floats that hold integers."""

    def output(self, x: np.ndarray, w: np.ndarray) -> np.ndarray:
        return self.joined(self.rows(x) @ self.matrices(w).mT, x)

    def input(self, g: np.ndarray, w: np.ndarray) -> np.ndarray:
        return self.joined(self.rows(g) @ self.matrices(w), g)

    def weight(self, g: np.ndarray, x: np.ndarray) -> np.ndarray:
        return (self.rows(g).mT @ self.rows(x)).reshape(g.shape[3], -1)

    def rows(self, maps: np.ndarray) -> np.ndarray:
        """[groups, N OH OW, C/groups]."""
        return maps.reshape(-1, self.groups, maps.shape[3] // self.groups).swapaxes(0, 1)

    def joined(self, rows: np.ndarray, like: np.ndarray) -> np.ndarray:
        return rows.swapaxes(0, 1).reshape(*like.shape[:3], -1)


def _products(
    geometry: Geometry, a: np.ndarray, b: np.ndarray, terms: int
) -> tuple[_Channels, np.dtype, np.ndarray, np.ndarray]:
    """How a and b are multiplied, the type of the result, and a and b in the type of the sums, each
    of which has `terms` products."""
    groups, integers = geometry.groups, a.dtype.kind == "i"
    kind = np.dtype(np.int64) if integers else a.dtype
    if integers:
        a, b = exact_floats(a, b, terms)
    if groups is None:
        return _Channels(), kind, a, b
    return (_ExactGroups if integers else _Groups)(groups), kind, a, b


def exact_floats(a: np.ndarray, b: np.ndarray, terms: int) -> tuple[np.ndarray, np.ndarray]:
    """Integers as the smallest floats that add `terms` of their products exactly."""
    bound = terms * _largest(a) * _largest(b)
    assert bound <= 1 << 53, f"sums of up to {bound} do not fit a float64"
    exact = np.float32 if bound <= 1 << 24 else np.float64
    return a.astype(exact), b.astype(exact)


def _largest(a: np.ndarray) -> int:
    return max(int(a.max()), -int(a.min()))
