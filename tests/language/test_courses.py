"""The benchmark of language models measures the state whose validation loss was the lowest."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import numpy as np
import pytest

FOLDER = Path(__file__).parents[2] / "benchmarks"


class Walking:
    """A trainer of one number, whose loss is its distance from 1."""

    def __init__(self):
        self.at = 0.0

    def reset(self):
        self.at = 0.0

    def step(self, x, y, lr):
        self.at += lr

    def predict(self, x):
        return abs(self.at - 1)

    def save(self):
        return self.at

    def load(self, blob):
        self.at = blob


@pytest.fixture
def benchmark(monkeypatch):
    monkeypatch.syspath_prepend(str(FOLDER))
    spec = importlib.util.spec_from_file_location("language_model", FOLDER / "language_model.py")
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, "language_model", module)
    spec.loader.exec_module(module)
    return module


def test_the_best_state_of_a_course(benchmark):
    windows = benchmark.Windows(np.zeros((3, 4), np.int64), np.zeros((3, 4), np.int64))
    role = benchmark.Role("ROLE", windows, windows, windows)
    trainer = Walking()
    course = benchmark.Course(trainer, role, 0.11, 4)
    other = benchmark.Course(trainer, role, 0.01, 4)
    assert (course.steps, course.loss < other.loss) == (4, True)
    course.go_on(16)  # looks after 8, 12 and 16 steps: at 0.88, 1.32 and 1.76
    assert (course.done, course.steps, len(course.spent)) == (16, 8, 16)
    assert course.best == pytest.approx(0.88)
    assert course.loss == pytest.approx(0.12)


def test_rows_of_other_options_are_run_again(benchmark, tmp_path):
    asked = benchmark.argparse.Namespace(steps=9, search=2, tokens=8, windows=3, on="eager")
    row = benchmark.Row("full", "ROLE", 1, 2, 3.0, 4.0, 5.0, {"0.1": 1.0}, 0.1, 8, 1.0, 2.0)
    options, before, rows = benchmark.stored(path := tmp_path / "rows.json", asked)
    assert (before, rows) == ({}, [])
    report = {"options": options, "before": {"ROLE": 4.0}, "rows": [benchmark.asdict(row)]}
    path.write_text(benchmark.json.dumps(report))
    assert benchmark.stored(path, asked)[2] == [row]
    asked.steps = 10
    assert benchmark.stored(path, asked)[2] == []
