"""The parameters and buffers of an exported program, and which of them are one piece of memory."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch.export import ExportedProgram

from trainlet.errors import UnsupportedError

_Place = tuple[int, tuple[int, ...], tuple[int, ...]]


@dataclass(frozen=True)
class Tensors:
    """own: all of them by name;  same: the names of one tensor, by its place in memory."""

    own: Mapping[str, torch.Tensor]
    same: Mapping[_Place, tuple[str, ...]]
    learning: Mapping[int, str]

    @staticmethod
    def of(program: ExportedProgram) -> Tensors:
        given: dict[str, Any] = {**program.state_dict, **program.constants}
        own = {name: t for name, t in given.items() if isinstance(t, torch.Tensor)}
        same: dict[_Place, tuple[str, ...]] = {}
        learning: dict[int, str] = {}
        for name, tensor in own.items():
            if isinstance(tensor, torch.nn.Parameter) and tensor.numel():
                place = _place(tensor)
                same[place] = (*same.get(place, ()), name)
                if tensor.requires_grad:
                    learning.setdefault(_memory(tensor), name)
        return Tensors(own, same, learning)

    def names(self, name: str) -> tuple[str, ...]:
        """All names of a parameter, the first one first (tied weights have several).

        Raises UnsupportedError for one that shares its memory with a part of another.
        """
        tensor = self.own[name]
        names = self.same.get(_place(tensor), (name,))
        owner = self.learning.get(_memory(tensor), names[0])
        if owner not in names:
            raise UnsupportedError(
                f"the parameters {name!r} and {owner!r} share part of their memory; make them one "
                "parameter, or two separate ones"
            )
        return names

    def buffer(self, name: str) -> torch.Tensor:
        """A buffer or a constant.

        Raises UnsupportedError for one that shares a parameter's memory: it would follow what is
        learnt.
        """
        tensor = self.own[name]
        owner = self.learning.get(_memory(tensor))
        if owner is not None and tensor.numel():
            raise UnsupportedError(
                f"the buffer {name!r} shares its memory with the parameter {owner!r}; read the "
                "parameter itself, or clone it"
            )
        return tensor


def _place(tensor: torch.Tensor) -> _Place:
    return tensor.data_ptr(), tuple(tensor.shape), tuple(tensor.stride())


def _memory(tensor: torch.Tensor) -> int:
    return tensor.untyped_storage().data_ptr()
