"""The tables of planted faults fit the code, and a fault is told from a test that cannot run."""

from __future__ import annotations

from pathlib import Path

import pytest

from mutants.mutant import Mutant, mutants
from mutants.run import ROOT, run_tests, verdict

ALL = mutants()


@pytest.mark.parametrize("mutant", ALL, ids=str)
def test_no_entry_is_stale(mutant):
    text = (ROOT / mutant.file).read_text()
    assert mutant.planted(text) != text


@pytest.mark.parametrize("mutant", ALL, ids=str)
def test_its_tests_are_there(mutant):
    for word in mutant.tests.split():
        if word.startswith("tests/"):
            file, _, name = word.partition("::")
            assert f"def {name.partition('[')[0]}" in (ROOT / file).read_text() if name else True
            assert (ROOT / file).exists()


def test_there_are_enough_of_every_area():
    areas = {m.area for m in ALL}
    assert {"passes", "plan", "kernels", "emitted", "importers", "run"} <= areas
    assert len(ALL) >= 60 and len({(m.file, m.old, m.new) for m in ALL}) == len(ALL)


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "src").mkdir()
    (tmp_path / "src/small.py").write_text("def double(x):\n    return 2 * x\n")
    (tmp_path / "test_small.py").write_text(
        "import small\ndef test_double():\n    assert small.double(3) == 6\n"
        "def test_zero():\n    assert small.double(0) == 0\n"
    )
    return tmp_path


@pytest.mark.parametrize(
    ("old", "new", "tests", "expected"),
    [
        ("2 * x", "3 * x", "test_small.py", "caught"),
        ("2 * x", "3 * x", "test_small.py -k zero", "escaped"),
        ("4 * x", "3 * x", "test_small.py", "stale"),
        ("2 * x", "2 *", "test_small.py", "broken"),
        ("2 * x", "3 * x", "test_small.py -k nothing", "broken"),
    ],
)
def test_verdicts(project, old, new, tests, expected):
    mutant = Mutant("small", "src/small.py", old, new, "no reason", tests)
    assert verdict(project, mutant)[0] == expected
    assert run_tests(project, "test_small.py")[0] == 0, "the file is as it was"
