"""Which parameters the tests of the networks train: the presets, and one sparse scheme each.

A sparse scheme names weights of every family of layer that the network has, with shares that
do and do not divide the channels.
"""

from __future__ import annotations

import torch

import trainlet as tl

SPARSE: dict[str, dict[str, float]] = {
    "mlp": {"0.weight": 0.3, "2.weight": 0.5, "4.weight": 0.25, "2.bias": 1, "4.bias": 1},
    "lenet5": {
        "conv1.weight": 0.5,  # one input channel: at least one learns
        "conv2.weight": 0.5,
        "fc1.weight": 0.25,
        "fc2.weight": 0.5,
        "conv2.bias": 1,
        "fc3.weight": 1,
    },
    "ds_cnn": {
        "features.9.weight": 0.25,  # depthwise
        "features.12.weight": 0.5,
        "features.15.weight": 0.3,  # depthwise
        "features.18.weight": 0.1,
        "features.18.bias": 1,
        "features.25.weight": 1,
        "features.25.bias": 1,
        "fc.weight": 0.5,
    },
    "recurrent": {
        "conv.weight": 0.5,
        "lstm.weight_ih_l0": 0.25,
        "lstm.weight_hh_l0_reverse": 0.5,
        "gru.weight_hh_l0": 0.3,
        "gru.bias_hh_l0": 1,
        "fc.weight": 1,
    },
    "resnet8": {
        "layers.0.conv2.weight": 0.25,
        "layers.1.conv1.weight": 0.5,
        "layers.1.shortcut.weight": 0.5,
        "layers.2.conv2.weight": 0.3,
        "layers.2.bn2.bias": 1,
        "fc.weight": 0.25,
        "fc.bias": 1,
    },
    "mobilenet_v1": {
        "features.5.0.weight": 0.5,  # depthwise
        "features.10.0.weight": 0.25,
        "features.19.0.weight": 0.25,  # depthwise
        "features.20.0.weight": 0.5,
        "features.26.0.weight": 0.125,
        "features.26.1.bias": 1,
        "classifier.weight": 1,
    },
    "mobilenet_v2": {
        "features.3.conv.0.0.weight": 0.5,
        "features.7.conv.1.0.weight": 0.25,  # depthwise
        "features.12.conv.2.weight": 0.25,
        "features.15.conv.0.0.weight": 0.5,
        "features.17.conv.1.0.weight": 0.1,  # depthwise
        "features.17.conv.2.weight": 0.5,
        "features.18.1.bias": 1,
        "classifier.1.weight": 0.25,
        "classifier.1.bias": 1,
    },
    "mcunet_like": {
        "blocks.4.conv.0.0.weight": 0.25,
        "blocks.4.conv.1.0.weight": 0.5,  # depthwise 7x7
        "blocks.7.conv.2.weight": 0.25,
        "blocks.9.conv.1.0.weight": 0.25,  # depthwise 7x7
        "blocks.10.conv.0.0.weight": 0.5,
        "classifier.weight": 0.5,
        "classifier.bias": 1,
    },
    "se_hardswish": {
        "features.1.block.2.fc1.weight": 0.5,  # inside a gate
        "features.4.block.1.0.weight": 0.25,  # depthwise
        "features.4.block.2.fc2.weight": 0.5,  # inside a gate
        "features.5.block.3.0.weight": 0.25,
        "features.6.0.weight": 0.5,
        "classifier.0.weight": 0.3,
        "classifier.2.weight": 1,
    },
    "audio_conv1d": {
        "features.1.0.weight": 0.5,
        "features.2.0.weight": 0.25,
        "features.4.weight": 0.3,
        "features.4.bias": 1,
        "fc.weight": 0.5,
    },
    "cct2": {
        "tokenizer.conv_layers.3.weight": 0.25,
        "positional_emb": 1,
        "blocks.0.self_attn.qkv.weight": 0.25,
        "blocks.0.linear2.weight": 0.5,
        "blocks.1.self_attn.proj.weight": 0.5,
        "blocks.1.norm1.bias": 1,
        "attention_pool.weight": 0.5,
        "fc.weight": 1,
    },
    "grouped": {
        "0.weight": 0.5,
        "2.weight": 0.5,  # 2 of 4 groups
        "4.weight": 0.3,  # 1 of 2 groups, two outputs for an input
        "6.weight": 0.4,  # depthwise with two outputs for an input: 2 of 6 groups
        "9.weight": 0.25,
    },
}


def scheme(network: str, kind: str, model: torch.nn.Module) -> tl.UpdateScheme:
    """kind: "sparse", or the name of a preset."""
    if kind == "sparse":
        return tl.UpdateScheme(SPARSE[network])
    return tl.schemes.preset(kind, model)
