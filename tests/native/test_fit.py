"""Whole data sets through a trainer: orders, last batches that are not full, what is averaged."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

import trainlet as tl
from trainlet.run.dataset import Dataset
from trainlet.run.fit import fit, score

EXAMPLES, BATCH = 7, 3


@pytest.fixture(scope="module")
def model() -> nn.Module:
    torch.manual_seed(0)
    return nn.Linear(4, 3).eval()


@pytest.fixture(scope="module")
def trainer(model):
    program = tl.compile(model, torch.zeros(BATCH, 4), "full", target="host")
    with program.build("host") as made:
        yield made


@pytest.fixture(scope="module")
def data() -> Dataset:
    rng = np.random.default_rng(0)
    x = rng.standard_normal((EXAMPLES, 4)).astype(np.float32)
    return Dataset(x, rng.integers(0, 3, EXAMPLES).astype(np.int32))


def test_a_last_batch_that_is_not_full_counts_as_its_examples(trainer, model, data):
    *_, last = score(trainer, data)
    with torch.no_grad():
        logits = model(torch.from_numpy(data.x))
    labels = torch.from_numpy(data.y).long()
    wanted = nn.functional.cross_entropy(logits, labels).item()
    assert last.done == last.total == 3
    assert last.loss == pytest.approx(wanted, rel=1e-6)
    assert last.accuracy == pytest.approx((logits.argmax(1) == labels).float().mean().item())


def test_each_epoch_has_another_order(trainer, data, monkeypatch):
    seen: list[bytes] = []
    step = trainer.step
    monkeypatch.setattr(
        trainer, "step", lambda x, y, lr: seen.append(x.tobytes()) or step(x, y, lr)
    )
    assert len(list(fit(trainer, data, epochs=3, lr=0.0))) == 3 * (EXAMPLES // BATCH)
    assert len(set(seen)) == len(seen)
