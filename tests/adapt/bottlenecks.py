"""Networks of inverted bottlenecks, and the lite residual module in torch."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional as F

from trainlet.ir.graph import Graph


class Bottleneck(nn.Module):
    def __init__(self, cin: int, cout: int, stride: int, normed: bool) -> None:
        super().__init__()
        mid = 3 * cin
        self.expand = nn.Conv2d(cin, mid, 1, bias=not normed)
        self.filter = nn.Conv2d(mid, mid, 3, stride, 1, groups=mid, bias=not normed)
        self.project = nn.Conv2d(mid, cout, 1, bias=not normed)
        self.norms = nn.ModuleList(
            nn.BatchNorm2d(c) if normed else nn.Identity() for c in (mid, mid, cout)
        )
        for norm in self.norms:
            if isinstance(norm, nn.BatchNorm2d):
                assert norm.running_mean is not None and norm.running_var is not None
                nn.init.uniform_(norm.running_mean, -0.2, 0.2)
                nn.init.uniform_(norm.running_var, 0.5, 1.5)
        self.skip = stride == 1 and cin == cout
        self.lite: nn.Module | None = None

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = F.relu6(self.norms[0](self.expand(x)))
        y = self.norms[2](self.project(F.relu6(self.norms[1](self.filter(y)))))
        if self.lite is not None:
            y = y + F.interpolate(self.lite(x), y.shape[2:], mode="bilinear")
        return x + y if self.skip else y


class Lite(nn.Module):
    """As in the authors' code, with the shapes of a graph's parameters."""

    def __init__(self, graph: Graph, name: str, stride: int) -> None:
        super().__init__()
        shapes = {
            n.name.removeprefix(f"{name}.lite."): graph.values[n.name].shape
            for n in graph.leaves("param")
            if n.name.startswith(f"{name}.lite.")
        }
        middle, half, kernel, _ = shapes["conv1.weight"]
        self.conv1 = nn.Conv2d(2 * half, middle, kernel, stride, kernel // 2, groups=2, bias=False)
        self.norm1 = nn.GroupNorm(middle // 8, middle)
        (outputs,) = shapes["norm2.bias"]
        self.conv2 = nn.Conv2d(middle, outputs, 1, bias=False)
        self.norm2 = nn.GroupNorm(max(1, outputs // 8), outputs)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = F.relu(self.norm1(self.conv1(F.avg_pool2d(x, 2))))
        return self.norm2(self.conv2(y))


STRIDES = {"2": 1, "3": 2, "4": 1, "5": 2, "6": 1}


def network(normed: bool = True) -> tuple[nn.Sequential, torch.Tensor]:
    """Maps of 13, 7 and 4 elements a side, with skips and without; two images."""
    torch.manual_seed(0)
    net = nn.Sequential(
        nn.Conv2d(3, 8, 3, padding=1), nn.ReLU(),
        Bottleneck(8, 8, 1, normed), Bottleneck(8, 16, 2, normed), Bottleneck(16, 16, 1, normed),
        Bottleneck(16, 8, 2, normed), Bottleneck(8, 8, 1, normed),
        nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 3),
    ).eval()  # fmt: skip
    return net, torch.randn(2, 3, 13, 13)


def with_modules(net: nn.Sequential, graph: Graph) -> nn.Sequential:
    """The network with lite residual modules of the graph's values, in float64."""
    for name, stride in STRIDES.items():
        block = net[int(name)]
        assert isinstance(block, Bottleneck)
        block.lite = Lite(graph, name, stride)
    values = {n.name: torch.tensor(graph.values[n.name]) for n in graph.leaves("param")}
    net.load_state_dict(values, strict=False)
    return net.double()
