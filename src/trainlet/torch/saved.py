"""The bytes that PyTorch's autograd keeps for the backward pass."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from itertools import chain

import torch


def saved_bytes(model: torch.nn.Module, forward: Callable[[], object]) -> int:
    """Bytes of the tensors that autograd saves while `forward` runs the model.

    Each storage counts once and whole.  Parameters and buffers of the model, which are there
    anyway, are left out.  The hooks of `torch.autograd.graph.saved_tensors_hooks` see them.
    """
    own = {t.untyped_storage().data_ptr() for t in chain(model.parameters(), model.buffers())}
    storages: dict[int, torch.UntypedStorage] = {}  # kept alive, so that no address comes twice

    def pack(tensor: torch.Tensor) -> torch.Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in own:
            storages[storage.data_ptr()] = storage
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        result = forward()
    del result
    return sum(storage.nbytes() for storage in storages.values())


@contextmanager
def learning(model: torch.nn.Module, names: Collection[str]) -> Iterator[None]:
    """Only the parameters of these names learn inside the block."""
    before = {p: p.requires_grad for p in model.parameters()}
    try:
        for name, parameter in model.named_parameters():
            parameter.requires_grad_(name in names)
        yield
    finally:
        for parameter, learns in before.items():
            parameter.requires_grad_(learns)
