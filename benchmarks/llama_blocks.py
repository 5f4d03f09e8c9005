"""A network of LLaMA's shape in plain torch, in parts: embedding, equal blocks, head."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn


@dataclass(frozen=True)
class Shape:
    """vocabulary, width, blocks, heads, width of the feed-forward layer, tokens."""

    vocabulary: int
    width: int
    blocks: int
    heads: int
    inner: int
    tokens: int


LLAMA2_7B = Shape(32000, 4096, 32, 32, 11008, 512)
SMALL = Shape(64, 32, 4, 2, 48, 16)


class RMSNorm(nn.Module):
    def __init__(self, width: int, **where) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(width, **where))

    def forward(self, x: Tensor) -> Tensor:
        return x * torch.rsqrt((x * x).mean(-1, keepdim=True) + 1e-5) * self.weight


class Linear(nn.Module):
    """Without a bias; with a rank it has an adapter, B (A x), whose factor is 2."""

    def __init__(self, inputs: int, outputs: int, rank: int = 0, **where) -> None:
        super().__init__()
        drawn = torch.empty(outputs, inputs, **where).normal_(0, inputs**-0.5)
        self.weight = nn.Parameter(drawn)
        self.rank = rank
        if rank:
            self.A = nn.Parameter(torch.empty(rank, inputs, **where).normal_(0, inputs**-0.5))
            self.B = nn.Parameter(torch.zeros(outputs, rank, **where))

    def forward(self, x: Tensor) -> Tensor:
        y = F.linear(x, self.weight)
        return y + 2 * F.linear(F.linear(x, self.A), self.B) if self.rank else y


class Block(nn.Module):
    """Causal attention with rotary positions, then SwiGLU, each behind RMSNorm and a residual."""

    def __init__(self, shape: Shape, rank: int = 0, **where) -> None:
        super().__init__()
        width, self.heads = shape.width, shape.heads
        self.norm1, self.norm2 = RMSNorm(width, **where), RMSNorm(width, **where)
        self.q, self.k, self.v, self.o = (Linear(width, width, rank, **where) for _ in range(4))
        self.gate = Linear(width, shape.inner, rank, **where)
        self.up = Linear(width, shape.inner, rank, **where)
        self.down = Linear(shape.inner, width, rank, **where)
        half = width // shape.heads // 2
        turns = torch.outer(torch.arange(shape.tokens), 10000.0 ** (-torch.arange(half) / half))
        self.register_buffer("cos", torch.cat([turns.cos()] * 2, 1).to(**where))
        self.register_buffer("sin", torch.cat([-turns.sin(), turns.sin()], 1).to(**where))

    def _turned(self, x: Tensor) -> Tensor:
        left, right = x.chunk(2, -1)
        return x * self.cos + torch.cat([right, left], -1) * self.sin

    def forward(self, x: Tensor) -> Tensor:
        batch, tokens, width = x.shape
        h = self.norm1(x)
        q, k, v = (
            layer(h).reshape(batch, tokens, self.heads, -1).transpose(1, 2)
            for layer in (self.q, self.k, self.v)
        )
        a = F.scaled_dot_product_attention(self._turned(q), self._turned(k), v, is_causal=True)
        x = x + self.o(a.transpose(1, 2).reshape(batch, tokens, width))
        h = self.norm2(x)
        return x + self.down(F.silu(self.gate(h)) * self.up(h))


class Head(nn.Module):
    """Logits of each token, [tokens, vocabulary]."""

    def __init__(self, shape: Shape, **where) -> None:
        super().__init__()
        self.norm = RMSNorm(shape.width, **where)
        self.project = Linear(shape.width, shape.vocabulary, **where)

    def forward(self, x: Tensor) -> Tensor:
        return self.project(self.norm(x)).flatten(0, 1)


def parts(shape: Shape, rank: int = 0, **where) -> dict[str, nn.Module]:
    """The network's parts by their prefix; where: device and dtype."""
    torch.manual_seed(0)
    blocks = {f"blocks.{k}": Block(shape, rank, **where) for k in range(shape.blocks)}
    return {
        "embedding": nn.Embedding(shape.vocabulary, shape.width, **where),
        **blocks,
        "head": Head(shape, **where),
    }


def scheme(kind: str, shape: Shape, network: dict[str, nn.Module]) -> dict[str, float]:
    """full; lora: all adapters; sparse: attention and the first product of the feed-forward layer
    of the last five blocks, or of the last half of a shallow network."""
    names = [
        f"{prefix}.{name}" for prefix, m in network.items() for name, _ in m.named_parameters()
    ]
    if kind == "full":
        chosen = names
    elif kind == "lora":
        chosen = [name for name in names if name.endswith((".A", ".B"))]
    else:
        first = shape.blocks - min(5, shape.blocks // 2)
        own = [f"blocks.{k}.{m}.weight" for k in range(first, shape.blocks) for m in
               ("q", "k", "v", "o", "gate")]  # fmt: skip
        chosen = [name for name in names if name in own]
    return dict.fromkeys(chosen, 1.0)
