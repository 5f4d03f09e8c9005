"""Models made of one function, and a step compared with autograd's."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

import trainlet as tl
from networks.gradients import user_gradient
from trainlet.compiler import Scheme
from trainlet.ir.storage import to_device
from trainlet.run.evaluate import evaluate_graph

Forward = Callable[[nn.Module, Tensor], Tensor]
Variant = Callable[[nn.Module, Tensor], Tensor]


class Model(nn.Module):
    """`forward` between two linear layers `a` and `b`; `s` gives it parameters and buffers."""

    def __init__(self, forward: Forward) -> None:
        super().__init__()
        self.a, self.b = nn.Linear(6, 8), nn.Linear(8, 3)
        self.g = nn.Parameter(torch.tensor(1.5))
        self.register_buffer("n", torch.ones(1))
        self.register_buffer("cache", torch.zeros(2, 8))
        self.inner = forward

    def forward(self, x: Tensor) -> Tensor:
        return self.inner(self, x)


class Around(nn.Module):
    """A variant of [2, 4, 6, 6] maps between a convolution and a sum over what it returns."""

    def __init__(self, variant: Variant) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.conv = nn.Conv2d(3, 4, 3, padding=1)
        self.p = nn.Parameter(torch.randn(4, 1, 1))
        self.w = nn.Parameter(torch.randn(4, 1, 3, 2) / 3)
        self.fc = nn.LazyLinear(3)
        self.register_buffer("divisor", torch.tensor([[[1.5]], [[-2.0]], [[0.5]], [[4.0]]]))
        self.register_buffer("causal", nn.Transformer.generate_square_subsequent_mask(6))
        self.register_buffer("seen", torch.tril(torch.ones(6, 6)).bool())
        self.variant = variant
        with torch.no_grad():
            self(torch.zeros(2, 3, 6, 6))

    def forward(self, x: Tensor) -> Tensor:
        return self.fc(self.variant(self, self.conv(x)).reshape(2, -1))


def model(forward: Forward) -> nn.Module:
    torch.manual_seed(0)
    return Model(forward).eval()


def check_step(model: nn.Module, *xs: Tensor, scheme: Scheme = "full") -> None:
    """Logits, loss and gradients equal torch's, and the same parameters have any."""
    graph = tl.prepare(model, xs, check=False)
    step = tl.train(graph, scheme, stop_after="prune").step
    logits = model(*(x.clone() for x in xs))
    y = torch.arange(len(logits)) % logits.shape[1]
    F.cross_entropy(logits, y).backward()
    inputs = step.leaves("input")[:-1]
    fed = {n.name: to_device(n, step.values[n.name]) for n in step.leaves("const", "param")}
    fed |= {n.name: to_device(n, x.numpy()) for n, x in zip(inputs, xs, strict=True)}
    found = evaluate_graph(step, fed | {"target": y.numpy().astype(np.int32)})
    np.testing.assert_allclose(found["logits"], logits.detach(), rtol=1e-4, atol=1e-5)
    expected = {name: p.grad for name, p in model.named_parameters() if p.grad is not None}
    gradients = {
        p.name: user_gradient(p, found[f"grad.{p.name}"])
        for p in step.leaves("param")
        if f"grad.{p.name}" in found
    }
    assert set(gradients) == set(expected)
    for name, gradient in gradients.items():
        np.testing.assert_allclose(gradient, expected[name], rtol=1e-4, atol=1e-5, err_msg=name)
