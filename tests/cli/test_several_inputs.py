"""Networks of several inputs: a data file holds each by its name in `forward`."""

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import trainlet as tl
from trainlet.run.dataset import dataset


class Pair(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.sound, self.kind = nn.Linear(6, 8), nn.Embedding(4, 8)
        self.head = nn.Linear(8, 3)

    def forward(self, audio: Tensor, where: Tensor) -> Tensor:
        return self.head((self.sound(audio) + self.kind(where)).relu())


EXAMPLE = (torch.zeros(2, 6), torch.zeros(2, dtype=torch.int64))


def write(path: str, rows: int = 30, **changes: np.ndarray | None) -> None:
    """Examples whose label is the second input, but for the changes; None leaves one out."""
    rng = np.random.default_rng(0)
    where = rng.integers(0, 3, rows)
    given = {"x_audio": rng.normal(size=(rows, 6)), "x_where": where, "y": where} | changes
    arrays: dict[str, Any] = {name: array for name, array in given.items() if array is not None}
    np.savez(path, **arrays)


@pytest.fixture
def pair(tmp_path, monkeypatch) -> str:
    monkeypatch.chdir(tmp_path)
    torch.manual_seed(0)
    torch.export.save(torch.export.export(Pair().eval(), EXAMPLE), "pair.pt2")
    return "pair.pt2"


@pytest.mark.parametrize("precision", ["float32", "int8"])
def test_run_learns_from_all_inputs(run, pair, precision):
    write("train.npz")
    asked = ["--precision", precision]
    asked += ["--calibration", "train.npz"] if precision == "int8" else []
    result = run("run", pair, "--scheme", "full", "--data", "train.npz", "--target", "host",
                 "--lr", "0.1", "--epochs", "9", "--save", "state.bin", *asked)  # fmt: skip
    assert result.exit_code == 0, result.output
    (row,) = [line for line in result.stdout.splitlines() if "accuracy" in line]
    assert "100.0%" in row, row


def test_check_compares_on_all_inputs(run, pair):
    write("batch.npz", 2)
    result = run("check", pair, "--data", "batch.npz")
    assert result.exit_code == 0, result.output
    assert "kind.weight" in result.stdout


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"x_where": None}, "'x_where' is missing; needed: x_audio, x_where, y; found: x_audio, y"),
        ({"x_where": np.zeros(29, np.int64)}, "x_where has 29 rows; allowed: 30, as the first"),
        ({"x_where": np.full(30, 4)}, "x_where holds integers in 4..4; allowed: 0..3"),
        ({"x_audio": np.zeros((30, 7))}, "x_audio has shape (30, 7); allowed: (n, 6) with n at"),
    ],
)
def test_inputs_that_cannot_be(refused, pair, changes, said):
    write("train.npz", **changes)
    assert said in refused("run", pair, "--scheme", "last", "--data", "train.npz")


def test_an_input_that_is_not_of_each_example_is_refused():
    class Graph(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.head = nn.Linear(4, 3)

        def forward(self, nodes: Tensor, adjacency: Tensor) -> Tensor:
            return self.head((adjacency @ nodes).mean(1))

    example = (torch.zeros(1, 5, 4), torch.ones(5, 5))
    program = tl.compile(Graph().eval(), example, "last", target="host")
    x = {"nodes": np.zeros((6, 5, 4)), "adjacency": np.ones((5, 5))}
    with pytest.raises(tl.errors.DataError, match="'adjacency' has 5 rows in a batch of 1"):
        dataset(program, x, np.zeros(6, np.int64))
