"""Operators that copy elements about, and transposed convolutions: values and gradients are
torch's."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

import trainlet as tl
from trainlet.errors import UnsupportedError

from .support import Around, Variant


def resized(**options) -> Variant:
    return lambda s, h: F.interpolate(h, **options)


def bordered(mode: str) -> Variant:
    return lambda s, h: F.pad(h[..., :5], (2, 1, 0, 3), mode=mode)


def transposed(weight: tuple[int, ...], **options) -> Variant:
    """By the parameter w, which has 24 elements."""
    return lambda s, h: F.conv_transpose2d(h, s.w.reshape(weight), **options)


VARIANTS: dict[str, Variant] = {
    "nearest": resized(scale_factor=2),
    "nearest to a size": resized(size=(7, 9)),
    "nearest by a fraction": resized(scale_factor=(1.7, 0.5)),
    "nearest exact": resized(scale_factor=1.5, mode="nearest-exact"),
    "nearest of a sequence": lambda s, h: F.interpolate(h[:, :, 0], scale_factor=3),
    "bilinear": resized(scale_factor=2, mode="bilinear"),
    "bilinear to a size": resized(size=(9, 4), mode="bilinear"),
    "bilinear corners": resized(size=(7, 11), mode="bilinear", align_corners=True),
    "bilinear by a fraction": resized(scale_factor=(1.7, 0.6), mode="bilinear"),
    "bilinear anew": resized(scale_factor=1.3, mode="bilinear", recompute_scale_factor=True),
    "bilinear of a row": lambda s, h: F.interpolate(h[:, :, :1], size=(3, 5), mode="bilinear"),
    "bilinear smoothed": resized(size=(3, 4), mode="bilinear", antialias=True),
    "bicubic": resized(scale_factor=2, mode="bicubic"),
    "bicubic corners": resized(size=(5, 9), mode="bicubic", align_corners=True),
    "linear": lambda s, h: F.interpolate(h[:, :, 0], scale_factor=3, mode="linear"),
    "area": resized(size=(4, 9), mode="area"),
    "reflect": bordered("reflect"),
    "replicate": bordered("replicate"),
    "circular": bordered("circular"),
    "reflect a sequence": lambda s, h: F.pad(h[:, :, 1], (2, 3), mode="reflect"),
    "pad with a number": lambda s, h: F.pad(h, (1, 0, 0, 2), value=1.5),
    "pad by less than nothing": lambda s, h: F.pad(h, (-1, 2, 1, -3)),
    "pixel shuffle": lambda s, h: F.pixel_shuffle(h, 2),
    "pixel unshuffle": lambda s, h: F.pixel_unshuffle(h, 3),
    "pixel shuffle of channels": lambda s, h: F.pixel_shuffle(torch.cat([h, h * 2], 1), 2),
    "channel shuffle": lambda s, h: F.channel_shuffle(h, 2),
    "flip": lambda s, h: h.flip(1, -1),
    "roll": lambda s, h: h.roll((1, -2), (1, 3)) + h.roll(5),
    "rot90": lambda s, h: torch.rot90(h, 1, (2, 3)),
    "repeat": lambda s, h: h.repeat(1, 2, 1, 3),
    "repeat in front": lambda s, h: h.repeat(2, 1, 1, 1, 1),
    "tile": lambda s, h: h.tile(2, 1),
    "repeat interleave": lambda s, h: h.repeat_interleave(2, 2),
    "repeat some": lambda s, h: h.repeat_interleave(torch.tensor([1, 0, 3, 2]), 1),
    "index select": lambda s, h: h.index_select(1, torch.tensor([3, 1, 1])),
    "a list": lambda s, h: h[:, [2, 0, -1]],
    "two lists": lambda s, h: h[:, torch.tensor([0, 1, 1]), torch.tensor([5, 3, -6])],
    "a list of lists": lambda s, h: h[:, :, torch.tensor([[0, 1], [5, 3]])],
    "a mask": lambda s, h: h[:, torch.tensor([True, False, True, True])],
    "single elements": lambda s, h: h.take(torch.tensor([[3, 7, 7], [90, 0, 5]])),
    "gather": lambda s, h: h.gather(1, torch.tensor([2, 0, 0]).view(1, 3, 1, 1).expand(2, 3, 6, 6)),
    "take along": lambda s, h: h.take_along_dim(torch.tensor([1]).view(1, 1, 1, 1), 2),
    "diagonal": lambda s, h: h.diagonal(1, 2, 3),
    "windows": lambda s, h: h.unfold(2, 3, 2),
    "many dimensions": lambda s, h: h.reshape(2, 2, 2, 2, 3, 3, 2).permute(6, 3, 0, 2, 5, 1, 4),
    "einsum": lambda s, h: torch.einsum("bchw,bdhw->bcd", h, h * 2) / 6,
    "einsum of one": lambda s, h: torch.einsum("bchw->bhc", h),
    "triangle": lambda s, h: h.tril(1) + h.triu(),
    "unfold": lambda s, h: F.unfold(h, (3, 2), padding=1, stride=(2, 1)),
    "adaptive max": lambda s, h: F.adaptive_max_pool2d(h, (4, 5)),
    "max ceil": lambda s, h: F.max_pool2d(h, 4, ceil_mode=True),
    "max ceil padded": lambda s, h: F.max_pool2d(h, 3, 2, (1, 0), (1, 2), ceil_mode=True),
    "max ceil beyond": lambda s, h: F.max_pool2d(h, 2, 4, 1, ceil_mode=True),
    "avg ceil": lambda s, h: F.avg_pool2d(h, 4, ceil_mode=True),
    "avg ceil padded": lambda s, h: F.avg_pool2d(h, (3, 4), 3, (1, 2), ceil_mode=True),
    "avg ceil uncounted": lambda s, h: F.avg_pool2d(h, 3, 4, 1, True, False),
    "avg ceil of a sequence": lambda s, h: F.avg_pool1d(h[:, 0], 4, 3, 1, ceil_mode=True),
    "transposed": transposed((4, 2, 3, 1), stride=2),
    "transposed padding": transposed((4, 1, 3, 2), stride=(2, 1), padding=1),
    "transposed output padding": transposed((4, 1, 2, 3), stride=3, padding=1, output_padding=2),
    "transposed dilation": transposed((4, 1, 2, 3), stride=2, dilation=(3, 2), output_padding=1),
    "transposed groups": transposed((4, 2, 1, 3), stride=(1, 2), groups=2),
    "transposed depthwise": transposed((4, 1, 3, 2), stride=2, groups=4),
    "transposed of a sequence": lambda s, h: F.conv_transpose1d(
        h[:, :, 2], s.w.reshape(4, 2, 3), s.p[:2, 0, 0], 2, 1, 1
    ),
    "transposed of a map": lambda s, h: torch.stack(
        [F.conv_transpose2d(m, s.w.reshape(4, 2, 3, 1)) for m in h]
    ),
}


@pytest.mark.parametrize("name", VARIANTS)
def test_values_and_gradients_are_torchs(name: str):
    model, x = Around(VARIANTS[name]).eval(), torch.zeros(2, 3, 6, 6)
    found = tl.check(model, x, "full")
    assert found.same, found.rows
    tl.compile(model, x, "last", target="host", tile=False)


REFUSED: dict[str, tuple[Variant, str]] = {
    "computed index": (lambda s, h: h[:, h[0, :, 0, 0].long() * 0], "int64"),
    "output padding": (
        transposed((4, 1, 2, 3), dilation=3, output_padding=2), "less than the stride",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_meant_is_refused_by_its_name(name: str):
    variant, word = REFUSED[name]
    with pytest.raises(UnsupportedError, match=word):
        tl.compile(Around(variant).eval(), torch.zeros(2, 3, 6, 6), "last", target="host")


class Decoder(nn.Module):
    """A frozen norm behind a transposed convolution, whose weight learns in part."""

    def __init__(self) -> None:
        super().__init__()
        self.up = nn.ConvTranspose2d(4, 6, 3, 2, 1, bias=False)
        self.norm = nn.BatchNorm2d(6)
        self.last = nn.Linear(6 * 25, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.last(self.norm(self.up(x)).flatten(1))


def decoder() -> nn.Module:
    torch.manual_seed(0)
    model = Decoder().eval()
    for value in (model.norm.running_mean, model.norm.running_var, *model.norm.parameters()):
        nn.init.uniform_(value, 0.5, 2)
    return model


def test_a_norm_is_folded_into_a_frozen_transposed_convolution():
    training = tl.train(tl.prepare(decoder(), torch.zeros(1, 4, 3, 3)), "last")
    ops = [n.op for n in training.step.nodes()]
    assert "conv_transpose" in ops and not {"mul", "add"} & set(ops)
    assert tl.check(decoder(), torch.zeros(1, 4, 3, 3), "last").same


def test_half_of_the_input_channels_learn():
    model, x = decoder(), torch.zeros(1, 4, 3, 3)
    training = tl.train(tl.prepare(model, x), tl.UpdateScheme({"up.weight": 0.5}))
    (gradient,) = (n for n in training.step.nodes() if n.op == "conv_transpose_dw")
    assert gradient.type.shape == (6, 3, 3, 2)
    assert tl.check(model, x, tl.UpdateScheme({"up.weight": 0.5})).same
