"""trainlet profile: a table, JSON, a picture; and its errors."""

import json
from pathlib import Path

import numpy as np
import pytest


def test_a_table_and_a_picture(run, net):
    result = run("profile", net, "--scheme", "full", "--picture", "p.svg")
    assert result.exit_code == 0, result.output
    assert "linear_dw" in result.stdout and "unicorn" in result.stdout
    assert Path("p.svg").read_bytes().startswith(b"<?xml")
    assert sorted(p.name for p in Path().iterdir()) == ["net.pt2", "p.svg"]


def test_json_is_the_whole_output_and_repeats(run, net):
    words = ("profile", net, "--scheme", "last", "--target", "cortex-m4", "--json")
    first = run(*words)
    found = json.loads(first.stdout)
    assert found["target"] == "cortex-m4" and found["macs_forward"] == 2 * (6 * 8 + 8 * 3)
    rows = sum(row["instructions"] for row in found["rows"])
    assert rows == found["instructions_step"] + found["disturbance"]
    assert run(*words).stdout == first.stdout


def test_it_counts_what_the_other_options_choose(run, net):
    np.savez("shown.npz", x=np.random.default_rng(0).normal(size=(8, 6)).astype(np.float32))
    words = ("--scheme", "full", "--precision", "int8", "--calibration", "shown.npz", "--json")
    plain, integer = (
        run("profile", net, *words, "--gradient", gradient) for gradient in ("float32", "int16")
    )
    assert plain.exit_code == integer.exit_code == 0
    assert "to_bfp" in integer.stdout and "to_bfp" not in plain.stdout


def test_a_row_a_call(run, net):
    shown = run("profile", net, "--scheme", "last", "--nodes").stdout
    assert shown.count("│ linear ") == 2 and "2x6 8x6 -> 2x8" in shown


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (("--target", "host"), "not a microcontroller"),
        (("--on", "host"), "does not count instructions"),
        (("--picture", "p.jpg"), "cannot draw p.jpg"),
        (("--target", "z80"), "unknown target 'z80'"),
    ],
)
def test_refused(refused, net, words, why):
    assert why in refused("profile", net, "--scheme", "last", *words)
