"""compile compares the model's own gradients with those of what torch.export recorded."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn.utils import prune

import trainlet as tl
from imports.support import check_step, model
from trainlet.errors import TrainletError, UnsupportedError

X = torch.randn(2, 6, generator=torch.Generator().manual_seed(1))


class StraightThrough(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x: Tensor) -> Tensor:  # pyright: ignore
        return torch.relu(x)

    @staticmethod
    def backward(ctx, g: Tensor) -> Tensor:  # pyright: ignore
        return g


class Reversed(StraightThrough):
    @staticmethod
    def forward(ctx, x: Tensor) -> Tensor:  # pyright: ignore
        return x.view_as(x)

    @staticmethod
    def backward(ctx, g: Tensor) -> Tensor:  # pyright: ignore
        return -g


def hooked(s: Any, x: Tensor) -> Tensor:
    h = s.a(x)
    if h.requires_grad:
        h.register_hook(lambda g: 2 * g)
    return s.b(h)


def inferred(s: Any, x: Tensor) -> Tensor:
    with torch.inference_mode():
        z = torch.tanh(s.a(x))
    return s.b(s.a(x) * z.clone())


@pytest.mark.parametrize(
    "forward",
    [
        lambda s, x: s.b(StraightThrough.apply(s.a(x))),
        lambda s, x: s.b(Reversed.apply(s.a(x))),
        hooked,
        inferred,
    ],
    ids=["straight-through", "reversed", "hook", "inference_mode"],
)
def test_a_gradient_that_torch_export_does_not_record_is_refused(forward):
    net: Any = model(forward)
    net.a.requires_grad_(False)  # a scheme may train it all the same
    with pytest.raises(UnsupportedError, match=r"the gradient of 'a\.weight' in the model is not"):
        tl.compile(net, X, "full", target="host")
    assert not net.a.weight.requires_grad
    tl.compile(net, X, "full", target="host", check=False)


def test_hooks_of_modules_and_parameters():
    net: Any = model(lambda s, x: s.b(s.a(x)))
    net.b.register_full_backward_hook(lambda *_: None)  # it only looks on
    check_step(net, X)
    tl.compile(net, X, "full", target="host")
    net.b.register_full_backward_hook(lambda _, given, __: (3 * given[0],))
    with pytest.raises(UnsupportedError, match=r"the gradient of 'a\.weight'"):
        tl.compile(net, X, "full", target="host")
    other: Any = model(lambda s, x: s.b(s.a(x)))
    other.b.weight.register_hook(lambda g: 0 * g)
    with pytest.raises(UnsupportedError, match=r"'b\.weight' has a hook on its gradient"):
        tl.compile(other, X, "full", target="host")


def test_the_same_gradient_written_with_detach_is_taken():
    def forward(s: Any, x: Tensor) -> Tensor:
        h = s.a(x)
        return s.b(h + (torch.relu(h) - h).detach())

    net: Any = model(forward)
    tl.compile(net, X, "full", target="host")
    check_step(net, X)


def test_shared_weights_have_one_gradient_under_each_name():
    net: Any = model(lambda s, x: s.b(s.c(s.d(s.a(x)))))
    net.d, net.c = nn.Linear(8, 8), nn.Linear(8, 8)
    net.c.weight = net.d.weight
    tl.compile(net, X, "full", target="host")
    twice = nn.Linear(6, 6)
    tl.compile(nn.Sequential(twice, nn.ReLU(), twice, nn.Tanh(), twice), X, "full", target="host")


def test_compiling_leaves_the_buffers_as_they_were():
    def forward(s: Any, x: Tensor) -> Tensor:
        s.n += 1
        s.cache = s.cache + x.mean()
        return s.b(s.a(x))

    net: Any = model(forward)
    before = dict(net.named_buffers())
    tl.compile(net, X, "full", target="host")
    after = dict(net.named_buffers())
    assert all(after[name] is b for name, b in before.items())
    assert float(net.n) == 1 and not net.cache.any()


def test_a_model_that_cannot_be_copied():
    net: Any = model(lambda s, x: s.b(s.a(x)))
    prune.random_unstructured(net.a, "weight", 0.5)
    with pytest.raises(TrainletError, match=r"cannot be copied: .*prune\.remove"):
        tl.check(net, X)
