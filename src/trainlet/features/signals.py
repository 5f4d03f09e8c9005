"""Features of motion sensors, of heartbeats, and of a camera's rows."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from trainlet.features.numbers import Levels, levels, require


class Standardised(nn.Module):
    """factor[c] * x + offset[c] of each channel, of maps or sequences [n,channels,..]."""

    def __init__(self, factor: np.ndarray, offset: np.ndarray):
        super().__init__()
        self.factor: Tensor
        self.offset: Tensor
        self.register_buffer("factor", torch.tensor(factor, dtype=torch.float32))
        self.register_buffer("offset", torch.tensor(offset, dtype=torch.float32))

    def forward(self, x: Tensor) -> Tensor:
        """float32 of the shape of x."""
        shape = (1, -1, *[1] * (x.ndim - 2))
        return x * self.factor.reshape(shape) + self.offset.reshape(shape)


class Motion(nn.Module):
    """Samples [n,time,channels] -> [n,channels,time], standardised.  Made by `motion`."""

    def __init__(self, standardised: Standardised):
        super().__init__()
        self.standardised = standardised

    def forward(self, samples: Tensor) -> Tensor:
        """One standardised sequence of each channel."""
        return self.standardised(samples.to(torch.float32).transpose(1, 2))


class Heartbeat(nn.Module):
    """Samples [n,samples] around a beat -> [n,1,samples].  Made by `heartbeat`."""

    def __init__(self, factor: float):
        super().__init__()
        self.factor = factor

    def forward(self, samples: Tensor) -> Tensor:
        """The samples less their mean, in multiples of the deviation."""
        x = samples.to(torch.float32)
        return ((x - x.mean(1, keepdim=True)) * self.factor)[:, None]


class Camera(nn.Module):
    """Pixels [n,channels,height,width] -> a smaller map, standardised.  Made by `camera`."""

    def __init__(self, shrink: int, standardised: Standardised):
        super().__init__()
        self.shrink, self.standardised = shrink, standardised

    def forward(self, pixels: Tensor) -> Tensor:
        """Means of squares of pixels, standardised."""
        x = pixels.to(torch.float32)
        if self.shrink > 1:
            x = nn.functional.avg_pool2d(x, self.shrink)
        return self.standardised(x)


def motion(
    channels: int, *, scale: float = 1.0, mean: Levels = 0.0, deviation: Levels = 1.0
) -> Motion:
    """A window of an accelerometer's or gyroscope's samples, int16 or float32 [n,time,channels], as
    the sensor's buffer has them, -> float32 [n,channels,time].

    scale: what a step of the sensor is, such as 9.81 / 2048 m/s^2.
    mean, deviation: in units of the scale, one number or one for each channel, to standardise them.

    Raises DataError for numbers that do not fit.
    """
    require(channels > 0, "channels", channels, "a positive number")
    require(np.isfinite(scale) and scale > 0, "scale", scale, "a positive number")
    return Motion(_standardised(channels, scale, mean, deviation))


def heartbeat(*, per_millivolt: float = 200.0, deviation: float = 1.0) -> Heartbeat:
    """The samples around a heartbeat, int16 or float32 [n,samples], -> float32 [n,1,samples] in
    millivolts, less their mean: the electrodes' constant voltage goes.

    per_millivolt: steps of the converter; 200 in the MIT-BIH recordings (Moody and Mark, 2001).
    deviation: in millivolts, to standardise them.

    Raises DataError for numbers that do not fit.
    """
    for name, value in (("per_millivolt", per_millivolt), ("deviation", deviation)):
        require(np.isfinite(value) and value > 0, name, value, "a positive number")
    return Heartbeat(1.0 / (per_millivolt * deviation))


def camera(
    channels: int = 3,
    *,
    shrink: int = 1,
    mean: Levels = (0.5, 0.5, 0.5),
    deviation: Levels = (0.5, 0.5, 0.5),
) -> Camera:
    """Pixels 0..255, uint8 or float32 [n,channels,height,width], -> float32 maps.

    In C pixels lie as a camera writes them, [height,width,channels]; with `stream=True` they come
    in rows through a callback.
    shrink: the side of the squares of pixels of which each becomes one, their mean.
    mean, deviation: of pixels between 0 and 1, one number or one for each channel.

    Raises DataError for numbers that do not fit.
    """
    require(channels > 0, "channels", channels, "a positive number")
    require(shrink > 0, "shrink", shrink, "a positive number")
    return Camera(shrink, _standardised(channels, 1.0 / 255.0, mean, deviation))


def _standardised(channels: int, scale: float, mean: Levels, deviation: Levels) -> Standardised:
    centre = levels("mean", mean, channels)
    width = levels("deviation", deviation, channels, positive=True)
    return Standardised(scale / width, -centre / width)
