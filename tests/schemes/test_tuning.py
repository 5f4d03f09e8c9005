"""The accuracy benchmark chooses rates whose neighbours are both measured."""

import sys
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

import numpy as np
import pytest

from trainlet.ir.scheme import UpdateScheme

PATH = Path(__file__).parents[2] / "benchmarks" / "schemes" / "tuning.py"


@pytest.fixture
def tuning(monkeypatch):
    spec = spec_from_file_location("tuning_of_benchmark", PATH)
    module = module_from_spec(spec)
    monkeypatch.setitem(sys.modules, spec.name, module)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("best, edge", [(0.0003, False), (0.03, False), (1.0, False), (30, True)])
def test_the_grid_grows_until_the_best_rate_is_inside(tuning, monkeypatch, best, edge):
    def measured(study, scheme, rates):
        return {rate: np.array([1 - abs(np.log(rate / best))]) for rate in rates}

    monkeypatch.setattr(tuning, "_measured", measured)
    found = tuning.tuned(None, UpdateScheme({"a": 1.0}), (0.01, 0.03, 0.1))
    assert found.rate == best
    assert found.at_edge == edge
    assert min(found.by_rate) < best
