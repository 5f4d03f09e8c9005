"""What the backward pass needs of an int8 map's float32 values is kept as the int8 map."""

from __future__ import annotations

from unittest.mock import patch

import numpy as np
import pytest

import trainlet as tl
from int8.networks import quantised
from passes.joined import results, step
from trainlet.ir.graph import Graph, Node, users
from trainlet.passes.recompute import backward_nodes
from trainlet.planning.place import plan_graph
from zoo import NETWORKS

PASS = "trainlet.passes.training.rematerialize"


def read_in_both(graph: Graph) -> list[Node]:
    """Float32 values of int8 maps that both passes read."""
    backward, readers = backward_nodes(graph), users(graph.nodes())
    made = [n for n in graph.nodes() if n.op == "dequantize"]
    return [n for n in made if len({r in backward for r in readers[n]}) == 2]


@pytest.mark.parametrize(("name", "less"), [("se_hardswish", 0), ("cct2", 98304)])
def test_the_same_bits_in_less_memory(name, less, monkeypatch):
    """At the fullest moment; that of the former is elsewhere in the network."""
    plain, kept = (step(name, monkeypatch, without) for without in ("rematerialize", None))
    assert read_in_both(plain) and not read_in_both(kept)
    x = quantised(name)[1]
    assert results(kept, x) == results(plain, x)
    assert plan_graph(plain).arena - plan_graph(kept).arena == less


def compiled(name: str) -> tl.CompiledProgram:
    case = NETWORKS[name](1)
    precision = tl.Int8(gradient="int16")
    return tl.compile(case.model, case.x, "bias", target="host", precision=precision,
                      calibration=[NETWORKS[name](8).x.numpy()])  # fmt: skip


def test_the_report_counts_bytes():
    """Four maps of attention: 8 KB each in int8, 32 KB in float32."""
    kept = compiled("cct2")
    with patch(PASS, lambda graph: graph):
        plain = compiled("cct2")
    assert plain.saved_bytes - kept.saved_bytes == 4 * (32 - 8) * 1024


def test_the_trainer_steps_alike():
    case, y = NETWORKS["se_hardswish"](1), np.array([1], np.int32)
    kept = compiled("se_hardswish").build("sanitized")
    with patch(PASS, lambda graph: graph):
        plain = compiled("se_hardswish").build("host")
    for _ in range(2):
        assert kept.step(case.x.numpy(), y) == plain.step(case.x.numpy(), y)
    assert all((kept.state()[k] == v).all() for k, v in plain.state().items())


def test_a_float32_network_has_none():
    case = NETWORKS["ds_cnn"](1)
    assert not read_in_both(tl.compile(case.model, case.x, "full", target="host").graph)
