"""trainlet search: from a network and examples to a scheme."""

from pathlib import Path

import numpy as np
import pytest

import trainlet as tl
from cli.data import write_data

QUICK = ("--epochs", "1", "--seeds", "1", "--rate", "0.1", "--jobs", "1")


def test_a_scheme_that_compiles(net, run):
    write_data("train.npz")
    words = ("search", net, "--data", "train.npz", "--ram", "16K", "-o", "scheme.toml", *QUICK)
    result = run(*words, "--picture", "gains.png")
    assert result.exit_code == 0, result.output
    scheme = tl.UpdateScheme.load("scheme.toml")
    assert {"2.weight", "2.bias"} <= set(scheme)
    assert Path("gains.png").read_bytes().startswith(b"\x89PNG")
    assert "parameters learn: scheme.toml" in result.stdout and "sum of the gains" in result.stdout
    planned = run("plan", net, "--scheme", "scheme.toml", "--ram", "16")
    assert planned.exit_code == 0, planned.output
    measured = Path("scheme.measured.jsonl").read_bytes()
    assert run(*words).exit_code == 0
    assert Path("scheme.measured.jsonl").read_bytes() == measured


def test_groups_learn_apart(net, run):
    write_data("train.npz", n=40, group=np.arange(40) % 2)
    result = run("search", net, "--data", "train.npz", "-o", "scheme.toml", *QUICK)
    assert result.exit_code == 0, result.output
    assert "measured, 2 runs" in result.stdout


@pytest.mark.parametrize(
    ("changes", "words", "why"),
    [
        ({"y": None}, (), "'y' is missing"),
        ({"x": np.zeros((31, 5))}, (), "x has shape"),
        ({"group": np.zeros(3)}, (), "one row of each for every example"),
        ({"y": np.full(31, 7)}, (), "labels in 7..7"),
        ({}, ("--target", "z80"), "unknown target"),
        ({}, ("--rate", "0"), "learning rates above 0"),
    ],
)
def test_what_is_wrong_is_told_before_anything_is_written(net, refused, changes, words, why):
    write_data("train.npz", **changes)
    said = refused("search", net, "--data", "train.npz", "-o", "scheme.toml", *QUICK, *words)
    assert why in said


def test_a_size_that_is_none_is_wrong_usage(net, run):
    write_data("train.npz")
    words = ("search", net, "--data", "train.npz", "-o", "scheme.toml", *QUICK)
    assert run(*words, "--ram", "much").exit_code == 2


def test_a_budget_too_small_for_anything_is_told_before_anything_is_measured(net, refused):
    write_data("train.npz")
    words = ("search", net, "--data", "train.npz", "-o", "scheme.toml", *QUICK)
    assert "the classifier alone, needs" in refused(*words, "--ram", "1K")


def test_an_interrupted_search_keeps_what_was_measured(net, run, monkeypatch):
    from trainlet.schemes import measurements

    write_data("train.npz")
    words = ("search", net, "--data", "train.npz", "-o", "scheme.toml", *QUICK)
    made, measure = [], measurements.measure

    def interrupted(study, scheme):
        if len(made) == 2:
            raise KeyboardInterrupt
        made.append(scheme)
        return measure(study, scheme)

    monkeypatch.setattr(measurements, "measure", interrupted)
    result = run(*words)
    assert result.exit_code == 130
    assert "the same command continues from there" in result.stderr
    assert len(Path("scheme.measured.jsonl").read_text().splitlines()) == 3
    monkeypatch.setattr(measurements, "measure", lambda s, c: made.append(c) or measure(s, c))
    assert run(*words).exit_code == 0
    assert len(made) == len(set(map(str, made)))


def test_factors_and_channels(net, run, refused):
    write_data("train.npz")
    words = ("search", net, "--data", "train.npz", "-o", "scheme.toml", *QUICK)
    # the first layer learns in no measurement of the classifier alone
    result = run(*words, "--factor", "0.*=0.5", "--factor", "2.*=2", "--channels", "norm")
    assert result.exit_code == 0, result.output
    head = Path("scheme.measured.jsonl").read_text().splitlines()[0]
    assert "'0.*': 0.5" in head and '"the channels": "norm"' in head
    assert "no trained parameter matches '9.*'" in refused(*words, "--factor", "9.*=2")
    assert "channels" in refused(*words, "--channels", "best")
