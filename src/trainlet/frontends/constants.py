"""Operators that depend on no input and no parameter are computed by torch when the model is
imported."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.fx import Node as Fx
from torch.fx.node import map_arg
from torch.utils._pytree import tree_flatten, tree_map

from trainlet.errors import UnsupportedError
from trainlet.frontends.source import written

MOST_ELEMENTS = 1 << 26
PURE = frozenset(
    "abs add all amax amin any arange argmax argmin as_strided bitwise_and bitwise_not bitwise_or "
    "cat ceil clamp clamp_max clamp_min clone contiguous copy cos cumsum detach diag diagonal div "
    "empty empty_like eq exp expand expand_as eye fill flatten flip floor floor_divide full "
    "full_like ge gt index index_put index_select item le lift_fresh_copy linspace log logical_and "
    "logical_not logical_or lt masked_fill max maximum mean min minimum mul ne neg new_empty "
    "new_full new_ones new_zeros ones ones_like permute pow prod reciprocal remainder repeat "
    "repeat_interleave reshape roll round rsqrt rsub scalar_tensor select select_scatter sign sin "
    "slice slice_scatter split sqrt squeeze stack sub sum t tanh to _to_copy transpose tril triu "
    "unbind unsqueeze view where zeros zeros_like _unsafe_view _local_scalar_dense type_as "
    "__and__ __or__ __xor__ bitwise_xor logical_xor isinf isnan isfinite log1p expm1 tan cumprod "
    "true_divide fmod "
    "bartlett_window blackman_window hamming_window hann_window kaiser_window "
    "atan2 sigmoid softmax outer mm matmul bmm unfold norm linalg_vector_norm alias".split()
)
"""Operators that read nothing but their arguments: no file, no random number."""


@dataclass(frozen=True, eq=False)
class Constant:
    """A tensor that is known when the model is read; `name` is that of its leaf."""

    name: str
    tensor: torch.Tensor


def folded(
    fx: Fx, name: str, label: str, values: dict[str, Any], pure: frozenset[str] = PURE
) -> Any:
    """The operator's result, or None if it must be computed by the trainer.

    pure: names of the operators that torch may compute
    Raises UnsupportedError for results that are too large.
    """
    given = [values[n.name] for n in fx.all_input_nodes]
    if name not in pure or not all(isinstance(v, (Constant, int, float)) for v in given):
        return None
    raw: Any = map_arg((fx.args, fx.kwargs), lambda n: _raw(values[n.name]))
    args, kwargs = raw
    _check_size(fx, args, kwargs)
    target: Any = fx.target
    result = target(*args, **kwargs)
    if isinstance(result, torch.Tensor):
        return Constant(f"{label}.{fx.name}", result)
    if isinstance(result, (list, tuple)):
        return [Constant(f"{label}.{fx.name}.{k}", r) for k, r in enumerate(result)]
    return result


def _raw(value: Any) -> Any:
    return value.tensor if isinstance(value, Constant) else value


def _check_size(fx: Fx, args: Any, kwargs: Any) -> None:
    """Before any memory is taken, with torch's tensors that have a shape and no elements."""
    target: Any = fx.target
    with FakeTensorMode() as mode:
        fake = tree_map(
            lambda v: mode.from_tensor(v) if isinstance(v, torch.Tensor) else v, (args, kwargs)
        )
        try:
            made = target(*fake[0], **fake[1])
        except Exception:  # the size depends on the data, and is no larger than these
            return
    size = sum(t.numel() for t in tree_flatten(made)[0] if isinstance(t, torch.Tensor))
    if size > MOST_ELEMENTS:
        raise UnsupportedError(
            f"{written(fx)} makes a constant of {size} elements; allowed: {MOST_ELEMENTS}"
        )
