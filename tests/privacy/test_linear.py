"""Linear layers that read the input give it away exactly, single or in small batches."""

import numpy as np
import pytest
import torch
from torch import nn

import trainlet as tl
from trainlet.privacy.attacks.linear import reading_layer

from .networks import picture, sigmoid_net, victim


def mlp(classes: int = 4) -> nn.Module:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        layers = nn.Flatten(), nn.Linear(64, 120), nn.ReLU(), nn.Linear(120, classes)
        return nn.Sequential(*layers).eval()


def audited(batch: int, share: str, **options) -> tuple[tl.privacy.Row, ...]:
    y = np.arange(batch) % 4
    x = picture() if batch == 1 else np.random.default_rng(0).random((batch, 1, 8, 8)) - 0.5
    return tl.audit(
        mlp(), torch.zeros(batch, 1, 8, 8), x=x, y=y, shares=[share],
        attacks=["linear"], bounds=(-1, 1), naive=False, **options,
    ).rows  # fmt: skip


def test_one_example_is_a_quotient_of_two_gradients():
    (row,) = audited(1, "none")
    assert row.psnr_db > 90 and row.label_correct


@pytest.mark.parametrize(
    ("share", "least"), [("int8", 30), ("prune:0.8", 90), ("fp16", 50), ("clip:0.1", 90)]
)
def test_defences_hide_little_of_it(share, least):
    (row,) = audited(1, share)
    assert row.psnr_db > least


def test_a_memory_adds_what_it_held_back_to_later_rounds():
    one, eight = (
        audited(1, "topk:0.02", rounds=rounds, lr=0.1)[0].psnr_db for rounds in (1, 8)
    )  # fmt: skip
    assert one < 20 and eight > 30


@pytest.mark.parametrize("batch", [2, 5])
def test_a_batch_behind_a_relu_is_separated(batch):
    rows = audited(batch, "none")
    assert len(rows) == batch and min(row.psnr_db for row in rows) > 60


def test_another_first_layer_is_not_attacked():
    assert reading_layer(victim(sigmoid_net(), (1, 1, 8, 8))) is None
    assert reading_layer(victim(mlp(), (1, 1, 8, 8), {"3.weight": 1.0, "3.bias": 1.0})) is None
    assert reading_layer(victim(mlp(), (1, 1, 8, 8))) is not None
