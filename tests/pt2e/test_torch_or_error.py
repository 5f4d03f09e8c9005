"""What int8 computes is near torch, or it is refused: masks, clamps, random numbers, detach."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

import trainlet as tl
from trainlet.errors import UnsupportedError
from trainlet.frontends import quantized_importer
from trainlet.frontends.pt2e import quantize_module

from .support import decibels, draw, run

T, D = 4, 8


@pytest.fixture(autouse=True)
def _same_weights():
    torch.manual_seed(1)


CAUSAL = torch.tril(torch.ones(T, T, dtype=torch.bool))


class Attention(nn.Module):
    """Attends with a mask in a buffer, which `use` reads."""

    def __init__(self, mask: Tensor, use) -> None:
        super().__init__()
        self.register_buffer("mask", mask)
        self.qkv, self.head, self.use = nn.Linear(D, 3 * D), nn.Linear(T * D, 3), use
        nn.init.normal_(self.qkv.weight)

    def forward(self, x: Tensor) -> Tensor:
        q, k, v = self.qkv(x).chunk(3, -1)
        return self.head(self.use(q, k, v, self.mask).flatten(1))


def by_torch(q, k, v, mask):
    return F.scaled_dot_product_attention(q, k, v, attn_mask=mask)


def by_hand(q, k, v, mask):
    return torch.softmax(q @ k.transpose(1, 2) / 3 + mask, -1) @ v


def made_in_forward(q, k, v, mask):
    hidden = torch.ones(T, T).triu(1).bool()
    return by_torch(q, k, v, hidden.logical_not())


def multiplied(q, k, v, mask):
    """Booleans that are numbers."""
    return (q @ k.transpose(1, 2) * mask) @ v


ADDED = torch.zeros(T, T).masked_fill(~CAUSAL, -torch.inf)


@pytest.mark.parametrize(
    ("mask", "use"),
    [
        (CAUSAL, by_torch),
        (ADDED, by_torch),
        (ADDED, by_hand),
        (CAUSAL, made_in_forward),
        (CAUSAL, multiplied),
    ],
    ids=["boolean", "minus_infinity", "minus_infinity_by_hand", "made_in_forward", "multiplied"],
)
def test_a_mask_hides_what_it_hides_in_torch(mask, use):
    near_torch(Attention(mask, use), (T, D))


class Between(nn.Module):
    """Something between a layer and the head."""

    def __init__(self, middle) -> None:
        super().__init__()
        self.first, self.head, self.middle = nn.Linear(6, 8), nn.Linear(8, 3), middle

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.middle(self.first(x)))


CLAMPS = {
    "above": lambda h: h.clamp(min=0.25),
    "below": lambda h: h.clamp(max=0.25),
    "both": lambda h: h.clamp(-0.5, 0.25),
    "below_as_a_function": lambda h: torch.clamp_max(h, 0.125),
    "a_second_reader": lambda h: h.clamp(max=0.25) + h,
    "after_relu": lambda h: h.relu().clamp(max=0.25),
    "relu_after": lambda h: h.clamp(max=0.25).relu(),
}


@pytest.mark.parametrize("middle", CLAMPS.values(), ids=CLAMPS)
def test_a_clamp_keeps_its_bounds(middle):
    near_torch(Between(middle), (6,))


def near_torch(model: nn.Module, shape: tuple[int, ...]) -> None:
    rng = np.random.default_rng(0)
    batches = [draw(rng, 16, *shape) for _ in range(4)]
    x = draw(rng, 1, *shape)
    with torch.no_grad():
        wanted = model.eval()(torch.from_numpy(x)).numpy()
    assert decibels(wanted, run(quantize_module(model, x, batches), x)) > 25


@pytest.mark.parametrize(
    "middle",
    [
        lambda h: F.dropout(h, 0.5),
        lambda h: h + torch.rand_like(h),
        lambda h: F.scaled_dot_product_attention(h, h, h, dropout_p=0.1),
        lambda h: F.alpha_dropout(h, 0.5, training=True),
    ],
    ids=["dropout", "rand", "attention", "alpha_dropout"],
)
@pytest.mark.parametrize("qat", [None, lambda module: None], ids=["", "qat"])
def test_random_numbers_are_refused(middle, qat):
    refused(Between(middle), "random numbers", qat)


def refused(model: nn.Module, why: str, qat=None) -> None:
    x = np.ones((1, 6), np.float32)
    with pytest.raises(UnsupportedError, match=why):
        quantize_module(model, x, [draw(np.random.default_rng(0), 4, 6)], qat=qat)


def test_a_forward_that_changes_from_call_to_call_is_refused():
    class Growing(Between):
        calls = 0

        def forward(self, x: Tensor) -> Tensor:
            self.calls += 1
            return super().forward(x) * self.calls

    refused(Growing(F.relu), "does not compute what torch.export recorded")


def test_integers_as_results_are_refused():
    refused(Between(lambda h: h.argmax(1, keepdim=True) * h), "argmax")


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_parameters_of_other_types_are_refused(dtype):
    refused(Between(F.relu).to(dtype), "parameter 'first.weight' is torch.*float32")


def test_an_operator_that_errs_is_named(monkeypatch):
    """Both in floats and in integers."""
    add = quantized_importer.INTEGER_OPERATORS["add"]
    monkeypatch.setitem(
        quantized_importer.INTEGER_OPERATORS, "add", lambda at, op, a, b: add(at, op, a, a)
    )
    model, x = Between(lambda h: h + h.relu()), torch.randn(2, 6)
    refused(model, r"add \(module.*in int8 differs from torch by \d+")
    options: dict = {"target": "host", "precision": "int8", "calibration": [x]}
    assert tl.compile(model, x, "last", check=False, **options)


@pytest.mark.parametrize("block", [False, True], ids=["detach", "no_grad"])
def test_what_stands_behind_detach_does_not_learn(block):
    class Stopped(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first, self.second = nn.Linear(6, 8), nn.Linear(8, 8)
            self.head = nn.Linear(8, 3)

        def forward(self, x: Tensor) -> Tensor:
            if block:
                with torch.no_grad():
                    h = self.first(x).relu()
            else:
                h = self.first(x).relu().detach()
            return self.head(self.second(h).relu())

    rng = np.random.default_rng(0)
    x, batches = draw(rng, 1, 6), [draw(rng, 16, 6)]

    def compiled(*names: str):
        scheme = tl.UpdateScheme(dict.fromkeys((*names, "head.bias"), 1.0))
        options: dict = {"target": "host", "precision": "int8", "calibration": batches}
        return tl.compile(Stopped(), torch.from_numpy(x), scheme, **options)

    assert compiled("second.bias").arena_bytes
    with pytest.raises(tl.TrainletError, match="first.bias.*no gradient"):
        compiled("first.bias")
