"""`trainlet run` that is stopped goes on where it was, by the same command."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from cli.data import write_data
from trainlet.run.trainer import Trainer

SRC = Path(__file__).parents[2] / "src"
COMMON = "--scheme full --lr 0.1 --optimizer momentum --accumulate 2 --epochs 3".split()


@pytest.fixture(autouse=True)
def default_handler() -> Iterator[None]:
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.fixture
def learn(run, net):
    """Run on nine examples in batches of two, three times: 12 steps."""
    write_data("data.npz", n=9)
    return lambda *words: run("run", net, "--data", "data.npz", *COMMON, *words)


def stop_at(monkeypatch: pytest.MonkeyPatch, at: int, number: int = signal.SIGINT) -> None:
    """A signal comes in the middle of the step."""
    real, calls = Trainer.step, []

    def step(self, *words):
        loss = real(self, *words)
        calls.append(loss)
        if len(calls) == at:
            signal.raise_signal(number)
        return loss

    monkeypatch.setattr(Trainer, "step", step)


def table(shown: str) -> list[str]:
    return [line for line in shown.splitlines() if "│" in line]


def test_ctrl_c_keeps_what_was_learnt_and_the_same_command_goes_on(learn, monkeypatch):
    whole = learn("--save", "whole.bin")
    assert whole.exit_code == 0, whole.output
    assert not Path("whole.bin.checkpoint").exists()
    with monkeypatch.context() as patch:
        stop_at(patch, 5)
        stopped = learn("--save", "state.bin")
    assert stopped.exit_code == 130
    assert "5 of 12 steps are done and saved in state.bin" in stopped.stderr
    assert "Traceback" not in stopped.output
    measured = learn("--load", "state.bin", "--epochs", "0")
    assert measured.exit_code == 0, "what was kept is a state as any other"
    again = learn("--save", "state.bin")
    assert again.exit_code == 0, again.output
    assert "continuing after step 5 of 12" in again.stderr
    assert table(again.stdout) == table(whole.stdout)
    assert Path("state.bin").read_bytes() == Path("whole.bin").read_bytes()
    assert not Path("state.bin.checkpoint").exists()


def test_without_save_it_says_that_it_is_lost(learn, monkeypatch):
    stop_at(monkeypatch, 5)
    stopped = learn()
    assert stopped.exit_code == 130
    assert "5 of 12 steps are done, and lost; use --save FILE" in stopped.stderr


def test_another_command_is_refused_and_restart_begins_anew(learn, monkeypatch):
    with monkeypatch.context() as patch:
        stop_at(patch, 5)
        learn("--save", "state.bin")
    other = learn("--save", "state.bin", "--seed", "1")
    assert other.exit_code == 1 and "which differs in --seed" in other.stderr
    assert "of another run" in other.stderr
    anew = learn("--save", "state.bin", "--seed", "1", "--restart")
    assert anew.exit_code == 0 and "continuing" not in anew.stderr
    assert learn("--save", "other.bin", "--seed", "1").exit_code == 0
    assert Path("state.bin").read_bytes() == Path("other.bin").read_bytes()


def test_more_epochs_may_follow(learn, monkeypatch):
    with monkeypatch.context() as patch:
        stop_at(patch, 5)
        learn("--save", "state.bin")
    learn("--save", "state.bin", "--epochs", "4")
    learn("--save", "whole.bin", "--epochs", "4")
    assert Path("state.bin").read_bytes() == Path("whole.bin").read_bytes()


def test_a_state_that_is_loaded_and_saved_in_one_file(learn, monkeypatch):
    learn("--save", "start.bin", "--epochs", "1")
    Path("state.bin").write_bytes(Path("start.bin").read_bytes())
    learn("--load", "start.bin", "--save", "whole.bin")
    for _ in range(2):
        with monkeypatch.context() as patch:
            stop_at(patch, 4)
            assert learn("--load", "state.bin", "--save", "state.bin").exit_code == 130
    assert learn("--load", "state.bin", "--save", "state.bin").exit_code == 0
    assert Path("state.bin").read_bytes() == Path("whole.bin").read_bytes()


KILL = """
import os, sys
number = int(sys.argv.pop())
from trainlet.run.trainer import Trainer
real, calls = Trainer.step, []
def step(self, *words):
    calls.append(real(self, *words))
    if len(calls) == 7:
        os.kill(os.getpid(), number)
    return calls[-1]
Trainer.step = step
from trainlet.cli.entry import main
main()
"""


@pytest.mark.parametrize(
    ("number", "code", "at"), [(signal.SIGKILL, -9, 6), (signal.SIGTERM, 143, 7)]
)
def test_killed(learn, net, number, code, at):
    words = ["run", net, "--data", "data.npz", *COMMON, "--save", "state.bin", "--checkpoint", "0"]
    learn("--save", "whole.bin")
    Path("state.bin").write_text("old")
    killed = subprocess.run(
        [sys.executable, "-c", KILL, *map(str, words), str(int(number))],
        env=os.environ | {"PYTHONPATH": str(SRC)}, capture_output=True, text=True,
    )  # fmt: skip
    assert killed.returncode == code, killed.stderr
    assert "Traceback" not in killed.stderr
    assert (Path("state.bin").read_bytes() == b"old") is (number == signal.SIGKILL)
    again = learn("--save", "state.bin", "--checkpoint", "0")
    assert again.exit_code == 0, again.output
    assert f"continuing after step {at} of 12" in again.stderr
    assert Path("state.bin").read_bytes() == Path("whole.bin").read_bytes()
    assert {p.name for p in Path().iterdir()} == {"net.pt2", "data.npz", "state.bin", "whole.bin"}
