"""A language model of LLaMA's shape: RMSNorm, rotary positions, grouped queries, SwiGLU, tied head.

The names of parameters are those of Hugging Face's LlamaForCausalLM.  It takes tokens and has no
place among NETWORKS, whose members take real numbers.
"""

from dataclasses import dataclass, replace

import torch
import torch.nn.functional as F
from torch import Tensor, nn


@dataclass(frozen=True)
class LlamaShape:
    """dim: of a token's vector; hidden: of the feed-forward part; base: of rotary positions"""

    vocabulary: int
    dim: int
    layers: int
    heads: int
    kv_heads: int
    hidden: int
    base: float = 1e4
    eps: float = 1e-5


SMALL = LlamaShape(vocabulary=97, dim=32, layers=3, heads=4, kv_heads=2, hidden=48)


def rotations(width: int, tokens: int, base: float) -> tuple[Tensor, Tensor]:
    """Cosines and sines of the angles by which pairs of a head turn, each [tokens, width / 2]."""
    rates = base ** (-torch.arange(0, width, 2, dtype=torch.float64) / width)
    angles = torch.arange(tokens, dtype=torch.float64)[:, None] * rates
    return angles.cos().float(), angles.sin().float()


def rotated(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """Element i of a head [.., tokens, width] and element i + width / 2 are a pair."""
    a, b = x.chunk(2, -1)
    return torch.cat([a * cos - b * sin, b * cos + a * sin], -1)


class Attention(nn.Module):
    def __init__(self, shape: LlamaShape) -> None:
        super().__init__()
        self.shape, self.width = shape, shape.dim // shape.heads
        self.q_proj = nn.Linear(shape.dim, shape.dim, bias=False)
        self.k_proj = nn.Linear(shape.dim, shape.kv_heads * self.width, bias=False)
        self.v_proj = nn.Linear(shape.dim, shape.kv_heads * self.width, bias=False)
        self.o_proj = nn.Linear(shape.dim, shape.dim, bias=False)

    def forward(self, x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
        batch, tokens, _ = x.shape
        q, k, v = (
            layer(x).view(batch, tokens, -1, self.width).transpose(1, 2)
            for layer in (self.q_proj, self.k_proj, self.v_proj)
        )
        q, k = rotated(q, cos, sin), rotated(k, cos, sin)
        x = F.scaled_dot_product_attention(q, k, v, is_causal=True, enable_gqa=True)
        return self.o_proj(x.transpose(1, 2).reshape(batch, tokens, -1))


class FeedForward(nn.Module):
    def __init__(self, shape: LlamaShape) -> None:
        super().__init__()
        self.gate_proj = nn.Linear(shape.dim, shape.hidden, bias=False)
        self.up_proj = nn.Linear(shape.dim, shape.hidden, bias=False)
        self.down_proj = nn.Linear(shape.hidden, shape.dim, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        return self.down_proj(F.silu(self.gate_proj(x)) * self.up_proj(x))


class Block(nn.Module):
    def __init__(self, shape: LlamaShape) -> None:
        super().__init__()
        self.input_layernorm = nn.RMSNorm(shape.dim, shape.eps)
        self.self_attn = Attention(shape)
        self.post_attention_layernorm = nn.RMSNorm(shape.dim, shape.eps)
        self.mlp = FeedForward(shape)

    def forward(self, x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
        x = x + self.self_attn(self.input_layernorm(x), cos, sin)
        return x + self.mlp(self.post_attention_layernorm(x))


class Llama(nn.Module):
    """tokens int [batch, T] -> logits [batch, vocabulary, T] of each next token.

    most: the longest T
    """

    def __init__(self, shape: LlamaShape, most: int = 64) -> None:
        super().__init__()
        self.shape = shape
        self.embed_tokens = nn.Embedding(shape.vocabulary, shape.dim)
        self.layers = nn.ModuleList(Block(shape) for _ in range(shape.layers))
        self.norm = nn.RMSNorm(shape.dim, shape.eps)
        self.set_longest(most)

    def set_longest(self, most: int) -> None:
        """The longest T from now on."""
        cos, sin = rotations(self.shape.dim // self.shape.heads, most, self.shape.base)
        self.register_buffer("cos", cos, persistent=False)
        self.register_buffer("sin", sin, persistent=False)

    def forward(self, tokens: Tensor) -> Tensor:
        T = tokens.shape[1]
        x, cos, sin = self.embed_tokens(tokens), self.cos[:T], self.sin[:T]
        for block in self.layers:
            x = block(x, cos, sin)
        return F.linear(self.norm(x), self.embed_tokens.weight).transpose(1, 2)


def llama(shape: LlamaShape = SMALL, most: int = 64, seed: int = 0, **other: int) -> Llama:
    """A network with random weights, as a trained one's are spread.

    other: what differs from the shape, such as layers=5
    """
    shape = replace(shape, **other)
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        torch.manual_seed(seed)
        model = Llama(shape, most).eval()
        for module in model.modules():
            if isinstance(module, (nn.Linear, nn.Embedding)):
                nn.init.normal_(module.weight, std=shape.dim**-0.5)
            elif isinstance(module, nn.RMSNorm):
                nn.init.uniform_(module.weight, 0.7, 1.3)
    return model
