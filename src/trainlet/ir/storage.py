"""How a leaf's tensor on the device is computed from the user's array.

Convolution weights are kept channels-last, the constant that folding a batch-norm leaves behind is
added to the trained bias, and quantised parameters are integers, perhaps with extra fractional
bits.  All of it can be undone, so a trained state is always read and written in the layout and
the terms of the user's model.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from math import prod

import numpy as np

from trainlet.ir.graph import Node
from trainlet.ir.types import LARGEST, Quant, TensorType


@dataclass(frozen=True)
class Planes:
    """An int8 tensor followed by `bits` (4 or 8) fractional bits of its trained elements.

    The trained elements are the first `columns` of the first `rows` rows of the tensor seen as
    [.., last dimension]; value = int8 + low / 2^bits with low in -2^(bits-1)..2^(bits-1)-1.
    """

    tensor: TensorType
    bits: int
    rows: int
    columns: int

    @property
    def low_bytes(self) -> int:
        return (self.rows * self.columns * self.bits + 7) // 8


@dataclass(frozen=True)
class Delta:
    """An int16 difference to the pretrained values, `base`, of a quantised int32 tensor, which are
    in Flash; value = base + difference, and both saturate."""

    tensor: TensorType
    base: tuple[int, ...]

    def differ(self, values: np.ndarray) -> np.ndarray:
        """The differences of integers to the base, int16."""
        return np.clip(values - self._base, -LARGEST["int16"], LARGEST["int16"]).astype(np.int16)

    def add(self, differences: np.ndarray) -> np.ndarray:
        """The inverse of `differ`, int32."""
        values = self._base + differences.reshape(self.tensor.shape)
        return np.clip(values, -LARGEST["int32"], LARGEST["int32"]).astype(np.int32)

    @property
    def _base(self) -> np.ndarray:
        return np.array(self.base, np.int64).reshape(self.tensor.shape)


@dataclass(frozen=True)
class Order:
    """Slice k along an axis of the leaf is the slice that would have the number index[k]."""

    axis: int
    index: tuple[int, ...]

    def __post_init__(self) -> None:
        if sorted(self.index) != list(range(len(self.index))):
            raise ValueError("the index of an order names each slice once")

    def apply(self, array: np.ndarray) -> np.ndarray:
        """The slices of an array in this order."""
        return array.take(self.index, self.axis)

    def undo(self, array: np.ndarray) -> np.ndarray:
        """The inverse of `apply`."""
        return array.take(np.argsort(self.index), self.axis)


@dataclass(frozen=True)
class Part:
    """Of a parameter that lies in two leaves, this one has start..stop along an axis."""

    whole: TensorType
    axis: int
    start: int
    stop: int

    def take(self, array: np.ndarray) -> np.ndarray:
        """This part of an array shaped like the whole."""
        return array[(slice(None),) * self.axis + (slice(self.start, self.stop),)]


@dataclass(frozen=True)
class Storage:
    """device = part of reshape(permute(user * factor + offset, permutation), shape of the leaf),
    with its slices in other orders.

    factor, offset: one for each slice along the user's first axis, or along `channels`
    orders: of different axes, or None
    """

    shape: tuple[int, ...]
    permutation: tuple[int, ...]
    factor: tuple[float, ...] | None = None
    offset: tuple[float, ...] | None = None
    planes: Planes | None = None
    part: Part | None = None
    orders: tuple[Order, ...] | None = None
    channels: int | None = None
    delta: Delta | None = None

    def __repr__(self) -> str:
        """Without what is absent: this is how a graph's text shows it."""
        given = ((f.name, getattr(self, f.name)) for f in fields(self))
        return f"Storage({', '.join(f'{k}={v!r}' for k, v in given if v is not None)})"

    @staticmethod
    def plain(shape: tuple[int, ...]) -> Storage:
        """The device keeps the user's array as it is."""
        return Storage(shape, tuple(range(len(shape))))


@dataclass(frozen=True)
class Merged:
    """A parameter of the user's that is one of several in a leaf, which calls them `merged`.

    storage: how the leaf is made of this one while the others stay; None if the leaf cannot learn
    for this one alone
    """

    name: str
    storage: Storage | None


def storage(leaf: Node) -> Storage:
    """The leaf's storage; without the attribute it is plain."""
    return leaf.attrs.get("storage") or Storage.plain(leaf.type.shape)


def user_axis(how: Storage, shape: tuple[int, ...], axis: int) -> int:
    """The axis of the user's array that lies along an axis of a leaf of this shape."""
    numbers = np.arange(prod(shape)).reshape(how.shape)
    stored = np.transpose(numbers, how.permutation).reshape(shape)
    last = stored.take(-1, axis).reshape(-1)[0]
    moving = np.flatnonzero(np.array(np.unravel_index(last, how.shape)))
    return int(moving[0]) if len(moving) else 0


def to_device(leaf: Node, array: np.ndarray) -> np.ndarray:
    """The user's array as the device keeps it: shape and dtype of the leaf.

    A quantised leaf takes real values (floats, which it rounds) or its own integers.
    """
    how = storage(leaf)
    kept = kept_type(leaf)
    if kept.quant is None or array.dtype.kind == "f":
        array = _merged(array, how, kept)
    permuted = np.transpose(array, how.permutation).reshape(kept.shape)
    for order in how.orders or ():
        permuted = order.apply(permuted)
    unit = 1 << how.planes.bits if how.planes else 1
    if kept.quant is not None and permuted.dtype.kind == "f":
        permuted = _quantised(permuted, kept, unit)
    elif how.planes:
        permuted = permuted.astype(np.int64) * unit
    if how.part:
        permuted = how.part.take(permuted)
    if how.planes:
        return split_planes(permuted, how.planes)
    if how.delta:
        return how.delta.differ(permuted)
    return permuted.astype(leaf.type.dtype, order="C").reshape(leaf.type.shape)


def to_user(leaf: Node, array: np.ndarray, rest: np.ndarray | None = None) -> np.ndarray:
    """The inverse of `to_device`: the user's layout and terms; real values if quantised.

    rest: of a leaf that is a leading part, the other part as the device keeps it.
    """
    how = storage(leaf)
    kept = kept_type(leaf)
    values = how.delta.add(array) if how.delta else array
    if how.planes:
        values = join_planes(array, how.planes) / (1 << how.planes.bits)
    if how.part and rest is not None:
        own = how.planes.tensor if how.planes else leaf.type
        values = np.concatenate([values.reshape(own.shape), rest], how.part.axis)
    if kept.quant is not None:
        scale, zero = _per_channel(kept.quant, kept.shape)
        values = (values.reshape(kept.shape) - zero) * scale
        values = values if how.factor or how.offset else values.astype(np.float32)
    for order in how.orders or ():
        values = order.undo(values.reshape(kept.shape))
    permuted = values.reshape([how.shape[k] for k in how.permutation])
    user = np.transpose(permuted, np.argsort(how.permutation))
    if how.offset is not None:
        user = user - _along_channels(how.offset, how, kept)
    if how.factor is not None:
        user = user / _along_channels(how.factor, how, kept)
    return np.array(user, None if kept.quant is None else np.float32, order="C")


def _merged(array: np.ndarray, how: Storage, kept: TensorType) -> np.ndarray:
    """The user's array with what else is part of the leaf."""
    if how.factor is not None:
        array = array * _along_channels(how.factor, how, kept)
    if how.offset is not None:
        array = array + _along_channels(how.offset, how, kept)
    return array


def _along_channels(numbers: tuple[float, ...], how: Storage, kept: TensorType) -> np.ndarray:
    """Shaped to broadcast; in float64 where the result is rounded to integers."""
    exact = np.float32 if kept.quant is None else np.float64
    axis = how.channels or 0
    along = [-1 if k == axis else 1 for k in range(len(how.shape))]
    return np.asarray(numbers, exact).reshape(along)


def kept_type(leaf: Node) -> TensorType:
    """The whole parameter as the device computes with it."""
    how = storage(leaf)
    if how.part:
        return how.part.whole
    return read_type(leaf)


def read_type(leaf: Node) -> TensorType:
    """What layers read of this leaf: without fractional bits, with what it is a difference to."""
    how = storage(leaf)
    split = how.planes or how.delta
    return split.tensor if split else leaf.type


def split_planes(values: np.ndarray, planes: Planes) -> np.ndarray:
    """Integers in units of 2^-bits as the bytes that the device keeps."""
    unit = 1 << planes.bits
    high = (values + unit // 2) // unit
    low = (values - high * unit).reshape(-1, values.shape[-1])[: planes.rows, : planes.columns]
    flat = low.reshape(-1).astype(np.int8)
    return np.concatenate([high.reshape(-1).astype(np.int8), packed(flat, planes.bits)])


def packed(low: np.ndarray, bits: int) -> np.ndarray:
    """Fractions int8 [n] as the device keeps them: two of 4 bits are one byte."""
    if bits == 8:
        return low
    nibbles = np.zeros(low.size + low.size % 2, np.uint8)
    nibbles[: low.size] = low.view(np.uint8) & 15
    return (nibbles[::2] | nibbles[1::2] << 4).view(np.int8)


def join_planes(array: np.ndarray, planes: Planes) -> np.ndarray:
    """The inverse of `split_planes`: int64 in units of 2^-bits, shaped like the tensor."""
    flat, size = array.reshape(-1), planes.tensor.size
    shape = planes.tensor.shape
    wide = flat[:size].astype(np.int64).reshape(-1, shape[-1]) * (1 << planes.bits)
    low = flat[size:]
    if planes.bits == 4:
        nibbles = np.stack([low.view(np.uint8) & 15, low.view(np.uint8) >> 4], 1).reshape(-1)
        low = (nibbles.astype(np.int64) ^ 8) - 8
    count = planes.rows * planes.columns
    part = low[:count].astype(np.int64).reshape(planes.rows, planes.columns)
    wide[: planes.rows, : planes.columns] += part
    return wide.reshape(shape)


def _per_channel(quant: Quant, shape: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray]:
    """Scales and zero points, shaped to broadcast over a tensor."""
    along = [-1 if k == quant.axis else 1 for k in range(len(shape))]
    scale, zero = np.asarray(quant.scale), np.asarray(quant.zero_point)
    return (scale.reshape(along), zero.reshape(along)) if quant.axis is not None else (scale, zero)


def _quantised(real: np.ndarray, kept: TensorType, unit: int) -> np.ndarray:
    assert kept.quant is not None
    scale, zero = _per_channel(kept.quant, kept.shape)
    limit = LARGEST[kept.dtype]
    if kept.quant.axis is None and kept.dtype == "int8":
        return np.clip(_half_away(real / np.float32(scale)) + zero, -128, 127).astype(np.int64)
    integers = np.round(real.astype(np.float64) / scale * unit) + zero
    return np.clip(integers, -limit * unit, limit * unit).astype(np.int64)


def _half_away(x: np.ndarray) -> np.ndarray:
    """Rounded to the nearest integer, halves away from zero, as the op `quantize` does."""
    whole = np.trunc(x)
    return whole + np.where(np.abs(x - whole) >= 0.5, np.sign(x), 0)
