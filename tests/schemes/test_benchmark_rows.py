"""The accuracy benchmark keeps each row, and continues after an interruption."""

import sys
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

import pytest

PATH = Path(__file__).parents[2] / "benchmarks" / "schemes" / "rows.py"


@pytest.fixture
def rows(monkeypatch):
    spec = spec_from_file_location("rows_of_benchmark", PATH)
    module = module_from_spec(spec)
    monkeypatch.setitem(sys.modules, spec.name, module)
    spec.loader.exec_module(module)
    return module.Rows


def test_known_rows_are_not_made_again(rows, tmp_path):
    file, head = tmp_path / "a.rows.jsonl", {"task": "a"}
    first = rows(file, head)
    assert first.row("last", lambda: {"accuracy": 0.5})["accuracy"] == 0.5
    with file.open("a") as opened:
        opened.write('{"method": "bias", "accu')  # stopped here
    again = rows(file, head)
    assert again.row("last", lambda: pytest.fail("made again"))["accuracy"] == 0.5
    again.row("bias", lambda: {"accuracy": 0.75})
    known = rows(file, head).known
    assert [(name, row["accuracy"]) for name, row in known.items()] == [
        ("last", 0.5),
        ("bias", 0.75),
    ]


def test_rows_of_other_settings_are_refused(rows, tmp_path):
    rows(tmp_path / "a", {"tested": "3"})
    with pytest.raises(SystemExit, match="other settings"):
        rows(tmp_path / "a", {"tested": "1"})
