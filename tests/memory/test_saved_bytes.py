"""What is kept for the backward pass, against what PyTorch's autograd keeps for the same update."""

import pytest
import torch
import torch.nn.functional as F

import trainlet as tl
from trainlet.torch.saved import learning
from zoo import NETWORKS, Case

TIMES = 10


def kept_by_autograd(case: Case, scheme: tl.UpdateScheme) -> int:
    """Bytes that autograd saves for the loss; parameters and buffers, which are there anyway, are
    left out."""
    with learning(case.model, scheme.ratios):
        return tl.torch.saved_bytes(case.model, lambda: F.cross_entropy(case.model(case.x), case.y))


def kept(case: Case, scheme: tl.UpdateScheme) -> int:
    return tl.compile(case.model, case.x, scheme, target="host").saved_bytes


def test_what_autograd_keeps_is_counted_right():
    """Of a linear layer, a ReLU and a linear layer: x, the ReLU's result, the log-probabilities."""
    model = torch.nn.Sequential(torch.nn.Linear(8, 6), torch.nn.ReLU(), torch.nn.Linear(6, 4))
    case = Case(model, torch.randn(2, 8), torch.tensor([0, 1]), 4)
    labels, weight_of_the_loss = 2 * 8, 4
    expected = 4 * (2 * 8 + 2 * 6 + 2 * 4) + labels + weight_of_the_loss
    assert kept_by_autograd(case, tl.schemes.full(model)) == expected


@pytest.mark.parametrize("batch", [1, 4])
def test_a_tenth_for_bias_and_last_of_mobilenet_v2(batch):
    case = NETWORKS["mobilenet_v2"](batch)
    assert case.x.shape[2:] == (128, 128)
    scheme = tl.schemes.bias(case.model)
    assert TIMES * kept(case, scheme) <= kept_by_autograd(case, scheme)


@pytest.mark.parametrize(
    ("preset", "share"), [("bias", 1), ("last", 1), ("norm", 1), ("full", 1.01)]
)
@pytest.mark.parametrize("name", NETWORKS)
def test_no_more_than_autograd(name, preset, share):
    """With everything trained both keep each layer's input; our ReLU's bits come on top."""
    case = NETWORKS[name](1)
    scheme = tl.schemes.preset(preset, case.model)
    assert kept(case, scheme) <= share * kept_by_autograd(case, scheme)
