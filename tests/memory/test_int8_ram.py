"""RAM of the int8 trainer of DS-CNN (all biases, the last two blocks, the head) against float32."""

from __future__ import annotations

from copy import deepcopy
from functools import cache

import pytest
import torch
from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

import trainlet as tl
from trainlet.frontends.pt2e import quantize_module
from trainlet.ir.graph import Graph
from zoo import NETWORKS
from zoo.ds_cnn import DsCnn

LAST_TWO_BLOCKS = 4
"""Convolutions: a depthwise and a pointwise one each."""


@cache
def folded() -> DsCnn:
    """The network with its batch norms folded: float32 and int8 then train the same tensors."""
    model = deepcopy(NETWORKS["ds_cnn"](1).model)
    assert isinstance(model, DsCnn)
    layers: list[nn.Module] = []
    for layer in model.features:
        if isinstance(layer, nn.BatchNorm2d):
            layers[-1] = fuse_conv_bn_eval(layers[-1], layer)
            layer = nn.Identity()
        layers.append(layer)
    model.features = nn.Sequential(*layers)
    return model.eval()


@cache
def quantised() -> Graph:
    generator = torch.Generator().manual_seed(0)
    shown = [torch.randn(8, 1, 49, 10, generator=generator)]
    return quantize_module(folded(), torch.zeros(1, 1, 49, 10), shown)


def scheme() -> tl.UpdateScheme:
    parameters = dict(folded().named_parameters())
    convolutions = [name for name, p in parameters.items() if p.dim() == 4]
    biases = [name for name in parameters if name.endswith("bias")]
    chosen = [*biases, *convolutions[-LAST_TWO_BLOCKS:], "fc.weight"]
    return tl.UpdateScheme(dict.fromkeys(chosen, 1.0))


@cache
def float32_bytes() -> int:
    x = torch.zeros(1, 1, 49, 10)
    return tl.compile(folded(), x, scheme(), target="cortex-m7").report.ram_bytes


def int8_bytes(gradient: str, bits: int) -> int:
    precision = tl.Int8(gradient=gradient, extra_bits=bits)
    program = tl.compile(quantised(), None, scheme(), target="cortex-m7", precision=precision)
    return program.report.ram_bytes


@pytest.mark.parametrize("bits", [0, 4, 8])
def test_a_third_with_int8_gradients(bits):
    """Arena, parameters with their fractional bits, state and the measured stack."""
    assert 3 * int8_bytes("int8", bits) <= float32_bytes()


def test_a_third_with_int16_gradients():
    """A layer's gradient makes room for its input's; without extra bits."""
    assert 3 * int8_bytes("int16", 0) <= float32_bytes()


def test_what_misses_a_third():
    """Gradients in int16 with 8 extra bits."""
    assert 0.33 * float32_bytes() < int8_bytes("int16", 8) <= 0.38 * float32_bytes()
