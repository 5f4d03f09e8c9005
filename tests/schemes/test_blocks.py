"""Schemes of networks that are a row of equal blocks."""

from __future__ import annotations

import pytest
import torch
from torch import nn

import trainlet as tl
from trainlet.errors import SchemeError
from zoo import NETWORKS
from zoo.llama import llama

ATTENTION = ["q_proj", "k_proj", "v_proj", "o_proj"]


def graph_and_module():
    model = llama()
    return model, tl.prepare(model, torch.zeros(1, 5, dtype=torch.int64), check=False)


@pytest.mark.parametrize("k", [1, 2])
def test_the_last_blocks_of_a_module_and_of_its_graph(k):
    own = [*(f"self_attn.{name}" for name in ATTENTION), "mlp.gate_proj"]
    expected = {f"layers.{at}.{name}.weight" for at in range(3 - k, 3) for name in own}
    for model in graph_and_module():
        assert set(tl.schemes.last_blocks(model, k)) == expected


def test_the_last_blocks_of_networks_with_biases():
    cct = tl.schemes.last_blocks(NETWORKS["cct2"](1).model, 1)
    assert set(cct) == {f"blocks.1.{name}" for name in (
        "self_attn.qkv.weight", "self_attn.proj.weight", "self_attn.proj.bias",
        "linear1.weight", "linear1.bias",
    )}  # fmt: skip
    layer = nn.TransformerEncoderLayer(8, 2, 16, batch_first=True)
    encoder = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)
    own = ["in_proj_weight", "in_proj_bias", "out_proj.weight", "out_proj.bias"]
    assert set(tl.schemes.last_blocks(encoder, 1)) == {
        *(f"layers.1.self_attn.{name}" for name in own), "layers.1.linear1.weight",
        "layers.1.linear1.bias",
    }  # fmt: skip


def test_rms_norms_are_norms():
    model, graph = graph_and_module()
    norms = {name for name, _ in model.named_parameters() if "norm" in name}
    assert len(norms) == 7
    assert set(tl.schemes.norm(graph)) == norms | {"embed_tokens.weight"}
    assert norms < set(tl.schemes.norm(model))


def test_blocks_take_turns():
    """Each learns once before any learns again; what is in no block always learns."""
    for model in graph_and_module():
        schemes = tl.schemes.lisa(model, 2, variants=6)
        learns = [{int(name.split(".")[1]) for name in s if "layers" in name} for s in schemes]
        assert [len(blocks) for blocks in learns] == [2] * 6
        counts = [sum(at in blocks for blocks in learns) for at in range(3)]
        assert counts == [4, 4, 4]
        assert all({"embed_tokens.weight", "norm.weight"} < set(s) for s in schemes)
        assert all(len(s) == 2 * 9 + 2 for s in schemes)
    assert len(tl.schemes.lisa(model)) == 2
    assert {len(s) for s in tl.schemes.lisa(model, 1, ends=False)} == {9}


@pytest.mark.parametrize("find", [tl.schemes.last_blocks, tl.schemes.lisa])
def test_more_blocks_than_there_are(find):
    with pytest.raises(SchemeError, match="k=4; allowed: .*at most 3"):
        find(llama(), 4)


def test_a_network_without_attention():
    with pytest.raises(SchemeError, match="no numbered blocks .*`attn`"):
        tl.schemes.last_blocks(nn.Sequential(nn.Linear(3, 3), nn.Linear(3, 3)), 1)
