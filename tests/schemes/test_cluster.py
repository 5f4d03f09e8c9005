"""Measurements spread over a Ray cluster: the same file as without one."""

from __future__ import annotations

import sys
from types import SimpleNamespace

import numpy as np
import pytest

from schemes.small import EXAMPLE, QUICK, examples, network
from trainlet.errors import TrainletError
from trainlet.schemes.contribution import contribution


def measured(tmp_path, name, **how):
    file = tmp_path / name
    found = contribution(network(), examples(), EXAMPLE, **QUICK, **how, file=file)
    first, *rest = file.read_bytes().splitlines()
    return found, [first, *sorted(rest)]


@pytest.fixture
def fake(monkeypatch):
    """What is used of Ray, in this process; the last task is always done first."""
    calls = []

    def init(address, **_):
        calls.append(address)
        if address == "nowhere":
            raise ConnectionError("refused")

    def remote(**_):
        return lambda call: SimpleNamespace(remote=lambda *args: (call, args))

    module = SimpleNamespace(
        init=init, remote=remote, put=lambda value: value,
        shutdown=lambda: calls.append("shutdown"),
        wait=lambda waiting: (waiting[-1:], waiting[:-1]), get=lambda one: one[0](*one[1]),
    )  # fmt: skip
    monkeypatch.setitem(sys.modules, "ray", module)
    return calls


def test_the_same_file_and_bits(fake, tmp_path):
    here, lines = measured(tmp_path, "here.jsonl")
    there, others = measured(tmp_path, "there.jsonl", ray="10.0.0.1:6379")
    assert lines == others
    assert here.measurements.known.keys() == there.measurements.known.keys()
    for choice, accuracies in here.measurements.known.items():
        assert np.array_equal(accuracies, there.measurements.known[choice])
    assert fake == ["10.0.0.1:6379", "shutdown"]


def test_on_a_real_one(tmp_path):
    pytest.importorskip("ray", reason="the extra ray is not installed")
    assert measured(tmp_path, "here.jsonl")[1] == measured(tmp_path, "there.jsonl", ray="local")[1]


def test_no_cluster_answers(fake, tmp_path):
    with pytest.raises(TrainletError, match="no Ray cluster answers at nowhere: refused"):
        measured(tmp_path, "there.jsonl", ray="nowhere")


def test_ray_is_not_installed(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(TrainletError, match=r"pip install 'trainlet\[ray\]'"):
        measured(tmp_path, "there.jsonl", ray="local")
    assert not list(tmp_path.iterdir())
