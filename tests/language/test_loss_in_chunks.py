"""A loss in chunks is the loss, and no step holds the logits of all positions."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

import trainlet as tl
from trainlet.errors import SchemeError
from zoo.llama import llama

TOKENS, WORDS = 24, 512


class Labels(nn.Module):
    """A class for each row of the input."""

    def __init__(self) -> None:
        super().__init__()
        self.hidden, self.head = nn.Linear(5, 8), nn.Linear(8, 7)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(self.hidden(x).tanh())


@pytest.fixture(scope="module")
def language():
    torch.manual_seed(0)
    model = llama(vocabulary=WORDS)
    return model, torch.randint(WORDS, (1, TOKENS)), torch.randint(WORDS, (1, TOKENS))


def trained(graph, scheme, **how):
    return tl.plan(tl.train(graph, scheme, optimizer=tl.SGD(lr=0.5), **how), "host")


@pytest.mark.parametrize("chunks", [1, 5])
@pytest.mark.parametrize("scheme", ["full", "last_blocks"])
def test_a_step_is_that_of_torch(language, scheme, chunks):
    model, x, y = language
    graph = tl.loss_in_chunks(tl.prepare(model, x, check=False), chunks)
    chosen = tl.schemes.full(model) if scheme == "full" else tl.schemes.last_blocks(model, 2)
    program = trained(graph, chosen, loss="output")
    loss, predicted, state = tl.evaluate(program, (x.numpy(), y.numpy()), ())
    expected = F.cross_entropy(model(x), y)
    learns = {n: p for n, p in model.named_parameters() if n in chosen}
    gradients = torch.autograd.grad(expected, list(learns.values()))
    assert loss == pytest.approx(expected.item(), rel=1e-6)
    assert float(predicted) == pytest.approx(expected.item(), rel=1e-6)
    for (name, p), g in zip(learns.items(), gradients, strict=True):
        moved = (p - 0.5 * g).detach().numpy()
        np.testing.assert_allclose(state[name], moved, rtol=0, atol=1e-5, err_msg=name)


def test_a_batch_of_rows_with_a_bias():
    torch.manual_seed(0)
    model, x, y = Labels(), torch.randn(9, 5), torch.randint(7, (9,))
    graph = tl.loss_in_chunks(tl.prepare(model, x, check=False), 4)
    program = trained(graph, "last", loss="output")
    with program.build("host") as trainer:
        loss = trainer.step((x.numpy(), y.numpy()), ())
        state = trainer.state()
    expected = F.cross_entropy(model(x), y)
    expected.backward()
    assert loss == pytest.approx(expected.item(), rel=1e-6)
    head = model.head
    for name, p in (("head.weight", head.weight), ("head.bias", head.bias)):
        np.testing.assert_allclose(state[name], (p - 0.5 * p.grad).detach(), rtol=0, atol=1e-6)


def test_the_arena_holds_the_logits_of_one_chunk(language):
    """With a frozen classifier; whole logits and their gradient are 2 x 49,152 bytes here."""
    model, x, _ = language
    graph, scheme = tl.prepare(model, x, check=False), tl.schemes.last_blocks(model, 1)
    whole = trained(graph, scheme).arena_bytes
    cut = trained(tl.loss_in_chunks(graph, 8), scheme, loss="output")
    assert max(n.type.size for n in cut.plan.order) < TOKENS * WORDS / 4
    assert cut.arena_bytes < whole - 4 * TOKENS * WORDS


class Rows(nn.Module):
    """Logits [N,T,C], whose dimension 1 are not the classes."""

    def __init__(self) -> None:
        super().__init__()
        self.head = nn.Linear(4, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(x)


class Convolution(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.head = nn.Conv1d(4, 3, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(x)


@pytest.mark.parametrize("model", [Rows(), Convolution()])
def test_other_outputs_are_refused(model):
    graph = tl.prepare(model, torch.zeros(2, 4, 4), check=False)
    with pytest.raises(SchemeError, match="the outputs are 'logits'; allowed: one"):
        tl.loss_in_chunks(graph, 2)


@pytest.mark.parametrize("chunks", [0, 10, 2.5])
def test_chunks_that_are_none(chunks):
    graph = tl.prepare(Labels(), torch.zeros(9, 5), check=False)
    with pytest.raises(SchemeError, match=r"chunks=.*; allowed: .* at least 1 and at most 9"):
        tl.loss_in_chunks(graph, chunks)
