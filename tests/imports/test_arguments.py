"""Every argument of an operator is taken or refused: values and gradients are torch's."""

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

import trainlet as tl
from trainlet.errors import DataError, UnsupportedError

from .support import Around, Variant

HIDDEN = float("-inf")


def attend(h: Tensor, **options) -> Tensor:
    return F.scaled_dot_product_attention(h, h * 0.5, h + 1, **options)


VARIANTS: dict[str, Variant] = {
    "add alpha": lambda s, h: torch.add(h, s.p, alpha=2.5),
    "sub alpha": lambda s, h: torch.sub(h, s.p, alpha=-0.5),
    "rsub alpha": lambda s, h: torch.rsub(h, 2.0, alpha=3),
    "rsub tensor": lambda s, h: torch.rsub(h, s.p, alpha=3),
    "number minus": lambda s, h: 1 - h,
    "booleans as numbers": lambda s, h: h * True + s.seen,
    "integers added": lambda s, h: h + torch.arange(6),
    "div buffer": lambda s, h: h / s.divisor,
    "div number": lambda s, h: h / -0.3,
    "clamp": lambda s, h: h.clamp(-0.5, 0.5),
    "clamp min": lambda s, h: torch.clamp(h, min=0.0),
    "clamp max": lambda s, h: torch.clamp(h, max=0.25),
    "clamp_min": lambda s, h: h.clamp_min(-0.1),
    "clamp_max": lambda s, h: h.clamp_max(0.1),
    "clamp crossed": lambda s, h: h.clamp(0.5, -0.5) + h,
    "clamp infinite": lambda s, h: h.clamp(HIDDEN, 0.3),
    "hardtanh": lambda s, h: F.hardtanh(h, -0.2, 0.7),
    "leaky": lambda s, h: F.leaky_relu(h),
    "leaky 0.3": lambda s, h: F.leaky_relu(h + 0, 0.3, inplace=True),
    "leaky backwards": lambda s, h: F.leaky_relu(h, -0.5),
    "leaky flat": lambda s, h: F.leaky_relu(h, 0.0),
    "relu6": lambda s, h: F.relu6(h * 5),
    "clamp 0 to 6": lambda s, h: (h * 5).clamp(0, 6),
    "gelu none": lambda s, h: F.gelu(h),
    "gelu tanh": lambda s, h: F.gelu(h, approximate="tanh"),
    "mean all": lambda s, h: h * h.mean(),
    "mean dims": lambda s, h: h * h.mean((-1, 1), keepdim=True),
    "mean no keepdim": lambda s, h: h.mean((0, -2)).expand(2, -1, -1),
    "sum": lambda s, h: h * h.sum(),
    "sum dims": lambda s, h: h.sum((-1, 0)).expand(2, 4, 6),
    "softmax dim": lambda s, h: h.softmax(1),
    "softmax negative dim": lambda s, h: torch.softmax(h, -2, dtype=torch.float32),
    "avg no padding": lambda s, h: F.avg_pool2d(h, 3, 2, 1, count_include_pad=False),
    "avg padding": lambda s, h: F.avg_pool2d(h, (3, 2), (1, 2), (1, 0)),
    "avg ceil that divides": lambda s, h: F.avg_pool2d(h, 2, 2, ceil_mode=True),
    "max dilation": lambda s, h: F.max_pool2d(h, 2, 1, dilation=(2, 3)),
    "max of a map": lambda s, h: torch.stack([F.max_pool2d(m, (2, 3)) for m in h]),
    "avg of a map": lambda s, h: torch.stack([F.avg_pool2d(m, (3, 2)) for m in h]),
    "adaptive": lambda s, h: F.adaptive_avg_pool2d(h, (4, 1)),
    "conv of a map": lambda s, h: torch.stack([F.conv2d(m, s.w, groups=4) for m in h]),
    "conv same": lambda s, h: F.conv2d(h, s.w, padding="same", groups=4, dilation=2),
    "conv strides": lambda s, h: F.conv2d(h, s.w, None, (2, 1), (1, 0), (1, 2), 4),
    "layer norm": lambda s, h: F.layer_norm(h, (6, 6), eps=0.1),
    "layer norm affine": lambda s, h: F.layer_norm(h, (4, 1, 1), s.p) if 0 else h * s.p,
    "group norm": lambda s, h: F.group_norm(h, 2, eps=0.5),
    "slice steps": lambda s, h: h[:, 1:-1:2, ::3, -4:],
    "select negative": lambda s, h: h[:, -1] + h.select(1, -2),
    "squeeze": lambda s, h: h.mean(1, keepdim=True).squeeze().squeeze(0),
    "squeeze not one": lambda s, h: h.squeeze(1).squeeze((0, 2)),
    "unsqueeze negative": lambda s, h: h.unsqueeze(-2).flatten(1, -2),
    "chunk uneven": lambda s, h: torch.cat([c * k for k, c in enumerate(h.chunk(4, 3), 1)], 3),
    "split uneven": lambda s, h: torch.cat(h.split([1, 3, 2], -1)[::-1], -1),
    "cat empty": lambda s, h: torch.cat([torch.zeros(0), h, h[:, :0], h], 1),
    "stack negative": lambda s, h: torch.stack([h, h * 2], -1),
    "unbind": lambda s, h: h.unbind(1)[2] * h.unbind(-1)[0].unsqueeze(1).mean(2, True),
    "expand of a number": lambda s, h: h + h.mean().expand(6, 6),
    "transpose": lambda s, h: h.transpose(-1, 1).mT,
    "casts that do nothing": lambda s, h: h.float().to(torch.float32).type_as(h).contiguous(),
    "clones": lambda s, h: torch.clone(h.contiguous(memory_format=torch.channels_last)),
    "pad": lambda s, h: F.pad(h, (1, 0, 0, 2, 1, 1)),
    "full like": lambda s, h: h * torch.full_like(h, 0.5) + torch.ones_like(h) - h.new_zeros(6),
    "where": lambda s, h: torch.where(s.seen, h, 0.25),
    "where of tensors": lambda s, h: torch.where(s.seen, h, h * s.p),
    "masked fill": lambda s, h: h.masked_fill(~s.seen, HIDDEN).softmax(-1),
    "masked fill of a zero": lambda s, h: h.masked_fill(s.causal < 0, 0),
    "lowest number": lambda s, h: (h + (~s.seen) * torch.finfo(h.dtype).min).softmax(-1),
    "minus infinity": lambda s, h: (h + s.causal).softmax(-1),
    "dropout off": lambda s, h: F.dropout(h, 0.5, training=s.training),
    "dropout of nothing": lambda s, h: F.dropout(h, 0.0),
    "attention": lambda s, h: attend(h),
    "attention causal": lambda s, h: attend(h, is_causal=True),
    "attention booleans": lambda s, h: attend(h, attn_mask=s.seen),
    "attention floats": lambda s, h: attend(h, attn_mask=s.causal),
    "attention broadcast": lambda s, h: attend(h, attn_mask=s.seen[3:4]),
    "attention scale": lambda s, h: attend(h, scale=0.3),
    "attention groups": lambda s, h: F.scaled_dot_product_attention(
        h, h[:, :2], h[:, 2:], enable_gqa=True
    ),
}


@pytest.mark.parametrize("name", VARIANTS)
def test_values_and_gradients_are_torchs(name: str):
    model, x = Around(VARIANTS[name]).eval(), torch.zeros(2, 3, 6, 6)
    found = tl.check(model, x, "full")
    assert found.same, found.rows
    tl.compile(model, x, "last", target="host", tile=False)


REFUSED: dict[str, tuple[Variant, str]] = {
    "dropout": (lambda s, h: F.dropout(h, 0.5), "dropout"),
    "feature dropout": (lambda s, h: F.dropout2d(h, 0.5), "dropout"),
    "alpha dropout": (lambda s, h: F.alpha_dropout(h, 0.5, training=True), "dropout"),
    "attention dropout": (lambda s, h: attend(h, dropout_p=0.1), "dropout_p=0.1"),
    "rrelu": (lambda s, h: F.rrelu(h, training=True), "rrelu"),
    "random": (lambda s, h: h + torch.rand(6), "random numbers"),
    "random like": (lambda s, h: h + torch.randn_like(h), "random numbers"),
    "bernoulli": (lambda s, h: h * torch.bernoulli(torch.full((6,), 0.5)), "random numbers"),
    "double": (lambda s, h: h.double().float(), r"torch\.float64"),
    "half": (lambda s, h: h.half().float(), r"torch\.float16"),
    "sum in double": (lambda s, h: h.sum(1, dtype=torch.float64).float(), r"float64"),
    "divisor override": (lambda s, h: F.avg_pool2d(h, 2, divisor_override=3), "divisor_override"),
    "hidden keys": (lambda s, h: attend(h, attn_mask=s.seen & (s.causal < 0)), "mask"),
    "autocast": (lambda s, h: _autocast(h), "autocast"),
}


def _autocast(h: Tensor) -> Tensor:
    with torch.autocast("cpu", dtype=torch.bfloat16):
        return (h @ h).float()


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_meant_is_refused_by_its_name(name: str):
    variant, word = REFUSED[name]
    with pytest.raises(UnsupportedError, match=word):
        tl.compile(Around(variant).eval(), torch.zeros(2, 3, 6, 6), "last", target="host")


@pytest.mark.parametrize(
    "variant",
    [
        lambda s, h: h / 0,
        lambda s, h: h / torch.zeros(6),
        lambda s, h: h * float("nan"),
        lambda s, h: h + float("inf"),
        lambda s, h: h * s.causal,
        lambda s, h: F.pad(h, (1, 1), value=HIDDEN),
    ],
    ids=["zero", "zeros", "nan", "infinity", "infinite buffer", "infinite border"],
)
def test_numbers_that_are_none(variant: Variant):
    with pytest.raises(DataError, match=r"zero|nan|inf|NaN"):
        tl.compile(Around(variant).eval(), torch.zeros(2, 3, 6, 6), "last", target="host")
