"""Blocks that take turns: each step is torch's with the other blocks frozen."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F

import trainlet as tl
from trainlet.errors import SchemeError, TrainletError
from zoo.llama import llama

EVERY, STEPS = 2, 5


@pytest.fixture(scope="module")
def language():
    torch.manual_seed(0)
    model = llama(layers=2)
    texts = torch.randint(97, (STEPS, 1, 10))
    return model, tl.prepare(model, texts[0, :, :-1], check=False), texts


def of_torch(model, schemes, texts):
    """Losses, and all that has learnt: an optimiser for each turn."""
    weights = {n: p.detach().clone() for n, p in model.named_parameters()}
    losses = []
    for at, text in enumerate(texts):
        scheme = schemes[at // EVERY % len(schemes)]
        learns = {n: weights[n].requires_grad_() for n in scheme}
        if at % EVERY == 0:
            optimizer = torch.optim.SGD(learns.values(), lr=0.1, momentum=0.9)
        optimizer.zero_grad()
        logits = torch.func.functional_call(model, weights, text[:, :-1])
        loss = F.cross_entropy(logits, text[:, 1:])
        loss.backward()
        optimizer.step()
        weights = {n: w.requires_grad_(False) for n, w in weights.items()}
        losses.append(loss.item())
    return losses, weights


def test_steps_are_those_of_torch(language):
    model, graph, texts = language
    schemes = tl.schemes.lisa(model, 1)
    expected, weights = of_torch(model, schemes, texts)
    optimizer = tl.SGD(lr=0.1, momentum=0.9)
    with tl.schemes.Turns(graph, schemes, every=EVERY, optimizer=optimizer) as trainer:
        losses = [trainer.step(t[:, :-1].numpy(), t[:, 1:].numpy()) for t in texts]
        state, logits = trainer.state(), trainer.predict(texts[0, :, :-1].numpy())
    with pytest.raises(TrainletError, match="the turns are closed"):
        trainer.state()
    assert losses == pytest.approx(expected, rel=1e-5)
    assert state.keys() == {name for scheme in schemes for name in scheme}
    for name, value in state.items():
        np.testing.assert_allclose(value, weights[name], rtol=0, atol=2e-5, err_msg=name)
    last = torch.func.functional_call(model, weights, texts[0, :, :-1])
    np.testing.assert_allclose(logits, last.numpy(), rtol=0, atol=2e-4)


def test_a_turn_needs_the_state_of_what_learns_in_it(language):
    """Momentum, and activations of the blocks from the first that learns on."""
    model, graph, _ = language
    first, second = ({n: 1.0 for n in s} for s in (
        tl.schemes.last_blocks(model, 1), {"layers.0.mlp.down_proj.weight": 1.0}
    ))  # fmt: skip
    how = {"optimizer": tl.SGD(lr=0.1, momentum=0.9)}
    alone = tl.plan(tl.train(graph, first, **how), "host")
    beside = tl.plan(tl.train(graph, first, held=[*second], **how), "host")
    assert [n.name for n in beside.states] == [n.name for n in alone.states]
    assert beside.saved_bytes == alone.saved_bytes
    assert {n.name for n in beside.params} == {*first, *second}


@pytest.mark.parametrize(
    ("held", "why"),
    [("norm.weight", "learns"), ("norm.wait", "is no parameter; did you mean 'norm.weight'")],
)
def test_what_cannot_be_held(language, held, why):
    with pytest.raises(SchemeError, match=f"held: '{held}' {why}"):
        tl.train(language[1], {"norm.weight": 1.0}, held=[held])


def test_schemes_that_take_no_turns(language):
    graph, norm = language[1], {"norm.weight": 1.0}
    with pytest.raises(SchemeError, match="1 schemes take turns; allowed: at least 2"):
        tl.schemes.Turns(graph, [norm], every=2)
    for other in ("full", {"layers.0.mlp.down_proj.weight": 0.5}):
        with pytest.raises(SchemeError, match="since parameters learn as a whole"):
            tl.schemes.Turns(graph, [norm, other], every=2)
