"""A gradient straight into its weight: the same bits, and no buffer."""

from __future__ import annotations

import pytest
import torch

import trainlet as tl
from int8.networks import quantised, scheme_of
from passes.joined import INT8, ops, results, step
from trainlet.ir.graph import Graph
from trainlet.ops.op import build
from trainlet.ops.quantized.gradient.direct import applying
from trainlet.ops.verify import verify
from trainlet.passes.fuse.updates import copy_weights, fuse_updates
from trainlet.planning.place import plan_graph
from trainlet.planning.replay import check_plan

PASS = "fuse_updates"


@pytest.mark.parametrize("name", ["ds_cnn", "resnet8", "se_hardswish"])
@pytest.mark.parametrize("bits", [0, 4])
def test_the_same_bits_without_a_buffer(name, bits, monkeypatch):
    precision = tl.Int8(gradient="int16", extra_bits=bits)
    plain, one = (step(name, monkeypatch, w, precision=precision) for w in (PASS, None))
    assert ops(plain) & {"conv2d_bfp_dw", "sum_bfp"} and not ops(plain) & applying()
    assert not ops(one) & {"conv2d_bfp_dw", "depthwise_bfp_dw", "sum_bfp"}
    x = quantised(name)[1]
    expected = results(plain, x)
    assert results(one, x) == expected
    assert results(verify(copy_weights(one)), x) == expected
    assert plan_graph(one).arena <= plan_graph(plain).arena


def test_what_somebody_else_reads_keeps_its_buffer(monkeypatch):
    for options in (
        {"optimizer": tl.SGD(momentum=0.9)},
        {"optimizer": tl.Adam()},
        {"accumulate": 2},
        {"precision": tl.Int8(gradient="float32")},
    ):
        made = step("ds_cnn", monkeypatch, **options)
        assert not ops(made) & applying(), options
    plain = step("ds_cnn", monkeypatch, PASS)
    gradient = next(n for n in plain.nodes() if n.op == "conv2d_bfp_dw")
    asked = Graph({**plain.outputs, "gradient": gradient}, plain.values)
    assert any(gradient in n.inputs for n in fuse_updates(asked).outputs.values())


def test_a_gradient_with_another_reader_keeps_its_buffer(monkeypatch):
    """Its norm, say: the gradient exists for that reader, so its update must not make it again."""
    plain = step("ds_cnn", monkeypatch, PASS)
    gradient = next(n for n in plain.nodes() if n.op == "conv2d_bfp_dw")
    norm = build("sum_to", build("mul", gradient, gradient), shape=(1,) * gradient.type.rank)
    read = fuse_updates(Graph({**plain.outputs, "norm": norm}, plain.values))
    updates = [n for n in read.outputs.values() if gradient in n.inputs]
    assert len(updates) == 1 and updates[0].op.startswith("sgd")
    others = [n.op for n in read.nodes() if n.name == gradient.name]
    assert "conv2d_bfp_sgd" not in others


def test_a_weight_is_copied_where_its_layers_input_is_larger(monkeypatch):
    """features.24 trains half of its weight, from half of its input: 4000 bytes, and 4096 of it."""
    one = step("ds_cnn", monkeypatch)
    copied = copy_weights(one)
    assert {n.name for n in copied.nodes() if n.op == "copy_i8"} == {"features.21"}
    for graph in (one, copied):
        check_plan(plan_graph(graph), graph)


def test_the_compiler_takes_the_smaller_plan():
    graph, _ = quantised("ds_cnn")
    made = tl.compile(graph, None, scheme_of(graph), target="host", precision=INT8)
    step = tl.train(graph, scheme_of(graph), precision=INT8).step
    arenas = [plan_graph(g).arena for g in made.target.lower(step)]
    assert made.arena_bytes == min(arenas)


def test_a_float_network_is_left_alone():
    model = torch.nn.Linear(4, 3)
    step = tl.train(tl.prepare(model, torch.zeros(1, 4), check=False), tl.schemes.full(model)).step
    assert copy_weights(step) is step
