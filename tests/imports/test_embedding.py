"""Indices as inputs: an embedding's values and gradients are torch's, and indices have bounds."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

import trainlet as tl
from trainlet.errors import DataError, UnsupportedError

TOKENS = torch.tensor([[3, 0, 3, 6, 1]])


class Text(nn.Module):
    """Words and their places, with a word that never learns."""

    def __init__(self) -> None:
        super().__init__()
        self.words = nn.Embedding(7, 4, padding_idx=3)
        self.places = nn.Embedding(5, 4)
        self.head = nn.Linear(4, 3)
        self.register_buffer("order", torch.arange(5))

    def forward(self, tokens: Tensor) -> Tensor:
        h = self.words(tokens) + self.places(self.order)
        return self.head(torch.tanh(h).mean(1))


class Tied(Text):
    """The words are read once more, as a classifier, and of indices in another shape."""

    def forward(self, tokens: Tensor) -> Tensor:
        h = self.words(tokens.reshape(-1)) @ self.words.weight.T
        return self.head(h.reshape(-1, 5, 7)[..., :4].mean(1) + self.words(tokens).sum(1))


class Pair(Text):
    """Indices beside real numbers."""

    def forward(self, x: Tensor, tokens: Tensor) -> Tensor:
        return self.head(x * self.words(tokens).mean(1))


class Halves(nn.Module):
    """Its own loss of the next words, of one half of the text after the other."""

    def __init__(self) -> None:
        super().__init__()
        self.words = nn.Embedding(7, 4)

    def forward(self, tokens: Tensor) -> Tensor:
        read, said = self.words(tokens[:, :4])[0].chunk(2), tokens[0, 1:].chunk(2)
        return F.cross_entropy(read[0] @ self.words.weight.T, said[0]) + F.cross_entropy(
            read[1] @ self.words.weight.T, said[1]
        )


class Spotter(nn.Module):
    """An integer network behind a table of float32."""

    def __init__(self) -> None:
        super().__init__()
        self.words = nn.Embedding(7, 4)
        self.body = nn.Sequential(nn.Conv1d(4, 6, 3), nn.ReLU(), nn.Conv1d(6, 4, 1))
        self.head = nn.Linear(4, 3)

    def forward(self, tokens: Tensor) -> Tensor:
        return self.head(self.body(self.words(tokens).mT).mean(2))


def made(network: type[nn.Module]) -> nn.Module:
    torch.manual_seed(0)
    return network().eval()


@pytest.mark.parametrize("network", [Text, Tied, Spotter])
def test_values_and_gradients_are_torchs(network):
    assert tl.check(made(network), TOKENS, "full").same


def test_beside_an_input_of_real_numbers():
    assert tl.check(made(Pair), (torch.zeros(1, 4), TOKENS), "full").same


def test_a_part_of_the_indices_is_read_where_it_is():
    model = made(Halves)
    expected = model(TOKENS)
    expected.backward()
    program = tl.compile(
        model, TOKENS, "full", target="host", optimizer=tl.SGD(1.0), loss=tl.Loss("output")
    )
    assert {n.op for n in program.graph.nodes() if n.type.dtype == "int32"} <= {
        "input", "view", "reshape",
    }  # fmt: skip
    with program.build("sanitized") as trainer:
        assert trainer.step(TOKENS.numpy(), {}) == pytest.approx(expected.item(), rel=1e-6)
        after = trainer.state()["words.weight"]
    weight = model.words.weight
    np.testing.assert_allclose(after, (weight - weight.grad).detach(), rtol=1e-5, atol=1e-6)


def test_indices_that_lie_apart_are_refused():
    class Every(Text):
        def forward(self, tokens: Tensor) -> Tensor:
            return self.head(self.words(tokens[:, ::2]).mean(1))

    with pytest.raises(tl.TrainletError, match="allowed: elements of type float32"):
        tl.compile(made(Every), torch.zeros(1, 5, dtype=torch.int64), "last", target="host")


@pytest.mark.parametrize("optimizer", [tl.SGD(0.1), tl.Adam(0.01)])
def test_only_the_rows_that_were_read_learn(optimizer):
    model = made(Text)
    before = model.words.weight.detach().numpy().copy()
    program = tl.compile(model, TOKENS, "full", target="host", optimizer=optimizer)
    with program.build("sanitized") as trainer:
        trainer.step(TOKENS.numpy(), [1])
        moved = (trainer.state()["words.weight"] != before).any(1)
    assert moved.tolist() == [True, True, False, False, False, False, True]


@pytest.mark.parametrize("found", [[[3, 0, 3, 7, 1]], [[3, 0, -1, 6, 1]], [[0.5, 0, 1, 2, 3]]])
def test_other_indices_are_refused(found):
    program = tl.compile(made(Text), TOKENS, "last", target="host")
    with program.build("host") as trainer, pytest.raises(DataError, match=r"0\.\.6"):
        trainer.predict(np.array(found))


@pytest.mark.parametrize("index", [-1, 7])
def test_the_trainer_itself_refuses_other_indices(index, tmp_path):
    program = tl.compile(made(Text), TOKENS, "last", target="host")
    with program.build("host") as trainer:
        given = np.array([3, 0, index, 6, 1], np.int32)
        with pytest.raises(tl.TrainletError, match="-1|input"):
            trainer.device.predict({"tokens": given})


def test_inputs_of_integers_that_no_embedding_reads_are_refused():
    class Cast(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.head = nn.Linear(5, 3)

        def forward(self, tokens: Tensor) -> Tensor:
            return self.head(tokens.float())

    with pytest.raises(UnsupportedError, match="the indices of an embedding"):
        tl.compile(made(Cast), TOKENS, "last", target="host")


@pytest.mark.parametrize("precision", ["float32", "int8"])
def test_cortex_m7_equals_the_host(precision):
    batches = [torch.randint(0, 7, (1, 5)) for _ in range(4)]
    given = {"calibration": batches} if precision == "int8" else {}
    target = replace(tl.Target.preset("cortex-m7"), ram=1 << 20)
    network = Spotter if precision == "int8" else Text
    program = tl.compile(made(network), TOKENS, "full", target=target, precision=precision, **given)
    assert precision == "float32" or "conv2d_i8" in {n.op for n in program.graph.nodes()}
    with program.build("host") as host, program.build("unicorn", count=False) as device:
        for k, tokens in enumerate(batches[:3]):
            assert host.step(tokens.numpy(), [k]) == device.step(tokens.numpy(), [k])
        assert host.save() == device.save()


def test_each_experiment_has_its_own_indices():
    program = tl.compile(made(Text), TOKENS, "full", target="host")
    x = np.random.default_rng(0).integers(0, 7, (3, 1, 5))
    y = np.array([[0], [1], [2]])
    many = tl.simulate(program, experiments=3)
    found = many.step(x, y)
    for k in range(3):
        with program.build("host") as trainer:
            np.testing.assert_allclose(trainer.step(x[k], y[k]), found[k], rtol=1e-5)
