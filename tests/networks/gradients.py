"""Our gradients in the user's layout: of the oracle's graph, and of the C code."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

import trainlet as tl
from networks.reference import Arrays
from trainlet.ir.graph import Graph, Node
from trainlet.ir.storage import storage, to_device, to_user
from trainlet.ops.op import leaf
from trainlet.run.evaluate import evaluate_graph
from zoo import Case

HUGE = 2.0**20
"""A step so large that of a parameter's own digits none is left beside its gradient's."""


def oracle_gradients(graph: Graph, case: Case, scheme: tl.UpdateScheme) -> Arrays:
    """`graph` is the imported network."""
    trained = tl.train(graph, scheme, stop_after="split").step
    fed = {n.name: to_device(n, trained.values[n.name]) for n in trained.leaves("const", "param")}
    inputs = {n.name: n for n in trained.leaves("input")}
    fed["target"] = case.y.numpy().astype(np.int32)
    (x,) = inputs.keys() - {"target"}
    fed[x] = to_device(inputs[x], case.x.numpy())
    outputs = evaluate_graph(trained, fed)
    return {p.name: user_gradient(p, outputs[f"grad.{p.name}"]) for p in trained.leaves("param")}


def user_gradient(param: Node, gradient: np.ndarray) -> np.ndarray:
    """A gradient, narrow or not, in the shape and the layout of the user's parameter."""
    how = storage(param)
    kind = how.part.whole if how.part else param.type
    whole = np.zeros(kind.shape)
    whole[tuple(slice(n) for n in gradient.shape)] = gradient
    unmoved = replace(how, offset=None, part=None)
    return to_user(leaf("param", param.name, kind, storage=unmoved), whole)


def device_gradients(trainer: tl.Trainer, case: Case) -> Arrays:
    """From the difference that one step of plain SGD makes; the trainer is reset afterwards."""
    before = trainer.state()
    trainer.step(case.x, case.y, lr=HUGE)
    after = trainer.state()
    trainer.reset()
    return {k: (before[k].astype(float) - after[k].astype(float)) / HUGE for k in before}
