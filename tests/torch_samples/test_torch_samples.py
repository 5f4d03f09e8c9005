"""torch's own samples of the operators that Trainlet knows: equal to torch, or refused by name."""

from __future__ import annotations

import logging
import warnings
from collections import Counter
from collections.abc import Iterator
from random import Random

import pytest
import torch
from torch.testing._internal.common_methods_invocations import op_db
from torch.testing._internal.opinfo.core import OpInfo

from torch_samples.counts import COUNTS
from torch_samples.sample import REFUSED, SAME, SKIPPED, WRONG, outcome, samples

SHARE = 1
"""Samples of each operator in the quick test."""


def name(op: OpInfo) -> str:
    return f"{op.name}.{op.variant_test_name}".rstrip(".")


KNOWN = [op for op in op_db if name(op) in COUNTS]


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    """torch warns of what it will give up, and logs each trace."""
    torch.manual_seed(0)
    logging.disable(logging.WARNING)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
    logging.disable(logging.NOTSET)


def check(op: OpInfo, share: int | None) -> Counter[str]:
    every = samples(op)
    if share is not None:
        every = Random(name(op)).sample(every, min(share, len(every)))
    found = [outcome(op, sample) for sample in every]
    wrong = [why for what, why in found if what == WRONG]
    assert not wrong, f"{name(op)}: {len(wrong)} of {len(every)} samples, {wrong[0]}"
    for what, why in found:
        assert what != REFUSED or why, f"{name(op)}: refused without a reason"
    return Counter(what for what, _ in found)


@pytest.mark.parametrize("op", KNOWN, ids=name)
def test_some_samples(op: OpInfo) -> None:
    check(op, SHARE)


@pytest.mark.samples
@pytest.mark.parametrize("op", KNOWN, ids=name)
def test_every_sample(op: OpInfo) -> None:
    """As many are equal and as many refused as `counts.py` says."""
    found = check(op, None)
    assert {k: found[k] for k in (SAME, REFUSED, SKIPPED)} == dict(
        zip((SAME, REFUSED, SKIPPED), COUNTS[name(op)], strict=True)
    )
