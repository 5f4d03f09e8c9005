"""PyTorch's modules with a forward pass that keeps less.

Each is a subclass of the module that it replaces, has the same parameters and state, and gives the
same result.  A module becomes one by its class alone (`save_memory`).
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from trainlet.torch.functions import layers, norms, pools, rectifiers, smooth
from trainlet.torch.functions.once import check_precision

KEEP = "_learning_channels"
"""A buffer, no part of the state: the input channels whose weights learn."""


class _Saving:
    """Runs `saving` where autograd records, else PyTorch's own forward pass."""

    def forward(self: Any, input: Tensor, *rest: Any, **named: Any) -> Tensor:
        learns = (p.requires_grad for p in self.parameters(recurse=False))
        if torch.is_grad_enabled() and (input.requires_grad or any(learns)):
            check_precision(input)
            return self.saving(input, *rest, **named)
        return super().forward(input, *rest, **named)  # type: ignore[misc]


class _Convolution(_Saving):
    """A convolution whose weight is frozen, or learns for some of its input channels."""

    def saving(self: Any, input: Tensor) -> Tensor:
        x, padding = _padded(self, input)
        none = (0,) * len(self.stride)
        window = layers.Window(self.stride, padding, self.dilation, False, none, self.groups)
        alone = x.dim() == len(self.stride) + 1
        x = x.unsqueeze(0) if alone else x
        y = layers.convolution(x, self.weight, self.bias, getattr(self, KEEP), window)
        return y.squeeze(0) if alone else y


def _padded(conv: Any, x: Tensor) -> tuple[Tensor, tuple[int, ...]]:
    """The x with the padding that `torch.convolution` does not know, and that which is left."""
    none = (0,) * len(conv.stride)
    if conv.padding_mode != "zeros":
        return F.pad(x, conv._reversed_padding_repeated_twice, conv.padding_mode), none
    if conv.padding == "valid":
        return x, none
    if conv.padding == "same":
        return F.pad(x, conv._reversed_padding_repeated_twice), none
    return x, conv.padding


class Conv1d(_Convolution, nn.Conv1d):
    """Keeps the input channels whose weights learn."""


class Conv2d(_Convolution, nn.Conv2d):
    """Keeps the input channels whose weights learn."""


class Conv3d(_Convolution, nn.Conv3d):
    """Keeps the input channels whose weights learn."""


class _ConvTranspose(_Saving):
    """A transposed convolution whose weight is frozen."""

    def saving(self: Any, input: Tensor, output_size: list[int] | None = None) -> Tensor:
        output_padding = self.output_padding
        if output_size is not None:
            output_padding = tuple(
                self._output_padding(
                    input, output_size, self.stride, self.padding, self.kernel_size,
                    len(self.stride), self.dilation,
                )
            )  # fmt: skip
        window = layers.Window(
            self.stride, self.padding, self.dilation, True, output_padding, self.groups
        )
        return layers.convolution(input, self.weight, self.bias, None, window)


class ConvTranspose1d(_ConvTranspose, nn.ConvTranspose1d):
    """Keeps nothing of its input."""


class ConvTranspose2d(_ConvTranspose, nn.ConvTranspose2d):
    """Keeps nothing of its input."""


class ConvTranspose3d(_ConvTranspose, nn.ConvTranspose3d):
    """Keeps nothing of its input."""


class Linear(_Saving, nn.Linear):
    """Keeps the input channels whose weights learn."""

    def saving(self, input: Tensor) -> Tensor:
        return layers.linear(input, self.weight, self.bias, getattr(self, KEEP))


class ReLU(_Saving, nn.ReLU):
    """Keeps one bit an element."""

    def saving(self, input: Tensor) -> Tensor:
        return rectifiers.relu(input)


class ReLU6(_Saving, nn.ReLU6):
    """Keeps one bit an element."""

    def saving(self, input: Tensor) -> Tensor:
        return rectifiers.hardtanh(input, 0.0, 6.0)


class Hardtanh(_Saving, nn.Hardtanh):
    """Keeps one bit an element."""

    def saving(self, input: Tensor) -> Tensor:
        return rectifiers.hardtanh(input, self.min_val, self.max_val)


class LeakyReLU(_Saving, nn.LeakyReLU):
    """Keeps one bit an element."""

    def saving(self, input: Tensor) -> Tensor:
        return rectifiers.leaky_relu(input, self.negative_slope)


class SiLU(_Saving, nn.SiLU):
    """Keeps its derivative in 8 bits."""

    def saving(self, input: Tensor) -> Tensor:
        return smooth.smooth(input, smooth.SILU)


class GELU(_Saving, nn.GELU):
    """Keeps its derivative in 8 bits."""

    def saving(self, input: Tensor) -> Tensor:
        return smooth.smooth(input, smooth.GELU_TANH if self.approximate == "tanh" else smooth.GELU)


class Hardswish(_Saving, nn.Hardswish):
    """Keeps its derivative in 8 bits."""

    def saving(self, input: Tensor) -> Tensor:
        return smooth.smooth(input, smooth.HARDSWISH)


class Hardsigmoid(_Saving, nn.Hardsigmoid):
    """Keeps its derivative in 8 bits."""

    def saving(self, input: Tensor) -> Tensor:
        return smooth.smooth(input, smooth.HARDSIGMOID)


class Sigmoid(_Saving, nn.Sigmoid):
    """Keeps its derivative in 8 bits."""

    def saving(self, input: Tensor) -> Tensor:
        return smooth.smooth(input, smooth.SIGMOID)


class Tanh(_Saving, nn.Tanh):
    """Keeps its derivative in 8 bits."""

    def saving(self, input: Tensor) -> Tensor:
        return smooth.smooth(input, smooth.TANH)


class AvgPool2d(_Saving, nn.AvgPool2d):
    """Keeps no values."""

    def saving(self, input: Tensor) -> Tensor:
        return pools.avg_pool2d(
            input, pair(self.kernel_size), pair(self.stride), pair(self.padding), self.ceil_mode,
            self.count_include_pad, self.divisor_override,
        )  # fmt: skip


class AdaptiveAvgPool2d(_Saving, nn.AdaptiveAvgPool2d):
    """Keeps no values."""

    def saving(self, input: Tensor) -> Tensor:
        return pools.adaptive_avg_pool2d(input, self.output_size)


class MaxPool2d(_Saving, nn.MaxPool2d):
    """Keeps one byte for each value of its result."""

    def saving(self, input: Tensor) -> Tensor:
        sizes = (self.kernel_size, self.stride, self.padding, self.dilation)
        kernel, stride, padding, dilation = map(pair, sizes)
        return pools.max_pool2d(input, kernel, stride, padding, dilation, self.ceil_mode)


class _FrozenBatchNorm(_Saving):
    """A batch norm with a frozen weight; in training mode, where its statistics are the batch's,
    it is the module that it replaces."""

    def saving(self: Any, input: Tensor) -> Tensor:
        if self.training:
            return super(_Saving, self).forward(input)  # type: ignore[misc]
        return norms.frozen_batch_norm(
            input, self.running_mean, self.running_var, self.weight, self.bias, self.eps
        )


class _BatchNormInt8(_Saving):
    """A batch norm whose weight learns."""

    def saving(self: Any, input: Tensor) -> Tensor:
        if self.training:
            return super(_Saving, self).forward(input)  # type: ignore[misc]
        return norms.batch_norm_int8(
            input, self.running_mean, self.running_var, self.weight, self.bias, self.eps
        )


class FrozenBatchNorm1d(_FrozenBatchNorm, nn.BatchNorm1d):
    """Keeps nothing in eval mode."""


class FrozenBatchNorm2d(_FrozenBatchNorm, nn.BatchNorm2d):
    """Keeps nothing in eval mode."""


class FrozenBatchNorm3d(_FrozenBatchNorm, nn.BatchNorm3d):
    """Keeps nothing in eval mode."""


class BatchNorm1dInt8(_BatchNormInt8, nn.BatchNorm1d):
    """Keeps its normalised input in 8 bits in eval mode."""


class BatchNorm2dInt8(_BatchNormInt8, nn.BatchNorm2d):
    """Keeps its normalised input in 8 bits in eval mode."""


class BatchNorm3dInt8(_BatchNormInt8, nn.BatchNorm3d):
    """Keeps its normalised input in 8 bits in eval mode."""


class GroupNorm(_Saving, nn.GroupNorm):
    """Keeps its normalised input in 8 bits."""

    def saving(self, input: Tensor) -> Tensor:
        return norms.group_norm(input, self.num_groups, self.weight, self.bias, self.eps)


class LayerNorm(_Saving, nn.LayerNorm):
    """Keeps its normalised input in 8 bits."""

    def saving(self, input: Tensor) -> Tensor:
        return norms.layer_norm(input, self.normalized_shape, self.weight, self.bias, self.eps)


def pair(size: Any) -> Any:
    return size if isinstance(size, tuple) else (size, size)
