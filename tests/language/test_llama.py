"""A network of LLaMA's shape learns as PyTorch's does."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import torch
import torch.nn.functional as F

import trainlet as tl
from zoo.llama import Llama, llama

STEPS = 4
SCHEMES = {
    "full": tl.schemes.full,
    "last_blocks": lambda model: tl.schemes.last_blocks(model, 1),
}
OPTIMIZERS = {
    "momentum": (tl.SGD(lr=0.05, momentum=0.9), lambda p: torch.optim.SGD(p, 0.05, 0.9)),
    "adam": (tl.Adam(lr=0.001), lambda p: torch.optim.Adam(p, lr=0.001)),
}


def tokens(batch: int = 2, length: int = 13, seed: int = 0) -> torch.Tensor:
    """[STEPS, batch, length + 1]"""
    torch.manual_seed(seed)
    return torch.randint(97, (STEPS, batch, length + 1))


def of_torch(model: Llama, scheme, optimizer, texts: torch.Tensor) -> tuple[list[float], dict]:
    """Losses, and what learns after the last step."""
    model = copy.deepcopy(model)
    learns = {name: p for name, p in model.named_parameters() if name in scheme}
    for name, p in model.named_parameters():
        p.requires_grad_(name in learns)
    optimizer, losses = optimizer(learns.values()), []
    for text in texts:
        optimizer.zero_grad()
        loss = F.cross_entropy(model(text[:, :-1]), text[:, 1:])
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses, {name: p.detach().numpy() for name, p in learns.items()}


def of_ours(program, texts: torch.Tensor, device: str = "host") -> tuple[list[float], dict]:
    with program.build(device) as trainer:
        losses = [trainer.step(t[:, :-1].numpy(), t[:, 1:].numpy()) for t in texts]
        return losses, trainer.state()


@pytest.mark.parametrize(("scheme", "optimizer"), [("full", "adam"), ("last_blocks", "momentum")])
def test_steps_are_those_of_torch(scheme, optimizer):
    model, texts = llama(layers=2), tokens()
    chosen = SCHEMES[scheme](model)
    ours, of_theirs = OPTIMIZERS[optimizer]
    program = tl.compile(model, texts[0, :, :-1], chosen, target="host", optimizer=ours)
    losses, state = of_ours(program, texts)
    expected, parameters = of_torch(model, chosen, of_theirs, texts)
    assert losses == pytest.approx(expected, rel=1e-5)
    assert state.keys() == parameters.keys()
    for name, value in parameters.items():
        np.testing.assert_allclose(state[name], value, rtol=0, atol=2e-5, err_msg=name)


def test_only_the_embedding_scatters_its_gradient():
    """Rotary positions and repeated heads have gradients of slices and sums."""
    model, text = llama(), tokens()[0, :, :-1]
    graph = tl.prepare(model, text, check=False)
    names = [n.name for n in tl.train(graph, "full").step.nodes() if n.op == "scatter"]
    assert len(names) == 1 and "embed_tokens" in names[0]


def test_frozen_blocks_keep_nothing():
    """What a step keeps depends on the blocks that learn, not on those before them."""
    text, kept = tokens()[0, :, :-1], []
    for layers in (3, 5):
        model = llama(layers=layers)
        scheme = tl.schemes.last_blocks(model, 2)
        kept.append(tl.compile(model, text, scheme, target="host", check=False).saved_bytes)
    assert kept[0] == kept[1]


def test_adapters_of_a_language_model_leave_its_head_alone():
    model, text = llama(), tokens()[0, :, :-1]
    graph = tl.adapt.lora(tl.prepare(model, text, check=False), rank=2)
    head = {"embed_tokens.weight"}
    for frozen_a in (False, True):
        every = set(tl.schemes.lora(graph, frozen_a=frozen_a))
        assert every - set(tl.schemes.lora(graph, frozen_a=frozen_a, head=False)) == head
    kept = [
        tl.plan(tl.train(graph, tl.schemes.lora(graph, frozen_a=a, head=False)), "host").saved_bytes
        for a in (False, True)
    ]
    assert kept[1] < kept[0]
