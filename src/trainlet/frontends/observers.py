"""Ranges of least squared error: the best compromise between clipping and a finer quantisation
step.

torchao brings observers of the minimum and the maximum; these two search the range, within those,
whose rounding and clipping together err least on what was seen.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torchao.quantization.pt2e.observer import UniformQuantizationObserverBase

BINS = 8192
"""On each side of zero; over thirty bins for every step of an int8 tensor."""
SHARES = torch.linspace(0.2, 1.0, 65)
"""The parts of the full range that are tried."""


class MseObserver(UniformQuantizationObserverBase):
    """A histogram of everything seen, whose bins double in width when a value exceeds it."""

    counts: Tensor
    width: Tensor
    low: Tensor
    high: Tensor

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.register_buffer("counts", torch.zeros(2 * BINS, dtype=torch.float64))
        self.register_buffer("width", torch.tensor(0.0, dtype=torch.float64))
        self.register_buffer("low", torch.tensor(0.0))
        self.register_buffer("high", torch.tensor(0.0))

    def forward(self, x: Tensor) -> Any:
        seen = x.detach().flatten().double()
        self.low.copy_(torch.minimum(self.low, seen.min()))
        self.high.copy_(torch.maximum(self.high, seen.max()))
        reach = torch.maximum(-self.low, self.high).double()
        if not torch.isfinite(reach) or reach == 0:
            return x
        if self.width == 0:
            self.width.copy_(reach / (BINS - 1))
        while reach >= self.width * BINS:
            merged = self.counts.reshape(BINS, 2).sum(1)
            self.counts.zero_()
            self.counts[BINS // 2 : BINS // 2 + BINS] = merged
            self.width.mul_(2)
        place = (seen / self.width).floor().long() + BINS
        self.counts += torch.bincount(place, minlength=2 * BINS)
        return x

    def calculate_qparams(self, **_: Any) -> Any:
        low, high = self.low.clone(), self.high.clone()
        used = self.counts.nonzero().flatten()
        value = ((used - BINS + 0.5) * self.width).float()
        count = self.counts[used].float()
        if used.numel():
            low, high = self.best(low * SHARES, high * SHARES, value, count)
            low, high = self.best(low.expand(SHARES.shape), self.high * SHARES, value, count)
            low, high = self.best(self.low * SHARES, high.expand(SHARES.shape), value, count)
        return self._calculate_qparams(low, high)

    def best(
        self, lows: Tensor, highs: Tensor, value: Tensor, count: Tensor
    ) -> tuple[Tensor, Tensor]:
        """The candidate range with the least squared error over the histogram."""
        scale, zero = self._calculate_qparams(lows, highs)
        scale, zero = scale[:, None], zero[:, None]
        rounded = (value / scale).round() + zero
        back = (rounded.clamp(self.quant_min, self.quant_max) - zero) * scale
        winner = ((back - value).square() * count).sum(1).argmin()
        return lows[winner], highs[winner]


class PerChannelMseObserver(UniformQuantizationObserverBase):
    """The best symmetric range of each channel of a weight; keeps the last tensor seen."""

    def __init__(self, ch_axis: int = 0, **options: Any) -> None:
        super().__init__(**options)
        self.ch_axis = ch_axis
        self.register_buffer("seen", torch.zeros(0, 0))

    def forward(self, x: Tensor) -> Any:
        self.seen = x.detach().movedim(self.ch_axis, 0).flatten(1).clone()
        return x

    def calculate_qparams(self, **_: Any) -> Any:
        full = self.seen.abs().amax(1)
        least = torch.full_like(full, torch.inf)
        best = full
        for share in SHARES:
            scale, _zero = self._calculate_qparams(-full * share, full * share)
            levels = (self.seen / scale[:, None]).round().clamp(self.quant_min, self.quant_max)
            error = (levels * scale[:, None] - self.seen).square().sum(1)
            best = torch.where(error < least, full * share, best)
            least = torch.minimum(error, least)
        return self._calculate_qparams(-best, best)
