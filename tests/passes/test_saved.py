"""What the forward pass keeps, counted by hand."""

import pytest
import torch
from torch import nn

import trainlet as tl

LOGITS = 3 * 4
"""The loss's gradient reads them."""


class Two(nn.Module):
    """x [1, 4, 6, 6] -> 8 channels of 6 x 6 -> 8 channels of 3 x 3 -> 3 logits."""

    def __init__(self, activation: type[nn.Module]) -> None:
        super().__init__()
        self.first = nn.Conv2d(4, 8, 3, padding=1)
        self.second = nn.Conv2d(8, 8, 3, stride=2, padding=1)
        self.activation = activation()
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.fc = nn.Linear(8, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.activation(self.first(x))
        x = self.activation(self.second(x))
        return self.fc(self.pool(x).flatten(1))


def saved(activation: type[nn.Module] = nn.ReLU, batch: int = 1, **scheme: float) -> int:
    torch.manual_seed(0)
    model = Two(activation).eval()
    named = {name.replace("__", "."): ratio for name, ratio in scheme.items()}
    program = tl.compile(model, torch.zeros(batch, 4, 6, 6), named, target="host")
    assert program.report.saved_bytes == program.saved_bytes
    return program.saved_bytes


BIASES = {"first__bias": 1, "second__bias": 1, "fc__bias": 1}


@pytest.mark.parametrize("activation", [nn.ReLU, nn.ReLU6, nn.Hardsigmoid])
def test_one_bit_an_element_for_biases(activation):
    assert saved(activation, **BIASES) == 8 * 36 // 8 + 8 * 9 // 8 + LOGITS


def test_one_bit_an_element_for_each_example():
    assert saved(batch=3, **BIASES) == 3 * (36 + 9 + LOGITS)


def test_smooth_activations_keep_a_map():
    assert saved(nn.Tanh, **BIASES) == 4 * (8 * 36 + 8 * 9) + LOGITS
    assert saved(nn.SiLU, **BIASES) == 4 * (8 * 36 + 8 * 9) + LOGITS


def test_the_last_layer_alone():
    assert saved(fc__bias=1) == LOGITS
    assert saved(fc__weight=1) == LOGITS + 8 * 4
    assert saved(fc__weight=0.5) == LOGITS + 4 * 4


@pytest.mark.parametrize(
    ("ratio", "channels"), [(1, 8), (0.5, 4), (0.3, 2), (0.25, 2), (0.125, 1), (0.01, 1)]
)
def test_the_map_shrinks_with_the_share(ratio, channels):
    mask = 8 * 9 // 8
    assert saved(second__weight=ratio) == channels * 36 * 4 + mask + LOGITS


def test_the_models_own_input_counts():
    masks = 36 + 9
    assert saved(first__weight=1) == 4 * 36 * 4 + masks + LOGITS
    assert saved(first__weight=0.25) == 1 * 36 * 4 + masks + LOGITS


def test_a_map_that_two_gradients_read_counts_once():
    masks = 36 + 9
    alone = saved(second__weight=1)
    assert saved(second__weight=1, first__bias=1) == alone + masks - 9
