"""The soak itself: it finds what is planted, makes it small, and its runs add up."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from soak.difference import Difference
from soak.draw import Case, draw_case
from soak.options import Options
from soak.outcome import Outcome, outcome, write_script
from soak.recipe import Line, Recipe
from soak.reduce import reduced
from soak.table import table
from trainlet.errors import PlanError, SchemeError
from trainlet.ops.op import OPS

TESTS = Path(__file__).parents[1]
SMALL = Recipe(
    ((1, 2, 4, 5), (1, 2, 4, 5)),
    (
        Line("v0", "v0 = x0 * x1"),
        Line("v1", "v1 = self.m1(v0)"),
        Line("v2", "v2 = F.relu(v1)"),
        Line("v3", "v3 = v2 + v0.mean(1, keepdim=True)"),
    ),
    {"m1": "self.m1 = nn.Conv2d(2, 4, 3, padding=1)"},
    "v3",
)
CASE = Case(SMALL.fitted(), 7, Options(target="cortex-m7", optimizer="adam", level="-O1"))


def test_a_number_is_always_the_same_network():
    first, again = draw_case(5), draw_case(5)
    assert first == again and first != draw_case(6)
    assert first.recipe.source() == again.recipe.source()


@pytest.mark.parametrize("precision", ["float32", "int8"])
def test_a_sound_network_is_equal_everywhere(precision):
    options = replace(CASE.options, precision=precision, gradient="int16")
    assert outcome(replace(CASE, options=options)) == Outcome("equal")


def test_another_meaning_is_found(monkeypatch):
    """A ReLU whose gradient is twice as large in the compiler; in the C it is not."""
    record = OPS["mask_dx"]
    wrong = replace(record, eval=lambda *a, **k: np.float32(2) * record.eval(*a, **k))
    monkeypatch.setitem(OPS, "mask_dx", wrong)
    assert outcome(CASE).kind == "a gradient is not torch's"
    other = replace(CASE, options=replace(CASE.options, precision="int8"))
    assert outcome(other).kind == "the host's C has other bits"


def test_errors_are_refusals_but_not_those_of_our_own_making(monkeypatch):
    def failing(error: Exception) -> Outcome:
        def check(*_: object) -> str:
            raise error

        monkeypatch.setattr("soak.outcome.check", check)
        return outcome(CASE)

    refused = failing(SchemeError("parameter 'v1.weight' has ratio 0.25"))
    assert (refused.result, refused.kind) == ("refused", "SchemeError: parameter .. has ratio #")
    assert failing(PlanError("bytes 3..4 overlap")).result == "failed"
    assert failing(Difference("the arena has other bits", "in the loss")).result == "failed"
    assert failing(IndexError("out of range")).kind.startswith("IndexError at ")


def test_a_failure_is_made_small():
    """Any network that reads a convolution fails, with Adam."""

    def fails(case: Case) -> bool:
        return "Conv2d" in case.recipe.source() and case.options.optimizer == "adam"

    small = reduced(CASE, fails)
    assert [line.text for line in small.recipe.lines] == ["v1 = self.m1(x0)"]
    assert small.options == Options(optimizer="adam")
    assert {n for shape in small.recipe.inputs for n in shape} <= {1, 2}


def test_the_script_shows_it_again(tmp_path):
    path = write_script(CASE, Outcome("failed", "a kind", 'a """detail"""'), tmp_path, "abc")
    command = [sys.executable, str(path)]
    environment = {"PYTHONPATH": f"{TESTS.parent / 'src'}:{TESTS}", "PATH": "/usr/bin:/bin"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300)
    assert done.stdout.strip() == "equal", done.stderr


def record(number: int, result: str, **more: object) -> dict:
    options = {**Options().all(), **more}
    kind = "a kind" if result == "failed" else ""
    return {"number": number, "commit": "abc", "seconds": 1.0, "result": result, "kind": kind,
            "detail": "", "options": options}  # fmt: skip


def test_the_table_counts():
    text = table([record(0, "equal"), record(1, "failed", tile=True), record(2, "equal")])
    assert "| all | 3 | 2 | 0 | 0 | 1 |" in text
    assert "| tile True | 1 | 0 | 0 | 0 | 1 |" in text
    assert "- 1 x a kind (network 1)" in text and "abc (3)" in text


@pytest.mark.long
def test_runs_add_up(tmp_path):
    command = [sys.executable, "-m", "soak.run", "--networks", "2", "--jobs", "2"]
    environment = {"PYTHONPATH": f"{TESTS.parent / 'src'}:{TESTS}", "PATH": "/usr/bin:/bin"}
    for _ in range(2):
        subprocess.run([*command, "--folder", str(tmp_path)], env=environment, timeout=600)
    lines = (tmp_path / "log.jsonl").read_text().splitlines()
    assert sorted(json.loads(line)["number"] for line in lines) == [0, 1, 2, 3]
