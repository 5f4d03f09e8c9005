"""Spectra of real signals: the Fourier transform of a constant size is a product with constants.

A complex tensor is two real ones.  Few operators read it; most networks take its absolute value:
of what nothing learns before, a fast transform makes that, if the size is a power of two.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from trainlet.errors import UnsupportedError
from trainlet.frontends.aten.bands import learns
from trainlet.frontends.aten.elementwise import scaled
from trainlet.frontends.aten.table import ATEN, MOVES, aten
from trainlet.frontends.importer import Importer
from trainlet.ir.graph import Node
from trainlet.ir.types import TensorType
from trainlet.ops.spectrum import has_fast_transform, turns

Parts = Callable[[], "tuple[Node, Node]"]


@dataclass(frozen=True)
class Complex:
    """Both parts of a complex tensor, of one shape, which are made when they are read; and their
    magnitude, where a fast transform makes it."""

    parts: Parts
    magnitude: Node | None = None

    @staticmethod
    def of(real: Node, imag: Node) -> Complex:
        return Complex(lambda: (real, imag))

    @cached_property
    def _made(self) -> tuple[Node, Node]:
        return self.parts()

    @property
    def real(self) -> Node:
        return self._made[0]

    @property
    def imag(self) -> Node:
        return self._made[1]

    @property
    def type(self) -> TensorType:
        return (self.magnitude or self.real).type


OF_COMPLEX: dict[str, Callable[..., Any]] = {}
"""Operators that may read a complex tensor and combine its parts."""
LINEAR = frozenset(("sum", "mean", "neg"))
"""Operators that treat each part alone, as all moves do."""


def of_complex(*names: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    def enter(builder: Callable[..., Any]) -> Callable[..., Any]:
        OF_COMPLEX.update(dict.fromkeys(names, builder))
        return builder

    return enter


def complex_operator(at: Importer, name: str, args: list[Any]) -> Any:
    """What becomes of an operator that reads a complex tensor.

    Raises UnsupportedError for one that may not.
    """
    if name in MOVES or name in LINEAR:
        first, *rest = args
        if first.magnitude and name in MOVES:
            moved = ATEN[name](at, first.magnitude, *rest)
            if isinstance(moved, Node):
                return Complex(lambda: _each(at, name, first, rest), moved)  # type: ignore[arg-type]
        real, imag = _each(at, name, first, rest)
        if isinstance(real, list) and isinstance(imag, list):
            return [Complex.of(a, b) for a, b in zip(real, imag, strict=True)]
        return Complex.of(real, imag)  # type: ignore[arg-type]
    if name in OF_COMPLEX:
        return OF_COMPLEX[name](at, *args)
    raise UnsupportedError(
        "reads a complex tensor; allowed: abs, real, imag, view_as_real, conj, products, division "
        "by real numbers, sums and changes of shape; take abs(), real or imag before"
    )


def _each(at: Importer, name: str, z: Complex, rest: list[Any]) -> list[Node | list[Node]]:
    """What an operator makes of both parts."""
    return [ATEN[name](at, part, *rest) for part in (z.real, z.imag)]


@aten("fft_rfft")
def _rfft(at: Importer, x: Node, n: int | None, dim: int, norm: str | None) -> Any:
    return _transformed(at, x, n, dim, norm, True)


@aten("fft_fft")
def _fft(at: Importer, x: Node, n: int | None, dim: int, norm: str | None) -> Any:
    return _transformed(at, x, n, dim, norm, False)


def _transformed(
    at: Importer, x: Node, n: int | None, dim: int, norm: str | None, onesided: bool
) -> Complex:
    """Of the first n elements along a dimension, or of all and zeros."""
    rank = x.type.rank
    last = [k for k in range(rank) if k != dim % rank] + [dim % rank]
    back = [last.index(k) for k in range(rank)]
    rows = at.permute(x, *last)
    size = n or rows.type.shape[-1]
    if size < rows.type.shape[-1]:
        rows = at.build("slice", rows, axis=rank - 1, start=0, stop=size)
    many = rows.type.shape[-1]

    def parts() -> Any:
        factors = _waves(size, onesided)[..., :many] * _scale(norm, size)
        made = (at.build("linear", rows, at.const(wave, f"{at.label}.fft")) for wave in factors)
        return tuple(at.permute(part, *back) for part in made)

    if not (onesided and has_fast_transform(size)) or learns(x):
        return Complex(parts)
    flat = at.reshape(rows, (rows.type.size // many, many))
    made = _magnitudes(at, flat, np.full(many, _scale(norm, size)), size, many, 1)
    made = at.reshape(made, (*rows.type.shape[:-1], size // 2 + 1))
    return Complex(parts, at.permute(made, *back))


def _magnitudes(
    at: Importer, x: Node, window: np.ndarray, size: int, hop: int, frames: int
) -> Node:
    """[N,frames,size/2 + 1] of the windows of x [N,samples]."""
    taps = at.const(window, f"{at.label}.window")
    waves = at.const(turns(size), f"{at.label}.turns")
    attrs = {"fft": size, "hop": hop, "frames": frames, "bins": size // 2 + 1}
    return at.build("spectrogram", x, taps, waves, **attrs)


def _waves(size: int, onesided: bool) -> np.ndarray:
    """[2,K,size]: what the real and the imaginary part of each frequency multiply a signal by."""
    count = size // 2 + 1 if onesided else size
    turns = np.outer(np.arange(count), np.arange(size)) % size / size
    return np.stack([np.cos(2 * np.pi * turns), -np.sin(2 * np.pi * turns)])


def _scale(norm: str | None, size: int) -> float:
    return {"ortho": size**-0.5, "forward": 1 / size}.get(norm or "backward", 1.0)


@aten("stft")
def _stft(
    at: Importer,
    x: Node,
    size: int,
    hop: int | None,
    length: int | None,
    window: Node | None,
    *more: Any,
) -> Any:
    """A convolution whose taps are the waves below the window, which lies in their middle."""
    if more and isinstance(more[1], str):
        raise UnsupportedError("stft pads the signal; call torch.stft, which pads before")
    normalized, onesided, as_complex, aligned = more
    if aligned:
        raise UnsupportedError("align_to_window=True; allowed: False")
    shape = np.ones(length or size) if window is None else at.value(window, "the window of stft")
    before, step = (size - len(shape)) // 2, hop or size // 4
    scaled = np.pad(shape, (before, size - len(shape) - before))
    scaled = scaled * (size**-0.5 if normalized else 1.0)
    rows, length = x.type.size // x.type.shape[-1], x.type.shape[-1]

    def parts() -> Any:
        signal, made = at.reshape(x, (rows, 1, length)), []
        for wave in _waves(size, onesided is not False):
            taps = at.const((wave * scaled)[:, None], f"{at.label}.stft")
            part: Any = ATEN["conv1d"](at, signal, taps, None, [step], [0], [1], 1)
            made.append(at.reshape(part, part.type.shape[1:]) if x.type.rank == 1 else part)
        return tuple(made)

    made = Complex(parts)
    if onesided is not False and has_fast_transform(size) and not learns(x) and length >= size:
        last = len(np.trim_zeros(scaled, "b"))  # zeros behind the window are not read
        frames = 1 + (length - size) // step
        magnitude = _magnitudes(
            at, at.reshape(x, (rows, length)), scaled[: max(1, last)], size, step, frames
        )
        magnitude = at.permute(magnitude, 0, 2, 1)
        if x.type.rank == 1:
            magnitude = at.reshape(magnitude, magnitude.type.shape[1:])
        made = Complex(parts, magnitude)
    return _view_as_real(at, made) if as_complex is False else made


@of_complex("abs")
def _abs(at: Importer, z: Complex) -> Node:
    """With the gradient zero at zero, as in torch."""
    if z.magnitude:
        return z.magnitude
    squares = [at.build("square", part) for part in (z.real, z.imag)]
    return at.build("norm_sqrt", at.build("add", *squares))


@of_complex("real")
def _real(at: Importer, z: Complex) -> Node:
    return z.real


@of_complex("imag")
def _imag(at: Importer, z: Complex) -> Node:
    return z.imag


@of_complex("view_as_real")
def _view_as_real(at: Importer, z: Complex) -> Any:
    return ATEN["stack"](at, [z.real, z.imag], -1)


@of_complex("_conj", "conj", "conj_physical")
def _conj(at: Importer, z: Complex) -> Complex:
    return Complex.of(z.real, scaled(at, z.imag, -1))


@of_complex("mul")
def _mul(at: Importer, a: Any, b: Any) -> Complex:
    mul = ATEN["mul"]
    if not isinstance(a, Complex):
        a, b = b, a
    if not isinstance(b, Complex):
        return Complex.of(mul(at, a.real, b), mul(at, a.imag, b))  # type: ignore[arg-type]
    real = at.build("sub", mul(at, a.real, b.real), mul(at, a.imag, b.imag))  # type: ignore
    imag = at.build("add", mul(at, a.real, b.imag), mul(at, a.imag, b.real))  # type: ignore
    return Complex.of(real, imag)


@of_complex("div")
def _div(at: Importer, z: Complex, by: Any, *more: Any) -> Complex:
    if isinstance(by, Complex) or not isinstance(z, Complex) or any(more):
        raise UnsupportedError("divides by a complex tensor; allowed: by a real one")
    div = ATEN["div"]
    return Complex.of(div(at, z.real, by, None), div(at, z.imag, by, None))  # type: ignore[arg-type]
