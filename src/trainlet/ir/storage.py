"""How a leaf's tensor on the device is made of the user's array.

Convolution weights are kept channels-last, and the constant that folding a batch-norm leaves
behind is added to the trained bias.  Both can be undone, so a trained state is always read and
written in the layout and the terms of the user's model.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from trainlet.ir.graph import Node


@dataclass(frozen=True)
class Storage:
    """device = reshape(permute(user + offset, permutation), shape of the leaf)."""

    shape: tuple[int, ...]
    permutation: tuple[int, ...]
    offset: tuple[float, ...] | None = None

    @staticmethod
    def plain(shape: tuple[int, ...]) -> Storage:
        """The device keeps the user's array as it is."""
        return Storage(shape, tuple(range(len(shape))))


def storage(leaf: Node) -> Storage:
    """The leaf's storage; without the attribute it is plain."""
    return leaf.attrs.get("storage") or Storage.plain(leaf.type.shape)


def to_device(leaf: Node, array: np.ndarray) -> np.ndarray:
    """The user's array as the device keeps it: shape and dtype of the leaf."""
    how = storage(leaf)
    if how.offset is not None:
        array = array + np.asarray(how.offset, np.float32).reshape(how.shape)
    permuted = np.transpose(array, how.permutation)
    return np.ascontiguousarray(permuted, leaf.type.dtype).reshape(leaf.type.shape)


def to_user(leaf: Node, array: np.ndarray) -> np.ndarray:
    """The inverse of `to_device`: the user's layout and terms."""
    how = storage(leaf)
    permuted = array.reshape([how.shape[k] for k in how.permutation])
    user = np.transpose(permuted, np.argsort(how.permutation))
    if how.offset is not None:
        user = user - np.asarray(how.offset, np.float32).reshape(how.shape)
    return np.ascontiguousarray(user)
