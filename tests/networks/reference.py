"""What PyTorch's autograd says, in float64: gradients, and the losses of a run of SGD."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from copy import deepcopy
from unittest.mock import patch

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from trainlet import UpdateScheme
from zoo import Case

Arrays = dict[str, np.ndarray]
_TRANSPOSED = (torch.nn.ConvTranspose1d, torch.nn.ConvTranspose2d)


def input_channels(model: torch.nn.Module, name: str) -> tuple[int, int]:
    """The axis along which a parameter's input channels or groups lie, and how many there are."""
    owner, _, _ = name.rpartition(".")
    module, parameter = model.get_submodule(owner), model.get_parameter(name)
    groups, transposed = getattr(module, "groups", 1), isinstance(module, _TRANSPOSED)
    axis = 0 if groups > 1 or transposed or parameter.ndim == 1 else 1
    return axis, groups if groups > 1 and parameter.ndim > 1 else parameter.shape[axis]


def trained_part(model: torch.nn.Module, scheme: UpdateScheme, name: str) -> np.ndarray:
    """Ones where a parameter learns: in its chosen input channels; in a grouped convolution, whose
    input channels belong to groups, in its chosen groups."""
    parameter, rule = model.get_parameter(name), scheme.rule(name)
    if scheme[name] == 1:
        return np.ones(parameter.shape)
    axis, units = input_channels(model, name)
    weight = np.moveaxis(parameter.detach().double().numpy(), axis, 0)
    learn = max(1, int(np.floor(scheme[name] * units + 0.5)))
    if rule == "norm":
        norms = (weight.reshape(units, -1) ** 2).sum(1)
        rule = np.argsort(-norms, kind="stable")[:learn]
    chosen = list(range(learn) if isinstance(rule, str) else rule)
    part = np.zeros(weight.shape)
    part.reshape(units, -1)[chosen] = 1
    return np.moveaxis(part, 0, axis)


@contextmanager
def in_float64() -> Iterator[None]:
    """What a model's forward makes by itself is float64 too."""
    torch.set_default_dtype(torch.float64)
    try:
        with patch.object(Tensor, "float", Tensor.double):  # a cast that says nothing here
            yield
    finally:
        torch.set_default_dtype(torch.float32)


def contiguous_gradients(model: torch.nn.Module) -> torch.nn.Module:
    """PyTorch 2.13 takes wrong gradients of a batch norm in evaluation mode, when what comes
    back is strided otherwise than what went in (as from a layer norm of tokens)."""

    def watch(norm: torch.nn.Module, given: tuple[Tensor], result: Tensor) -> None:
        if result.requires_grad:
            result.register_hook(Tensor.contiguous)

    for module in model.modules():
        if isinstance(module, (torch.nn.BatchNorm1d, torch.nn.BatchNorm2d)):
            module.register_forward_hook(watch)
    return model


def run_sgd(
    case: Case,
    scheme: UpdateScheme,
    lr: float = 0.0,
    steps: int = 1,
    criterion: Callable[[Tensor, Tensor], Tensor] = F.cross_entropy,
) -> tuple[list[float], Arrays]:
    """The loss of each step, and the gradients of the first; a frozen part has gradient zero."""
    model, x = contiguous_gradients(deepcopy(case.model).double()), case.x.double()
    losses: list[float] = []
    first: Arrays = {}
    parts = {name: torch.from_numpy(trained_part(model, scheme, name)) for name in scheme}
    with in_float64():
        for _ in range(steps):
            model.zero_grad()
            loss = criterion(model(x), case.y)
            loss.backward()
            losses.append(loss.item())
            gradients = {n: p * model.get_parameter(n).grad for n, p in parts.items()}
            first = first or {n: g.numpy().copy() for n, g in gradients.items()}
            with torch.no_grad():
                for name, gradient in gradients.items():
                    model.get_parameter(name).sub_(lr * gradient)
    return losses, first


def relative(found: np.ndarray, expected: np.ndarray) -> float:
    """The largest difference over the largest expected value."""
    assert found.shape == expected.shape
    scale = np.abs(expected).max()
    return float(np.abs(found - expected).max() / scale)


def worst(found: Arrays, expected: Arrays) -> tuple[float, str]:
    """The parameter whose gradient is furthest off."""
    assert set(found) == set(expected)
    return max((relative(found[name], expected[name]), name) for name in expected)
