"""Contribution analysis: what is measured, that it is the device's bits, and its file."""

from __future__ import annotations

import json

import numpy as np
import pytest

import trainlet as tl
from schemes.small import EXAMPLE, QUICK, examples, network
from trainlet.errors import DataError, FileError
from trainlet.run.dataset import Dataset
from trainlet.schemes.gains import at_best, choices
from trainlet.schemes.layers import Choice, layers_of
from trainlet.schemes.measure import measure, program_of

EVERYTHING = 3 + 2 * 2  # k = 0, 1, 2; two shares of two weights


def contribution(**options):
    given = {**QUICK, **options}
    return tl.schemes.contribution(network(), examples(), EXAMPLE, **given)


@pytest.fixture
def file(tmp_path):
    return tmp_path / "measured.jsonl"


def test_layers_and_what_is_measured_of_them():
    layers = layers_of(tl.prepare(network(), EXAMPLE), (0.5, 1.0))
    assert layers.head == ("6.weight", "6.bias")
    assert [(la.weight, la.biases) for la in layers.body] == [
        ("0.weight", ("0.bias",)), ("2.weight", ("2.bias",))
    ]  # fmt: skip
    assert len(choices(layers)) == EVERYTHING
    chosen = Choice.of(2, [(0, 0.5)]).scheme(layers)
    assert dict(chosen.ratios) == {
        "6.weight": 1, "6.bias": 1, "0.bias": 1, "2.bias": 1, "0.weight": 0.5
    }  # fmt: skip


def test_shares_that_train_the_same_channels_are_one():
    layers = layers_of(tl.prepare(network(), EXAMPLE), (0.125, 0.25, 0.5, 1.0))
    assert layers.body[0].shares == (0.125, 1.0)  # 2 channels: 1, 1, 1, 2
    assert layers.body[1].shares == (0.125, 0.5, 1.0)  # 4 channels: 1, 1, 2, 4


def test_gains_are_differences_of_what_was_measured():
    found = contribution()
    known = found.measurements.known
    alone = at_best(known[Choice()])
    assert found.biases[0].mean == 0
    assert found.biases[2].mean == pytest.approx((at_best(known[Choice(2)]) - alone).mean())
    weight = at_best(known[Choice.of(1, [(1, 0.5)])]) - at_best(known[Choice(1)])
    assert found.weights[1, 0.5].mean == pytest.approx(weight.mean())
    assert found.weights[1, 0.5].spread == pytest.approx(weight.std())
    assert len(known) == EVERYTHING and any(gain.mean for gain in found.weights.values())


@pytest.mark.parametrize("precision", [None, tl.Int8(gradient="int8")])
def test_a_measurement_is_what_the_compiled_trainer_reaches(precision):
    x, y = examples()
    calibration = None if precision is None else [x]
    found = contribution(precision=precision, calibration=calibration, seeds=1, rates=(0.3,))
    study, scheme = found.measurements.study, Choice(2).scheme(found.layers)
    run = study.runs[0]
    assert not set(run.learn) & set(run.validation)
    rng, steps = np.random.default_rng(run.seed), 2 * len(run.learn)
    order = np.concatenate([rng.permutation(run.learn) for _ in range(2)])
    with program_of(study, scheme).build("host") as trainer:
        for step, row in enumerate(order):
            lr = float(np.float32(0.3) * (1 - step / steps))
            trainer.step(x[row : row + 1], y[row : row + 1], lr)
        right = [int(trainer.predict(x[k : k + 1]).argmax()) == y[k] for k in run.validation]
    assert measure(study, scheme).item() == pytest.approx(np.mean(right))


def test_what_is_in_the_file_is_not_measured_again(file, monkeypatch):
    whole = contribution(file=file)
    lines = file.read_bytes().splitlines(keepends=True)
    assert len(lines) == 1 + EVERYTHING
    file.write_bytes(b"".join(lines[:-1]) + lines[-1][:20])  # killed while it wrote
    made = []
    monkeypatch.setattr(
        "trainlet.schemes.measurements.measure", lambda s, c: made.append(c) or measure(s, c)
    )
    again = contribution(file=file)
    assert len(made) == 1
    assert again.gains == whole.gains
    assert file.read_bytes() == b"".join(lines)


def test_a_file_of_something_else_is_refused(file):
    contribution(file=file)
    before = file.read_bytes()
    for options, what in (({"epochs": 1}, "the epochs"), ({"rates": (0.1,)}, "the rates")):
        with pytest.raises(FileError, match=f"another study, which differs in {what}; name"):
            contribution(file=file, **options)
    with pytest.raises(FileError, match="differs in the network"):
        tl.schemes.contribution(network(1), examples(), EXAMPLE, file=file, **QUICK)
    assert file.read_bytes() == before
    file.write_text("x\n")
    with pytest.raises(FileError, match="no file of measurements"):
        contribution(file=file)


def test_a_damaged_line_is_named(file):
    contribution(file=file)
    head, first, *rest = file.read_text().splitlines(keepends=True)
    file.write_text(head + json.dumps({**json.loads(first), "biases": "x"}) + "\n" + "".join(rest))
    with pytest.raises(FileError, match="line 2 is damaged"):
        contribution(file=file)


def test_processes_measure_the_same():
    assert contribution(jobs=2).gains == contribution().gains


def test_episodes_learn_apart():
    x, y = examples()
    parts = [Dataset(x[k::4], y[k::4]) for k in range(4)]
    episodes = [tl.schemes.Episode(*parts[:2]), tl.schemes.Episode(*parts[2:])]
    found = tl.schemes.contribution(network(), episodes, EXAMPLE, **QUICK)
    assert found.accuracy(Choice()).shape == (4,)  # two episodes, two seeds


@pytest.mark.parametrize(
    ("data", "why"),
    [
        ("train.npz", "allowed: arrays"),
        ((np.zeros((4, 2, 8, 8)), np.zeros(3, int)), "as many labels"),
        ((np.zeros((4, 2, 8, 9)), np.zeros(4, int)), "x has shape"),
        ((np.zeros((3, 2, 8, 8)), np.arange(3)), "at least 2 of some class"),
    ],
)
def test_bad_data(data, why):
    with pytest.raises(DataError, match=why):
        tl.schemes.contribution(network(), data, EXAMPLE, **QUICK)
