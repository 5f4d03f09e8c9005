"""Eight booleans in a byte."""

from __future__ import annotations

import torch
from torch import Tensor


def pack(mask: Tensor) -> Tensor:
    """Booleans of any shape as uint8 [ceil(n / 8)]: bit i of byte k is element i * bytes + k."""
    flat = mask.reshape(-1)
    if missing := -len(flat) % 8:
        flat = torch.cat([flat, flat.new_zeros(missing)])
    planes = flat.view(torch.uint8).view(8, -1)
    packed = planes[0].clone()
    for i in range(1, 8):
        packed |= planes[i] << i
    return packed


def unpack(packed: Tensor, shape: torch.Size) -> Tensor:
    """The booleans that `pack` took, in their shape."""
    planes = packed.new_empty((8, len(packed)))
    for i in range(8):
        torch.bitwise_and(packed >> i, 1, out=planes[i])
    return planes.view(torch.bool).view(-1)[: shape.numel()].view(shape)
