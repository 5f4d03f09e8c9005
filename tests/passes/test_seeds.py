"""Where the backward pass begins: a seed, and a total of several losses is one root."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F

import trainlet as tl
from trainlet.ir.graph import Graph, Node
from trainlet.ops.op import build, float32, leaf, typed
from trainlet.ops.verify import verify
from trainlet.passes.differentiate import differentiate
from trainlet.passes.recompute import backward_nodes
from trainlet.passes.update import attach_updates
from trainlet.run.evaluate import evaluate_graph

RNG = np.random.default_rng(0)
X, W = (RNG.standard_normal(shape).astype(np.float32) for shape in ((4, 5), (3, 5)))
LABELS, GOAL = np.array([0, 2, 1, 1], np.int32), RNG.standard_normal((4, 3)).astype(np.float32)


def logits() -> tuple[Node, Node, Node]:
    """Of a linear layer; the layer's label and goal."""
    x, w = leaf("input", "x", float32(4, 5)), leaf("param", "w", float32(3, 5))
    bias = leaf("const", "b", float32(3))
    z = build("linear", x, w, bias)
    return z, leaf("input", "label", typed("int32", 4)), leaf("input", "goal", float32(4, 3))


def cross_entropy() -> Node:
    z, label, _ = logits()
    return build("cross_entropy", z, label)


def scaled() -> Node:
    return build("scale", cross_entropy(), factor=0.25)


def both() -> Node:
    z, label, goal = logits()
    first = build("scale", build("cross_entropy", z, label), factor=0.25)
    return build("add", first, build("scale", build("mse", z, goal), factor=3.0))


def squared() -> Node:
    loss = cross_entropy()
    return build("mul", loss, loss)


TOTALS = {
    cross_entropy: lambda z: F.cross_entropy(z, torch.tensor(LABELS).long()),
    scaled: lambda z: 0.25 * F.cross_entropy(z, torch.tensor(LABELS).long()),
    both: lambda z: (
        0.25 * F.cross_entropy(z, torch.tensor(LABELS).long())
        + 3 * F.mse_loss(z, torch.tensor(GOAL))
    ),
    squared: lambda z: F.cross_entropy(z, torch.tensor(LABELS).long()) ** 2,
}


@pytest.mark.parametrize("total", TOTALS, ids=lambda f: f.__name__)
def test_gradients_of_totals_are_those_of_torch(total):
    values = {"w": W, "b": np.zeros(3, np.float32)}
    graph = verify(differentiate(Graph({"loss": total()}, values)))
    given = {"x": X, "label": LABELS, "goal": GOAL, **values}
    found = evaluate_graph(graph, given)
    w = torch.tensor(W, requires_grad=True)
    loss = TOTALS[total](F.linear(torch.tensor(X), w))
    (slope,) = torch.autograd.grad(loss, w)
    np.testing.assert_allclose(found["loss"], loss.detach(), rtol=1e-5)
    np.testing.assert_allclose(found["grad.w"], slope, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("total", TOTALS, ids=lambda f: f.__name__)
def test_the_backward_pass_is_what_follows_from_the_seed(total):
    graph = Graph({"loss": total()}, {"w": W, "b": np.zeros(3, np.float32)})
    forward = {n.op for n in graph.nodes()}
    whole = differentiate(graph)
    backward = backward_nodes(whole)
    assert whole.outputs["grad.w"] in backward and whole.outputs["loss"] not in backward
    assert [n.type.shape for n in whole.leaves("seed")] == [()]
    made = {n for n in whole.nodes() if n.op not in forward and not n.is_leaf}
    assert made <= backward


def test_a_constant_factor_of_the_only_loss_scales_its_gradient_once():
    """No product of tensors: the factor is a number in the call."""
    graph = differentiate(Graph({"loss": scaled()}, {"w": W, "b": np.zeros(3, np.float32)}))
    ops = [n.op for n in graph.nodes()]
    assert ops.count("scale") == 2 and "mul" not in ops


def test_a_name_that_is_taken():
    values = {"w": W, "b": np.zeros(3, np.float32), "loss.gradient": W}
    graph = Graph({"loss": cross_entropy(), "other": leaf("param", "loss.gradient", float32(3, 5))},
                  values)  # fmt: skip
    (seed,) = verify(differentiate(graph)).leaves("seed")
    assert seed.name == "loss.gradient_"


@pytest.mark.parametrize("read", [False, True], ids=["one loss", "its square"])
def test_a_seed_lies_in_flash_only_where_a_kernel_reads_it(read):
    """The gradient of a product reads it; that of a loss does not.  The C adds in
    another order than NumPy."""
    z, label, _ = logits()
    target = leaf("input", "target", label.type)
    loss = build("cross_entropy", z, target)
    total = build("mul", loss, loss) if read else loss
    graph = Graph({"logits": z, "loss": total}, {"w": W, "b": np.zeros(3, np.float32)})
    program = tl.plan(attach_updates(verify(differentiate(graph)), tl.SGD(0.1)), "host")
    assert [n.op for n in program.constants].count("seed") == read
    with program.build("host") as trainer, program.build("sanitized") as checked:
        expected, _, state = tl.evaluate(program, X, LABELS)
        for each in (trainer, checked):
            assert each.step(X, LABELS) == pytest.approx(expected, rel=1e-6)
            np.testing.assert_allclose(each.state()["w"], state["w"], rtol=1e-6)
