"""CCT-2/3x2, the Compact Convolutional Transformer (Hassani et al., 2021), on 32x32.

The order of norms inside an encoder layer is the authors'. Their sequence pooling has a bias, which
a softmax cancels: its gradient is zero but for rounding, so it is left out here.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .case import Case, make_case


class Tokenizer(nn.Module):
    def __init__(self, dim: int) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for cin, cout in ((3, 64), (64, dim)):
            layers += [nn.Conv2d(cin, cout, 3, padding=1, bias=False), nn.ReLU()]
            layers += [nn.MaxPool2d(3, 2, padding=1)]
        self.conv_layers = nn.Sequential(*layers)

    def forward(self, x: Tensor) -> Tensor:
        return self.conv_layers(x).flatten(2).transpose(1, 2)  # [N, 64 tokens, dim]


class Attention(nn.Module):
    def __init__(self, dim: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(dim, 3 * dim, bias=False)
        self.proj = nn.Linear(dim, dim)
        self.proj_drop = nn.Dropout(0.1)

    def forward(self, x: Tensor) -> Tensor:
        N, T, C = x.shape
        qkv = self.qkv(x).reshape(N, T, 3, self.heads, C // self.heads).permute(2, 0, 3, 1, 4)
        x = F.scaled_dot_product_attention(qkv[0], qkv[1], qkv[2])  # [N, heads, T, C / heads]
        return self.proj_drop(self.proj(x.transpose(1, 2).reshape(N, T, C)))


class EncoderLayer(nn.Module):
    def __init__(self, dim: int, heads: int, ratio: int) -> None:
        super().__init__()
        self.pre_norm = nn.LayerNorm(dim)
        self.self_attn = Attention(dim, heads)
        self.norm1 = nn.LayerNorm(dim)
        self.linear1 = nn.Linear(dim, dim * ratio)
        self.dropout1 = nn.Dropout(0.1)
        self.linear2 = nn.Linear(dim * ratio, dim)
        self.dropout2 = nn.Dropout(0.1)

    def forward(self, x: Tensor) -> Tensor:
        x = self.norm1(x + self.self_attn(self.pre_norm(x)))
        return x + self.dropout2(self.linear2(self.dropout1(F.gelu(self.linear1(x)))))


class Cct2(nn.Module):
    def __init__(self, dim: int = 128, layers: int = 2, heads: int = 2, classes: int = 10) -> None:
        super().__init__()
        self.tokenizer = Tokenizer(dim)
        self.positional_emb = nn.Parameter(nn.init.trunc_normal_(torch.empty(1, 64, dim), std=0.2))
        self.dropout = nn.Dropout(0.1)
        self.blocks = nn.Sequential(*(EncoderLayer(dim, heads, ratio=1) for _ in range(layers)))
        self.norm = nn.LayerNorm(dim)
        self.attention_pool = nn.Linear(dim, 1, bias=False)
        self.fc = nn.Linear(dim, classes)

    def forward(self, x: Tensor) -> Tensor:
        x = self.norm(self.blocks(self.dropout(self.tokenizer(x) + self.positional_emb)))
        weights = F.softmax(self.attention_pool(x), dim=1)  # [N, T, 1]
        x = torch.matmul(weights.transpose(-1, -2), x).squeeze(-2)  # [N, dim]
        return self.fc(x)


def cct2(batch: int = 1) -> Case:
    return make_case(Cct2, (3, 32, 32), 10, batch)
