"""prepare, train, plan: together they are compile, and a graph can be changed in between."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

import trainlet as tl
from trainlet.backends.c import render
from trainlet.errors import TargetError, TrainletError
from trainlet.ir.graph import Graph, Node, rewrite
from trainlet.ops.op import build

X = torch.randn(1, 2, 8, 8, generator=torch.Generator().manual_seed(0))
SHOWN = [torch.randn(32, 2, 8, 8, generator=torch.Generator().manual_seed(1))]
INT8: Any = {"precision": tl.Int8(gradient="int8", extra_bits=4)}
PRECISIONS = pytest.mark.parametrize(
    ("how", "calibration"), [({}, None), (INT8, SHOWN)], ids=["float32", "int8"]
)


def network() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(2, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(), nn.Linear(144, 3)
    ).eval()


@PRECISIONS
@pytest.mark.parametrize("preset", ["bias", "full"])
def test_the_verbs_one_by_one_are_compile(how, calibration, preset):
    model = network()
    scheme = tl.schemes.preset(preset, model)
    graph = tl.prepare(model, X, calibration=calibration, scheme=scheme, **how)
    training = tl.train(graph, scheme, optimizer=tl.Adam(0.01), accumulate=2, **how)
    alone = tl.plan(training, "cortex-m4", prefix="own", rollback=False)
    at_once = tl.compile(
        model, X, scheme, target="cortex-m4", calibration=calibration, optimizer=tl.Adam(0.01),
        accumulate=2, prefix="own", rollback=False, **how,
    )  # fmt: skip
    assert render(alone) == render(at_once)


def test_a_graph_changes_between_quantisation_and_training():
    """For example what is added before the logits, as an adapter would be."""
    graph = tl.prepare(network(), X, calibration=SHOWN, **INT8)
    doubled = Graph({"logits": build("scale", graph.outputs["logits"], factor=2.0)}, graph.values)
    plain, changed = (tl.plan(tl.train(g, "last", **INT8), "host") for g in (graph, doubled))
    with plain.build() as one, changed.build() as other:
        np.testing.assert_array_equal(other.predict(X.numpy()), 2 * one.predict(X.numpy()))
        assert other.step(X.numpy(), [1]) != one.step(X.numpy(), [1])


def test_a_change_that_breaks_the_graph_is_found():
    graph = tl.prepare(network(), X)
    with pytest.raises(TrainletError, match="no output 'logits'.*its outputs: 'y'"):
        tl.train(Graph({"y": graph.outputs["logits"]}, graph.values), "last")
    wrong = rewrite(graph, lambda n: Node("relu", n.inputs, n.type) if n.op == "linear" else None)
    with pytest.raises(TrainletError, match="relu"):
        tl.train(wrong, "full")


def test_training_knows_no_target():
    training = tl.train(tl.prepare(network(), X), "full")
    sizes = {tl.plan(training, name).target.name for name in ("host", "cortex-m0plus")}
    assert sizes == {"host", "cortex-m0plus"}
    with pytest.raises(TargetError, match="RAM needs"):
        tl.plan(training, "cortex-m4", max_ram=5000)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (lambda g: tl.train(g, "last", stop_after="load"), "unknown stage 'load'; .*freeze"),
        (lambda g: tl.train(g, "last", precision="int8"), "precision='int8' for a loaded float32"),
        (lambda g: tl.train(network(), "last"), "graph is"),  # type: ignore
        (lambda g: tl.plan(g, "host"), "training is"),
        (lambda g: tl.plan(tl.train(g, "last"), "m4"), "unknown target"),
        (lambda g: tl.prepare(3), "the model is a int"),  # type: ignore
    ],
)
def test_wrong_arguments(wrong, message):
    with pytest.raises(TrainletError, match=message):
        wrong(tl.prepare(network(), X))
