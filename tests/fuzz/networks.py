"""Random small networks: layers over maps, then over tokens or vectors, then a classifier."""

from __future__ import annotations

from collections.abc import Callable

import hypothesis.strategies as st
import torch
import torch.nn.functional as F
from torch import Tensor, nn

Draw = Callable[..., object]
ACTIVATIONS = (
    nn.ReLU,
    nn.ReLU6,
    nn.Hardswish,
    nn.Hardsigmoid,
    nn.Sigmoid,
    nn.Tanh,
    nn.SiLU,
    nn.GELU,
    lambda: nn.GELU(approximate="tanh"),
    lambda: nn.ReLU(inplace=True),
)


class Residual(nn.Module):
    """x + f(x), or x * f(x), or both side by side."""

    def __init__(self, inner: nn.Module, how: str) -> None:
        super().__init__()
        self.inner, self.how = inner, how

    def forward(self, x: Tensor) -> Tensor:
        y = self.inner(x)
        if self.how == "concat":
            return torch.cat([y, x], dim=1)
        return {"add": x + y, "sub": x - y, "mul": x * y}[self.how]


class Gate(nn.Module):
    """Squeeze and excite."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.fc = nn.Conv2d(channels, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        return x * F.hardsigmoid(self.fc(F.adaptive_avg_pool2d(x, 1)))


class Halves(nn.Module):
    """The halves of the channels, one scaled and shifted, added and put beside their difference."""

    def forward(self, x: Tensor) -> Tensor:
        a, b = x.chunk(2, dim=1)
        return torch.cat([a * 0.5 + 1, b - a], dim=1)


class Twice(nn.Module):
    """One layer's parameters read two times."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.fc = nn.Linear(width, width)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc(torch.tanh(self.fc(x)))


class Attention(nn.Module):
    """Of several heads, by the library's function or written out."""

    def __init__(self, width: int, heads: int, written_out: bool) -> None:
        super().__init__()
        self.heads, self.written_out = heads, written_out
        self.qkv, self.proj = nn.Linear(width, 3 * width), nn.Linear(width, width)

    def forward(self, x: Tensor) -> Tensor:
        N, T, C = x.shape
        q, k, v = (
            part.reshape(N, T, self.heads, C // self.heads).transpose(1, 2)
            for part in self.qkv(x).chunk(3, dim=-1)
        )
        if self.written_out:
            scores = q @ k.transpose(-2, -1) / (C // self.heads) ** 0.5
            y = scores.softmax(dim=-1) @ v
        else:
            y = F.scaled_dot_product_attention(q, k, v)
        return x + self.proj(y.transpose(1, 2).reshape(N, T, C))


class Tokens(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x.flatten(2).transpose(1, 2)


class Mean(nn.Module):
    def __init__(self, *dims: int) -> None:
        super().__init__()
        self.dims = dims

    def forward(self, x: Tensor) -> Tensor:
        return x.mean(dim=self.dims)


def divisors(n: int) -> list[int]:
    return [k for k in range(1, n + 1) if n % k == 0]


class Builder:
    """Draws layers and keeps track of the shape, without the batch."""

    def __init__(self, draw: Draw, shape: tuple[int, ...]) -> None:
        self.draw, self.shape = draw, shape
        self.layers: list[nn.Module] = []

    def one_of(self, *choices):
        return self.draw(st.sampled_from(choices))

    def add(self, layer: nn.Module) -> None:
        self.layers.append(layer)
        with torch.no_grad():
            self.shape = tuple(nn.Sequential(layer).eval()(torch.zeros(1, *self.shape)).shape[1:])

    def convolution(self, channels: int, same: bool = False) -> nn.Module:
        kernel = (1, 3) if min(self.shape[1:]) < 3 or same else (1, 2, 3)
        size = self.one_of(*kernel)
        groups = self.one_of(*divisors(channels))
        outputs = channels if same else groups * self.one_of(1, 2, 3)
        step = 1 if same else self.one_of(1, 1, 2)
        conv = nn.Conv1d if len(self.shape) == 2 else nn.Conv2d
        bias = self.draw(st.booleans())
        return conv(channels, outputs, size, step, size // 2, groups=groups, bias=bias)

    def map_layer(self) -> None:
        channels, *size = self.shape
        flat = len(size) == 1
        kinds = ["convolution", "convolution", "activation", "norm", "residual"]
        kinds += ["pool"] if min(size) >= 4 else []
        kinds += ["halves"] if channels % 2 == 0 else []
        kinds += [] if flat else ["gate"]
        kind = self.one_of(*kinds)
        if kind == "convolution":
            self.add(self.convolution(channels))
        elif kind == "activation":
            self.add(self.one_of(*ACTIVATIONS)())
        elif kind == "norm":
            norm = nn.BatchNorm1d if flat else nn.BatchNorm2d
            groups = self.one_of(*divisors(channels))
            self.add(self.one_of(norm(channels), nn.GroupNorm(groups, channels)))
        elif kind == "residual":
            how = self.one_of("add", "add", "sub", "mul", "concat")
            inner = nn.Sequential(
                self.convolution(channels, same=True), self.one_of(*ACTIVATIONS)()
            )
            self.add(Residual(inner, how if channels <= 8 or how != "concat" else "add"))
        elif kind == "pool":
            pools = (nn.MaxPool1d, nn.AvgPool1d) if flat else (nn.MaxPool2d, nn.AvgPool2d)
            self.add(self.one_of(*pools)(*self.one_of((2,), (3, 2), (3, 1, 1))))
        elif kind == "gate":
            self.add(Gate(channels))
        else:
            self.add(Halves())

    def token_layer(self) -> None:
        width = self.shape[-1]
        kind = self.one_of("linear", "attention", "norm", "activation", "residual")
        if kind == "linear":
            self.add(nn.Linear(width, self.one_of(2, 4, 6), bias=self.draw(st.booleans())))
        elif kind == "attention":
            heads = self.one_of(*divisors(width)[:2])
            self.add(Attention(width, heads, self.draw(st.booleans())))
        elif kind == "norm":
            self.add(nn.LayerNorm(width, elementwise_affine=self.draw(st.booleans())))
        elif kind == "activation":
            self.add(self.one_of(*ACTIVATIONS)())
        else:
            inner = nn.Sequential(nn.Linear(width, width), self.one_of(*ACTIVATIONS)())
            self.add(Residual(inner, self.one_of("add", "mul")))

    def vector_layer(self) -> None:
        (width,) = self.shape
        choices = [nn.Linear(width, self.one_of(3, 5, 8)), nn.LayerNorm(width), Twice(width)]
        self.add(self.one_of(*choices, self.one_of(*ACTIVATIONS)()))


@st.composite
def networks(draw: Draw) -> tuple[nn.Module, tuple[int, ...], int]:
    """(model, shape of one example, classes), with values as after some training."""
    torch.manual_seed(draw(st.integers(0, 2**16)))
    start = draw(st.sampled_from(["image", "image", "image", "sequence", "tokens", "vector"]))
    sides = st.integers(3, 9)
    channels = draw(st.integers(1, 6))
    shape = {
        "image": (channels, draw(sides), draw(sides)),
        "sequence": (channels, 2 * draw(sides)),
        "tokens": (draw(st.integers(2, 6)), 2 * draw(st.integers(1, 4))),
        "vector": (draw(st.integers(2, 12)),),
    }[start]
    build = Builder(draw, shape)
    if start in ("image", "sequence"):
        for _ in range(draw(st.integers(1, 5))):
            build.map_layer()
        ends = ["flatten", "mean", "pool"] if start == "image" else ["flatten", "mean"]
        end = draw(st.sampled_from([*ends, "tokens"]))
        if end == "pool":
            build.add(nn.AdaptiveAvgPool2d(1))
        build.add({"tokens": Tokens(), "mean": Mean(*range(2, len(build.shape) + 1))}.get(
            end, nn.Flatten()))  # fmt: skip
    if len(build.shape) == 2:
        for _ in range(draw(st.integers(1, 3))):
            build.token_layer()
        build.add(Mean(1) if draw(st.booleans()) else nn.Flatten())
    for _ in range(draw(st.integers(0, 2))):
        build.vector_layer()
    classes = draw(st.integers(2, 5))
    build.add(nn.Linear(build.shape[0], classes))
    return lively(nn.Sequential(*build.layers)), shape, classes


def lively(model: nn.Module) -> nn.Module:
    """Norms that are not the identity."""
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.ndim == 1:
                parameter.add_(torch.empty_like(parameter).uniform_(-0.3, 0.3))
        for name, buffer in model.named_buffers():
            if name.endswith("running_mean"):
                buffer.uniform_(-0.5, 0.5)
            elif name.endswith("running_var"):
                buffer.uniform_(0.5, 2)
    return model.eval()
