"""PyTorch adds gradients of large weights to the weights, without a buffer for the gradient."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch.utils._pytree import tree_leaves

import trainlet as tl
from trainlet.backends.aten.stages import modules_of
from zoo.llama import llama


@pytest.fixture(scope="module")
def language():
    torch.manual_seed(0)
    model = llama(layers=2)
    return model, torch.randint(97, (2, 9)), torch.randint(97, (2, 9))


@pytest.mark.parametrize("chunks", [0, 3])
def test_the_tied_embedding_learns_as_in_torch(language, chunks):
    model, x, y = language
    graph = tl.prepare(model, x, check=False)
    loss = "output" if chunks else "cross_entropy"
    graph = tl.loss_in_chunks(graph, chunks) if chunks else graph
    program = tl.plan(tl.train(graph, "full", loss=loss, optimizer=tl.SGD(lr=0.5)), "cpu")
    given = ((x.numpy(), y.numpy()), ()) if chunks else (x.numpy(), y.numpy())
    with program.build("eager") as trainer:
        found, state = trainer.step(*given), trainer.state()
    expected = F.cross_entropy(model(x), y)
    assert found == pytest.approx(expected.item(), rel=1e-5)
    named = dict(model.named_parameters())
    for (name, p), g in zip(
        named.items(), torch.autograd.grad(expected, list(named.values())), strict=True
    ):
        moved = (p - 0.5 * g).detach()
        np.testing.assert_allclose(state[name], moved, rtol=0, atol=1e-5, err_msg=name)


def test_no_value_of_a_step_has_the_size_of_a_weight(language):
    """Of the embedding, which is larger than any activation of this step."""
    model, x, _ = language
    graph = tl.prepare(model, x[:1, :3], check=False)
    program = tl.plan(tl.train(graph, "full", optimizer=tl.SGD(lr=0.5)), "cpu")
    traced = modules_of(program)["step"]
    made = {
        value.shape
        for n in traced.module.graph.nodes
        if isinstance(n.target, torch._ops.OpOverload)
        and n.target._schema.returns[0].alias_info is None
        for value in tree_leaves(n.meta["val"])
    }  # neither views nor results in place
    assert torch.Size((97, 32)) not in made
    assert torch.Size((3, 97)) in made
