"""Commands show on a terminal what they are doing, and nothing where there is none."""

import io
import threading

import pytest
import torch
from rich.console import Console
from torch import nn

import trainlet as tl
from cli.data import write_data
from trainlet.cli import screen
from trainlet.frontends.calibration import calibrate
from trainlet.progress import listening, stage


def heard(work) -> list[tuple[str, int, int]]:
    found: list[tuple[str, int, int]] = []
    with listening(lambda *what: found.append(what)):
        work()
    return found


def test_a_compilation_says_its_stages_in_their_order():
    model = nn.Sequential(nn.Linear(4, 3)).eval()
    found = heard(lambda: tl.compile(model, torch.zeros(1, 4), "full").report)
    assert list(dict.fromkeys(name for name, *_ in found)) == [
        "load", "freeze", "layout", "fold", "channels", "differentiate", "prune", "split",
        "update", "fuse", "lower", "schedule", "tile", "measure",
    ]  # fmt: skip


@pytest.mark.parametrize(("size", "counts"), [(4, [0, 1, 2, 3]), (None, [0, 1])])
def test_calibration_says_how_far_it_is(size, counts):
    """A network of batch 4 takes ten rows in three parts, and two in one."""
    batches = [[torch.zeros(10, 3)], [torch.zeros(2, 3)]]
    found = heard(lambda: calibrate(nn.Linear(3, 2), batches, size, None))
    assert found == [("calibrate", k, len(counts)) for k in counts]


def test_who_does_not_listen_hears_nothing():
    found: list[str] = []
    with listening(lambda name, *_: found.append(name)):
        stage("one")
        with listening(lambda *_: None):
            stage("hidden")
        thread = threading.Thread(target=stage, args=("of another thread",))
        thread.start()
        thread.join()
        stage("two")
    stage("late")
    assert found == ["one", "two"]


@pytest.fixture
def terminal(monkeypatch) -> io.StringIO:
    shown = io.StringIO()
    monkeypatch.setattr(screen, "ERR", Console(file=shown, force_terminal=True, width=120))
    return shown


@pytest.mark.parametrize(
    ("words", "last"),
    [
        (("compile", "--scheme", "last"), "write"),
        (("plan", "--scheme", "last"), "measure"),
        (("run", "--scheme", "last", "--data", "data.npz"), "build"),
    ],
)
def test_on_a_terminal(run, net, terminal, words, last):
    write_data("data.npz", n=4)
    assert run(words[0], net, *words[1:]).exit_code == 0
    for name in ("load", "differentiate", "schedule", last):
        assert name in terminal.getvalue()


def test_in_a_pipe(run, net):
    assert run("compile", net, "--scheme", "last").stderr == ""
