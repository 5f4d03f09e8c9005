"""Checkpoints of llama2.c, such as stories260K: seven int32 (dim, hidden, layers, heads, key and
value heads, vocabulary, longest text) and float32 weights, each kind of all layers together."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from pathlib import Path

import numpy as np
import torch

from zoo.llama import Llama, LlamaShape

HEADER = 7
LAYER = (
    ("input_layernorm", lambda s: (s.dim,)),
    ("self_attn.q_proj", lambda s: (s.dim, s.dim)),
    ("self_attn.k_proj", lambda s: (s.kv_heads * s.dim // s.heads, s.dim)),
    ("self_attn.v_proj", lambda s: (s.kv_heads * s.dim // s.heads, s.dim)),
    ("self_attn.o_proj", lambda s: (s.dim, s.dim)),
    ("post_attention_layernorm", lambda s: (s.dim,)),
    ("mlp.gate_proj", lambda s: (s.hidden, s.dim)),
    ("mlp.down_proj", lambda s: (s.dim, s.hidden)),
    ("mlp.up_proj", lambda s: (s.hidden, s.dim)),
)
"""In the order of the file: module, shape of its weight."""


def halves_of_pairs(weight: torch.Tensor, heads: int) -> torch.Tensor:
    """Rows of q or k for rotary positions that turn elements i and i + width / 2 of a head.

    llama2.c and llama.cpp turn neighbours, 2 i and 2 i + 1.
    """
    rows, columns = weight.shape
    pairs = weight.view(heads, rows // heads // 2, 2, columns)
    return pairs.transpose(1, 2).reshape(rows, columns)


def pairs_of_halves(weight: torch.Tensor, heads: int) -> torch.Tensor:
    """The inverse."""
    rows, columns = weight.shape
    return weight.view(heads, 2, -1, columns).transpose(1, 2).reshape(rows, columns)


def heads_of(name: str, shape: LlamaShape) -> int:
    """How many heads turn in the rows of that weight; 0 of others than q and k."""
    own = name.rsplit(".", 2)[-2]
    return {"q_proj": shape.heads, "k_proj": shape.kv_heads}.get(own, 0)


def read(path: Path, most: int = 256) -> Llama:
    """The network of a checkpoint whose classifier is its embedding; most: tokens of a text."""
    data = path.read_bytes()
    dim, hidden, layers, heads, kv, vocabulary, _ = np.frombuffer(data, np.int32, HEADER).tolist()
    shape = LlamaShape(vocabulary, dim, layers, heads, kv, hidden)
    floats = torch.from_numpy(np.frombuffer(data, np.float32, offset=4 * HEADER).copy())
    weights, at = {}, 0
    for names, size in _parts(shape):
        for name in names:
            weight = floats[at : at + prod(size)].view(size)
            turning = heads_of(name, shape)
            weights[name] = halves_of_pairs(weight, turning) if turning else weight
            at += prod(size)
    model = Llama(shape, most).eval()
    model.load_state_dict(weights)
    return model


def write(path: Path, model: Llama, longest: int) -> None:
    """A checkpoint that `read` reads."""
    s, weights = model.shape, model.state_dict()
    header = [s.dim, s.hidden, s.layers, s.heads, s.kv_heads, s.vocabulary, longest]
    parts = [np.array(header, np.int32).tobytes()]
    for names, _ in _parts(s):
        for name in names:
            turning = heads_of(name, s)
            weight = pairs_of_halves(weights[name], turning) if turning else weights[name]
            parts.append(weight.contiguous().numpy().tobytes())
    path.write_bytes(b"".join([*parts, bytes(4 * longest * s.dim // s.heads)]))


def _parts(shape: LlamaShape) -> list[tuple[list[str], tuple[int, ...]]]:
    """The weights of one kind, and their shape."""
    layers = [
        ([f"layers.{k}.{module}.weight" for k in range(shape.layers)], size(shape))
        for module, size in LAYER
    ]
    table = (["embed_tokens.weight"], (shape.vocabulary, shape.dim))
    return [table, *layers, (["norm.weight"], (shape.dim,))]


def continued(model: torch.nn.Module, tokens: Sequence[int], more: int) -> list[int]:
    """The tokens, and behind them the likeliest ones."""
    found = list(tokens)
    with torch.no_grad():
        for _ in range(more):
            found.append(int(model(torch.tensor([found]))[0, :, -1].argmax()))
    return found
