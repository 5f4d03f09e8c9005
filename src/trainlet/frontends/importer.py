"""What the ATen table needs of an import in progress: constants, names, layout changes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch

from trainlet.errors import DataError, UnsupportedError
from trainlet.frontends.constants import Constant
from trainlet.frontends.recurrent import Cell, Weights, scan
from trainlet.ir.graph import Graph, Node, unused
from trainlet.ir.types import DType, TensorType
from trainlet.ops.layout import inverse
from trainlet.ops.op import build, leaf

TO_LAST = (0, 2, 3, 1)
HIDDEN = np.float32(-1e30)
"""Stands for minus infinity in a mask: exp of it, less any logit, is zero."""
MASKED = frozenset(("add", "where", "masked_fill", "scaled_dot_product_attention"))
"""Operators that may read minus infinity."""


@dataclass
class Importer:
    """Collects the values of leaves; `label` is the module path of the node being imported.

    tensors: the constants behind leaves, in torch's own dtype
    """

    values: dict[str, np.ndarray] = field(default_factory=dict)
    label: str = ""
    tensors: dict[Node, torch.Tensor] = field(default_factory=dict)
    made: dict[Constant, Node] = field(default_factory=dict)

    def leaf_of(self, value: Any, reader: str = "") -> Any:
        """The node of a value; a constant becomes a leaf.  Of a list, each; of others, itself.
        Of a tensor without elements there is none.

        reader: the operator that reads it; only some may read minus infinity.
        """
        if isinstance(value, list):
            return [self.leaf_of(v, reader) for v in value]
        if not isinstance(value, Constant):
            return value
        if not value.tensor.numel():
            return None
        if value not in self.made:
            self.made[value] = self._constant(value)
        node = self.made[value]
        if reader not in MASKED:
            _check_finite(value.name, self.tensors[node].numpy())
        return node

    def _constant(self, value: Constant) -> Node:
        tensor = value.tensor.detach().cpu()
        if tensor.is_complex() or tensor.is_quantized:
            raise UnsupportedError(f"{value.name!r} is {tensor.dtype}; allowed: real numbers")
        tensor = tensor.float() if tensor.dtype in (torch.float16, torch.bfloat16) else tensor
        array = tensor.to(torch.float32).numpy().copy()
        if tensor.dtype == torch.int64 and (array.astype(np.int64) != tensor.numpy()).any():
            raise DataError(f"{value.name!r} holds integers that float32 cannot represent")
        array = np.where(np.isneginf(array), HIDDEN, array)
        _check_finite(value.name, array)
        node = self.const(array, value.name)
        self.tensors[node] = tensor
        return node

    def parameter(self, names: Sequence[str], tensor: torch.Tensor) -> Node:
        """The leaf of a parameter, by the first of its names; a constant without requires_grad."""
        name, *others = names
        if tensor.dtype != torch.float32:
            raise UnsupportedError(
                f"parameter {name!r} is {tensor.dtype}; allowed: torch.float32 (call model.float())"
            )
        value = tensor.detach().cpu().numpy().copy()
        _check_finite(name, value)
        self.values[name] = value
        attrs = {"aliases": tuple(others)} if others else {}
        return leaf(
            "param" if tensor.requires_grad else "const", name, TensorType(value.shape), **attrs
        )

    def const(self, array: np.ndarray, name: str) -> Node:
        """A constant leaf; the name is made unique."""
        return self._held(np.asarray(array, np.float32), name, "float32")

    def index(self, array: np.ndarray, name: str) -> Node:
        """The same of integers."""
        return self._held(np.asarray(array, np.int32), name, "int32")

    def _held(self, array: np.ndarray, name: str, dtype: DType) -> Node:
        name = unused(name, self.values)
        self.values[name] = array
        return leaf("const", name, TensorType(array.shape, dtype))

    def build(self, op: str, *inputs: Node, **attrs: object) -> Node:
        """A node labelled with the module being imported."""
        return build(op, *inputs, label=self.label, **attrs)

    def permute(self, x: Node, *permutation: int) -> Node:
        return self.build("permute", x, permutation=permutation)

    def reshape(self, x: Node, shape: Sequence[int]) -> Node:
        shape = tuple(shape)
        return x if shape == x.type.shape else self.build("reshape", x, shape=shape)

    def scan(
        self, cell: Cell, x: Node, initial: Sequence[Node | None], w: Weights, reverse: bool
    ) -> Node:
        """A recurrent layer's loop over x [T, N, inputs]."""
        return scan(cell, x, initial, w, reverse, self.label)

    def channels_last(self, op: str, x: Node, *weights: Node, **attrs: object) -> Node:
        """Apply an op of [N,H,W,C] maps to a map [N,C,H,W], or to a sequence [N,C,L] with H = 1."""
        if x.type.rank == 4:
            y = self.build(op, self.permute(x, *TO_LAST), *weights, **attrs)
            return self.permute(y, *inverse(TO_LAST))
        n, c, length = x.type.shape
        flat = self.reshape(self.permute(x, 0, 2, 1), (n, 1, length, c))
        y = self.build(op, flat, *weights, **attrs)
        return self.permute(self.reshape(y, (n, *y.type.shape[2:])), 0, 2, 1)

    def value(self, node: Node | None, what: str) -> np.ndarray:
        """The value of a constant leaf, in float32."""
        if node is None or node.op != "const":
            raise UnsupportedError(f"{what} must be a buffer of the model, not computed or trained")
        return self.values[node.name]

    def graph(self, outputs: Mapping[str, Node]) -> Graph:
        """The graph made so far."""
        return Graph(outputs, self.values)


def _check_finite(name: str, array: np.ndarray) -> None:
    if not np.isfinite(array).all():
        count = int((~np.isfinite(array)).sum())
        raise DataError(f"{name!r} holds {count} values that are NaN or infinite")


def pair(value: int | Sequence[int]) -> tuple[int, int]:
    """PyTorch's int-or-list as (height, width)."""
    if isinstance(value, int):
        return value, value
    first, *rest = value
    return first, rest[0] if rest else first


def number(value: Any, what: str) -> float:
    """A finite number; raises UnsupportedError for a tensor, DataError for NaN and infinity."""
    if isinstance(value, Node) or not isinstance(value, (bool, int, float)):
        raise UnsupportedError(f"{what} is not a number")
    if not np.isfinite(value) or abs(value) > np.finfo(np.float32).max:
        raise DataError(f"{what} is {value}; allowed: numbers that are finite in float32")
    return float(value)
