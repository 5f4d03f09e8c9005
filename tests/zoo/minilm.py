"""An encoder of BERT's shape that makes a vector of a sentence, such as all-MiniLM-L6-v2.

The names of parameters are those of Hugging Face's BertModel.
"""

from dataclasses import dataclass, replace

import torch
import torch.nn.functional as F
from torch import Tensor, nn


@dataclass(frozen=True)
class MiniLmShape:
    """longest: tokens of a sentence"""

    vocabulary: int
    dim: int
    layers: int
    heads: int
    hidden: int
    longest: int = 512
    eps: float = 1e-12


SMALL = MiniLmShape(vocabulary=97, dim=24, layers=2, heads=3, hidden=48, longest=32)


class Embeddings(nn.Module):
    """Of tokens, of their places, and of the first of two kinds of sentences."""

    def __init__(self, shape: MiniLmShape) -> None:
        super().__init__()
        self.word_embeddings = nn.Embedding(shape.vocabulary, shape.dim)
        self.position_embeddings = nn.Embedding(shape.longest, shape.dim)
        self.token_type_embeddings = nn.Embedding(2, shape.dim)
        self.LayerNorm = nn.LayerNorm(shape.dim, shape.eps)

    def forward(self, tokens: Tensor) -> Tensor:
        places = self.position_embeddings.weight[: tokens.shape[1]]
        own = places + self.token_type_embeddings.weight[0]
        return self.LayerNorm(self.word_embeddings(tokens) + own)


class SelfAttention(nn.Module):
    def __init__(self, shape: MiniLmShape) -> None:
        super().__init__()
        self.width = shape.dim // shape.heads
        self.query, self.key, self.value = (nn.Linear(shape.dim, shape.dim) for _ in range(3))

    def forward(self, x: Tensor) -> Tensor:
        batch, tokens, _ = x.shape
        q, k, v = (
            layer(x).view(batch, tokens, -1, self.width).transpose(1, 2)
            for layer in (self.query, self.key, self.value)
        )
        return F.scaled_dot_product_attention(q, k, v).transpose(1, 2).reshape(x.shape)


class Projection(nn.Module):
    """A layer whose result is added to what came before, and normalised."""

    def __init__(self, inputs: int, shape: MiniLmShape) -> None:
        super().__init__()
        self.dense = nn.Linear(inputs, shape.dim)
        self.LayerNorm = nn.LayerNorm(shape.dim, shape.eps)

    def forward(self, x: Tensor, before: Tensor) -> Tensor:
        return self.LayerNorm(self.dense(x) + before)


class Attention(nn.Module):
    def __init__(self, shape: MiniLmShape) -> None:
        super().__init__()
        self.self = SelfAttention(shape)
        self.output = Projection(shape.dim, shape)

    def forward(self, x: Tensor) -> Tensor:
        return self.output(self.self(x), x)


class Intermediate(nn.Module):
    def __init__(self, shape: MiniLmShape) -> None:
        super().__init__()
        self.dense = nn.Linear(shape.dim, shape.hidden)

    def forward(self, x: Tensor) -> Tensor:
        return F.gelu(self.dense(x))


class Layer(nn.Module):
    def __init__(self, shape: MiniLmShape) -> None:
        super().__init__()
        self.attention = Attention(shape)
        self.intermediate = Intermediate(shape)
        self.output = Projection(shape.hidden, shape)

    def forward(self, x: Tensor) -> Tensor:
        x = self.attention(x)
        return self.output(self.intermediate(x), x)


class Encoder(nn.Module):
    def __init__(self, shape: MiniLmShape) -> None:
        super().__init__()
        self.layer = nn.ModuleList(Layer(shape) for _ in range(shape.layers))

    def forward(self, x: Tensor) -> Tensor:
        for layer in self.layer:
            x = layer(x)
        return x


class MiniLm(nn.Module):
    """tokens int [batch, T], without padding -> vectors [batch, dim] of length 1: the mean over the
    tokens."""

    def __init__(self, shape: MiniLmShape) -> None:
        super().__init__()
        self.embeddings = Embeddings(shape)
        self.encoder = Encoder(shape)

    def forward(self, tokens: Tensor) -> Tensor:
        return F.normalize(self.encoder(self.embeddings(tokens)).mean(1), dim=-1)


def minilm(shape: MiniLmShape = SMALL, seed: int = 0, **other: int) -> MiniLm:
    """A network with random weights; other: what differs from the shape, such as layers=3."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return MiniLm(replace(shape, **other)).eval()
