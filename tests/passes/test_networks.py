"""Each stage on the networks of the zoo: what it computes, what it leaves, what it removes."""

from functools import cache

import numpy as np
import pytest
import torch

import trainlet as tl
from networks.schemes import scheme
from passes.stages import GRAPHS, after, logits, ops
from trainlet.compiler import STAGES
from trainlet.ir.graph import Graph
from trainlet.ir.text import parse_graph, print_graph
from zoo import NETWORKS, Case

EACH = pytest.mark.parametrize("name", NETWORKS)
CNNS = sorted(set(NETWORKS) - {"mlp", "cct2", "recurrent"})
FLATTENED = {"lenet5"}
"""A map of several pixels is flattened in PyTorch's order: one permute forward, one back."""


@cache
def imported(name: str) -> tuple[Case, Graph]:
    case = NETWORKS[name](1)
    return case, tl.prepare(case.model, case.x, check=False)


@EACH
@pytest.mark.parametrize("kind", ["full", "bias", "sparse"])
def test_no_stage_changes_the_logits(name, kind):
    case, graph = imported(name)
    chosen = scheme(name, kind, case.model)
    with torch.no_grad():
        expected = case.model.double()(case.x.double()).float().numpy()
    case.model.float()
    for stage in STAGES[:5]:
        found = logits(after(stage, graph, None, chosen), case.x)
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5, err_msg=stage)


@EACH
def test_text_and_back(name):
    case, graph = imported(name)
    for kind in ("full", "sparse"):
        for stage in GRAPHS:
            whole = after(stage, graph, None, scheme(name, kind, case.model))
            text = print_graph(whole)
            back = parse_graph(text)
            assert print_graph(back) == text
            assert [n.type for n in back.nodes()] == [n.type for n in whole.nodes()]


@pytest.mark.parametrize("kind", ["full", "bias", "norm", "sparse"])
@pytest.mark.parametrize("name", CNNS)
def test_channels_last_leaves_no_permute(name, kind):
    case, graph = imported(name)
    chosen = scheme(name, kind, case.model)
    assert ops(graph).count("permute") > 2
    whole = tl.train(graph, chosen).step
    assert ops(whole).count("permute") <= (2 if name in FLATTENED else 0)


@EACH
@pytest.mark.parametrize("kind", ["full", "last", "bias", "norm", "sparse"])
def test_no_batch_norm_is_left(name, kind):
    case, graph = imported(name)
    folded = after("fold", graph, None, scheme(name, kind, case.model))
    assert "batch_norm" not in ops(folded)


@pytest.mark.parametrize("name", ["ds_cnn", "mobilenet_v1", "mobilenet_v2", "mcunet_like"])
def test_frozen_batch_norms_vanish(name):
    """Into the convolutions, whose number stays; under `bias` their beta learns in there.

    (In ds_cnn the convolutions have biases of their own, which learn too.)
    """
    case, graph = imported(name)
    convolutions = sum(op in ("conv2d", "depthwise") for op in ops(graph))
    residuals = ops(graph).count("add")
    for kind in ("last",) if name == "ds_cnn" else ("last", "bias"):
        left = ops(after("fold", graph, None, scheme(name, kind, case.model)))
        assert "mul" not in left and left.count("add") == residuals
        assert sum(op in ("conv2d", "depthwise") for op in left) == convolutions


def trained(name: str) -> list[str]:
    """The ops that a ConvBnRelu of ds_cnn becomes, when one of its parameters learns."""
    _, graph = imported("ds_cnn")
    whole = after("fold", graph, None, {name: 1, "fc.weight": 1})
    return [n.op for n in whole.nodes() if n.name in ("features.6", "features.7")]


def test_the_affine_stays_where_its_gradient_is_the_users():
    assert trained("features.9.weight") == ["conv2d"]  # of another layer
    assert trained("features.7.bias") == ["conv2d"]
    assert trained("features.6.weight") == ["conv2d", "mul", "add"]
    assert trained("features.6.bias") == ["conv2d", "mul", "add"]
    assert trained("features.7.weight") == ["conv2d", "mul", "add", "mul", "add"]


def kernels(name: str, kind: str, tmp_path) -> str:
    case, graph = imported(name)
    program = tl.compile(graph, None, scheme(name, kind, case.model), target="host")
    program.write(tmp_path / kind)
    return (tmp_path / kind / "trainer_kernels.h").read_text()


@pytest.mark.parametrize("name", ["mobilenet_v2", "ds_cnn", "se_hardswish"])
def test_what_no_gradient_needs_is_not_in_the_c_code(name, tmp_path):
    full = kernels(name, "full", tmp_path)
    for kernel in ("conv2d_dw", "conv2d_dx", "depthwise_dw", "depthwise_dx", "linear_dw"):
        assert f"k_{kernel}(" in full
    bias = kernels(name, "bias", tmp_path)
    assert "k_conv2d_dx(" in bias and "k_depthwise_dx(" in bias and "k_linear_dw(" in bias
    assert "k_conv2d_dw(" not in bias and "k_depthwise_dw(" not in bias
    last = kernels(name, "last", tmp_path)
    assert "k_linear_dw(" in last
    assert not [kernel for kernel in ("_dx(", "mask", "conv2d_dw(") if kernel in last]


def test_frozen_weights_are_constants_and_trained_ones_state(tmp_path):
    _, graph = imported("ds_cnn")
    chosen = {"features.6.weight": 0.5, "fc.bias": 1}
    tl.compile(graph, None, chosen, target="host").write(tmp_path / "out")
    weights = (tmp_path / "out" / "trainer_weights.h").read_text()
    assert "initial_features_6_weight[2048]" in weights and "initial_fc_bias[12]" in weights
    assert "frozen_fc_weight[" in weights and weights.count("initial_") == 2
    code = (tmp_path / "out" / "trainer.c").read_text()
    state = code[
        code.index("static TRAINER_STATE_ATTRIBUTE struct {") : code.index("} trainer__state;")
    ]
    assert state.count("float ") == 2


def test_nothing_that_is_needed_runs_before_the_first_trained_layer():
    """The backward pass ends at the deepest trained parameter."""
    _, graph = imported("mobilenet_v2")
    deep = tl.train(graph, {"features.17.conv.2.weight": 0.5}).step
    passed = [n.op for n in deep.nodes() if n.op.endswith("_dx")]
    assert sorted(passed) == ["conv2d_dx", "linear_dx", "mask_dx"]
