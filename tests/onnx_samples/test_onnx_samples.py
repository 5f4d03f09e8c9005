"""ONNX's own backend tests: a model's outputs equal those that are expected, or it is refused."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

import pytest

pytest.importorskip("onnx", reason="needs pip install trainlet[onnx]")

from onnx_samples.counts import COUNTS
from onnx_samples.sample import FILES, REFUSED, SAME, WRONG, Sample, of_files, of_operators, outcome

pytestmark = pytest.mark.filterwarnings("ignore")


def counted(samples: Iterator[Sample]) -> dict[str, Counter[str]]:
    found: dict[str, Counter[str]] = {}
    for sample in samples:
        what, why = outcome(sample)
        assert what != WRONG, f"{sample.name}: {why}"
        assert what != REFUSED or why, f"{sample.name}: refused without a reason"
        found.setdefault(sample.group, Counter())[what] += 1
    return found


def check(found: dict[str, Counter[str]]) -> None:
    for group, many in found.items():
        if group in COUNTS:
            assert (many[SAME], many[REFUSED]) == COUNTS[group], group
        else:
            assert not many[SAME], f"{group} is not in counts.py"


@pytest.mark.parametrize("kind", FILES)
def test_models_of_files(kind):
    check(counted(of_files(kind)))


@pytest.mark.long
def test_every_operator():
    check(counted(of_operators()))
