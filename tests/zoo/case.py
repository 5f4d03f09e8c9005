"""A network ready for a test: seeded, in eval mode, with values that a trained one might have."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

WEIGHTED = (nn.Linear, nn.Conv1d, nn.Conv2d)
NORMS = (nn.BatchNorm2d, nn.LayerNorm, nn.GroupNorm)


@dataclass(frozen=True)
class Case:
    model: nn.Module
    x: Tensor
    y: Tensor  # int64 labels
    classes: int


def make_case(
    build: Callable[[], nn.Module], shape: tuple[int, ...], classes: int, batch: int, seed: int = 0
) -> Case:
    """shape: of one example, without the batch."""
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        torch.manual_seed(seed)
        model = build().eval()
        _initialize(model)
        _calibrate(model, torch.randn(8, *shape))
        torch.manual_seed(seed + 1)
        x = torch.randn(batch, *shape)
        y = torch.randint(classes, (batch,))
    return Case(model, x, y, classes)


def _initialize(model: nn.Module) -> None:
    for module in model.modules():
        if isinstance(module, WEIGHTED):
            kind = "linear" if isinstance(module, nn.Linear) else "relu"
            nn.init.kaiming_normal_(module.weight, nonlinearity=kind)
            if module.bias is not None:
                nn.init.uniform_(module.bias, -0.1, 0.1)
        elif isinstance(module, NORMS):
            nn.init.uniform_(module.weight, 0.7, 1.3)
            nn.init.uniform_(module.bias, -0.1, 0.7)  # mostly open ReLUs: calm gradients


def _calibrate(model: nn.Module, x: Tensor) -> None:
    """Batch norms get the statistics of x, then a push off them; logits get a spread near one."""
    norms = [module for module in model.modules() if isinstance(module, nn.BatchNorm2d)]
    momentum = [norm.momentum for norm in norms]
    for norm in norms:
        norm.train()
        norm.momentum = 1.0
    model(x)
    for norm, usual in zip(norms, momentum, strict=True):
        norm.eval()
        norm.momentum = usual
        spread = norm.running_var.sqrt()
        norm.running_mean += 0.2 * spread * torch.randn_like(spread)
        norm.running_var *= torch.empty_like(spread).uniform_(0.7, 1.4)
    head = [module for module in model.modules() if isinstance(module, nn.Linear)][-1]
    head.weight /= model(x).std()
