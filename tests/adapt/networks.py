"""Small networks whose layers get adapters, and torch's own computation with these."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from torch import nn

from trainlet.ir.graph import Graph


def maps() -> tuple[nn.Module, torch.Tensor]:
    """Convolutions with every property that matters: a kernel with one row or several, stride,
    groups, a bias, a batch norm behind."""
    torch.manual_seed(0)
    net = nn.Sequential(
        nn.Conv2d(4, 8, 3, stride=2, padding=1, groups=2), nn.ReLU(),
        nn.Conv2d(8, 12, 1, bias=False), nn.BatchNorm2d(12), nn.ReLU(),
        nn.Conv2d(12, 12, 3, padding=1, groups=12), nn.ReLU(),
        nn.Conv2d(12, 8, (3, 2), stride=(2, 1), padding=(0, 1), bias=False), nn.BatchNorm2d(8),
        nn.Conv2d(8, 6, (1, 3), padding=(0, 1)), nn.ReLU(),
        nn.Flatten(), nn.Linear(6 * 1 * 5, 3),
    ).eval()  # fmt: skip
    for norm in (m for m in net if isinstance(m, nn.BatchNorm2d)):
        assert norm.running_mean is not None and norm.running_var is not None
        nn.init.uniform_(norm.weight, 0.5, 1.5)
        nn.init.uniform_(norm.running_mean, -0.3, 0.3)
        nn.init.uniform_(norm.running_var, 0.5, 1.5)
    return net, torch.randn(2, 4, 7, 7)


class _Tokens(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Linear(5, 8)
        self.mix = nn.Linear(8, 8, bias=False)
        self.norm = nn.LayerNorm(8)
        self.along = nn.Conv1d(8, 6, 3, padding=1)
        self.head = nn.Linear(6, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = torch.relu(self.embed(x))
        y = self.mix(self.mix(self.norm(y)).tanh())
        return self.head(self.along(y.transpose(1, 2)).mean(2))


def tokens() -> tuple[nn.Module, torch.Tensor]:
    """Linear layers of a sequence, one of which is called twice, and a convolution along it."""
    torch.manual_seed(1)
    return _Tokens().eval(), torch.randn(2, 4, 5)


def adapted_weights(
    model: nn.Module, graph: Graph, adapters: Mapping[str, torch.Tensor]
) -> dict[str, torch.Tensor]:
    """The parameters of the model with loralib's W + factor (B A) in the place of each W."""
    found: dict[str, torch.Tensor] = dict(model.named_parameters())
    for b in (n for n in graph.leaves("param") if "adapts" in n.attrs):
        weight, a = found[b.attrs["adapts"]], adapters[b.name.replace("lora_B", "lora_A")]
        found[b.attrs["adapts"]] = weight + b.attrs["factor"] * (adapters[b.name] @ a).view(
            weight.shape
        )
    return found


def with_drawn(graph: Graph, seed: int = 0) -> Graph:
    """The graph whose adapters' zeros are drawn numbers: zeros would hide a wrong gradient."""
    rng = np.random.default_rng(seed)
    drawn = {
        n.name: rng.normal(0, 0.3, n.type.shape).astype(np.float32)
        for n in graph.leaves("param")
        if n.attrs.get("adapter") == "lora_B"
    }
    return Graph(graph.outputs, {**graph.values, **drawn})
