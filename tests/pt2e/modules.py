"""Small networks, each with something that is easy to quantise wrongly."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class Sandwich(nn.Module):
    """A convolution, what is tried, a convolution that has to be fed integers."""

    def __init__(self, channels: int = 8) -> None:
        super().__init__()
        self.first = nn.Conv2d(3, channels, 3, padding=1)
        self.second = nn.Conv2d(channels, 6, 1)
        self.head = nn.LazyLinear(4)

    def middle(self, x: Tensor) -> Tensor:
        return x

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.second(self.middle(self.first(x))).flatten(1))


class Concat(Sandwich):
    def __init__(self) -> None:
        super().__init__(16)
        self.left = nn.Conv2d(16, 4, 1)
        self.right = nn.Conv2d(16, 12, 3, padding=1)

    def middle(self, x: Tensor) -> Tensor:
        y = self.left(x)
        return torch.cat([y, F.relu(self.right(x)), y[:, 1:3]], 1)[:, 2:]


class Gate(Sandwich):
    """A product of two maps, and one with a channel's scale."""

    def __init__(self) -> None:
        super().__init__()
        self.gate = nn.Conv2d(8, 8, 1)

    def middle(self, x: Tensor) -> Tensor:
        return x * F.relu6(self.gate(F.adaptive_avg_pool2d(x, 1))) * x


class Residual(Sandwich):
    """Added in place, clamped in place; and read again afterwards."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Conv2d(8, 8, 3, padding=1)

    def middle(self, x: Tensor) -> Tensor:
        y = self.body(F.relu(x))
        y += x
        z = F.relu_(y)
        return y + z


class BareClamp(Sandwich):
    """A clamp that cannot join the convolution, which others read too."""

    def middle(self, x: Tensor) -> Tensor:
        return F.relu(x) + x


class HardTanh(Sandwich):
    def middle(self, x: Tensor) -> Tensor:
        return F.hardtanh(x, -0.5, 0.75)


class Leaky(Sandwich):
    """A slope below zero has no integer form."""

    def middle(self, x: Tensor) -> Tensor:
        return F.leaky_relu(F.leaky_relu(x, 0.2), -0.3)


class Pools(Sandwich):
    def middle(self, x: Tensor) -> Tensor:
        x = F.pad(F.max_pool2d(x, 3, 2, 1), (1, 0, 2, 1))
        x = F.avg_pool2d(x, 3, 1, 1, count_include_pad=False)
        return F.adaptive_avg_pool2d(F.avg_pool2d(x, 2, 1), (1, 1))


class PaddedAverage(Sandwich):
    """TensorFlow Lite's average counts no padding: this one stays float."""

    def middle(self, x: Tensor) -> Tensor:
        return F.avg_pool2d(x, 3, 1, 1)


class Larger(Sandwich):
    """Up-sampled in three ways, with borders that mirror."""

    def __init__(self) -> None:
        super().__init__()
        self.up = nn.ConvTranspose2d(8, 8, 3, 2, 1, 1)
        self.body = nn.Conv2d(8, 32, 3, padding=1, padding_mode="reflect")

    def middle(self, x: Tensor) -> Tensor:
        x = self.up(F.interpolate(x, size=5))
        return F.pixel_shuffle(self.body(x), 2)


class Smoother(Sandwich):
    """Bilinear up-sampling, both ways to see corners, and smaller maps of its result."""

    def middle(self, x: Tensor) -> Tensor:
        x = F.interpolate(x, scale_factor=2, mode="bilinear")
        x = F.interpolate(x, size=(9, 13), mode="bilinear", align_corners=True)
        return F.interpolate(x, size=(4, 5))


class Decoder(Sandwich):
    """Transposed convolutions: clamped, without a bias, of a sequence."""

    def __init__(self) -> None:
        super().__init__()
        self.up = nn.ConvTranspose2d(8, 6, (2, 3), (2, 1), bias=False)
        self.line = nn.ConvTranspose1d(60, 8, 3, 2, dilation=2)

    def middle(self, x: Tensor) -> Tensor:
        y = F.relu6(self.up(x))
        return self.line(y.flatten(1, 2)[:, :60])[:, :, None]


class Shuffled(Sandwich):
    """Parts of channels, as ShuffleNet has them."""

    def middle(self, x: Tensor) -> Tensor:
        a, b = x.chunk(2, 1)
        return F.channel_shuffle(torch.cat([b, a], 1), 2).flip(1)


class GroupsTransposed(Sandwich):
    """The channels of its groups have no axis of the weight to themselves."""

    def __init__(self) -> None:
        super().__init__()
        self.up = nn.ConvTranspose2d(8, 8, 2, 2, groups=2)

    def middle(self, x: Tensor) -> Tensor:
        return self.up(x)


class DilatedMaximum(Sandwich):
    def middle(self, x: Tensor) -> Tensor:
        return F.max_pool2d(x, 2, 1, 0, 2)


class Geometry(Sandwich):
    """Groups, dilation, padding by name, a multiplier of channels."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(8, 8, 3, groups=4, dilation=2, padding="same"),
            nn.Conv2d(8, 8, 3, groups=8, stride=(2, 1), padding=1, bias=False),
            nn.Conv2d(8, 16, 3, groups=8),
            nn.Conv2d(16, 8, 1, bias=False),
        )

    def middle(self, x: Tensor) -> Tensor:
        return self.layers(x)


class Norms(Sandwich):
    """Batch norms that fold: without an affine part, after a linear layer, of another epsilon."""

    def __init__(self) -> None:
        super().__init__()
        self.plain = nn.Sequential(
            nn.Conv2d(8, 8, 3, padding=1, bias=False), nn.BatchNorm2d(8, affine=False)
        )
        self.norm = nn.Sequential(nn.Conv2d(8, 8, 1), nn.BatchNorm2d(8, eps=1e-2))

    def middle(self, x: Tensor) -> Tensor:
        return self.norm(F.relu(self.plain(x)))


class SharedBeforeNorm(Sandwich):
    """A batch norm that must not fold: the convolution before it is read twice."""

    def __init__(self) -> None:
        super().__init__()
        self.norm = nn.BatchNorm2d(8)
        nn.init.uniform_(self.norm.weight, 2, 3)

    def middle(self, x: Tensor) -> Tensor:
        return self.norm(x) + x


class TwiceTheSame(Sandwich):
    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Conv2d(8, 8, 3, padding=1)

    def middle(self, x: Tensor) -> Tensor:
        return self.body(F.relu(self.body(x)))


class DeadChannels(Sandwich):
    """A channel of zeros with a bias, one that is next to nothing, and one that never fires."""

    def __init__(self) -> None:
        super().__init__()
        with torch.no_grad():
            self.first.weight[0] = 0
            self.first.bias[0] = 7.0
            self.first.weight[1] *= 1e-12
            self.first.bias[2] = -100

    def middle(self, x: Tensor) -> Tensor:
        return F.relu(x)


class Tokens(Sandwich):
    """A linear layer over the last dimension of a permuted map."""

    def __init__(self) -> None:
        super().__init__()
        self.mix = nn.Linear(8, 8)

    def middle(self, x: Tensor) -> Tensor:
        n, c, h, w = x.shape
        y = self.mix(x.flatten(2).transpose(1, 2))
        return y.transpose(1, 2).reshape(n, c, h, w)


class TwoInputs(Sandwich):
    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        return self.head(self.second(self.first(x) + self.first(y)).flatten(1))


def build(kind: type[nn.Module], size: int = 8) -> nn.Module:
    """Seeded, in evaluation mode, its lazy head made."""
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        torch.manual_seed(0)
        model = kind()
        inputs = [torch.randn(4, 3, size, size)] * (2 if kind is TwoInputs else 1)
        for module in model.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.momentum = None
        model(*inputs)
        return model.eval()
