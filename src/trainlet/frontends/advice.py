"""What to write instead of an operator that Trainlet does not know."""

from __future__ import annotations

_COMPARED = "Trainlet computes in float32 only; where the condition is constant, make it a buffer"
_RANDOM = "a trainer has no random numbers; leave it out, or pass the numbers as an input"
_SMOOTH = (
    "nn.ReLU, nn.ReLU6, nn.LeakyReLU, nn.SiLU, nn.GELU, nn.Tanh, nn.Hardswish and nn.Hardtanh are "
    "known"
)

_INSTEAD = {
    "embedding embedding_bag one_hot": "pass the vectors themselves as a float32 input",
    "gt lt ge le eq ne logical_and logical_or logical_not where masked_fill": _COMPARED,
    "prelu": "F.relu(x) - slope * F.relu(-x) is the same; nn.LeakyReLU is known",
    "elu selu celu softplus mish log_sigmoid softsign": _SMOOTH,
    "abs": "F.relu(x) + F.relu(-x) is the same",
    "pow square": "x * x is the same as x ** 2",
    "log_softmax _log_softmax": "leave it out: the loss cross_entropy takes logits",
    "instance_norm": "nn.GroupNorm(channels, channels) is the same",
    "rms_norm local_response_norm": "nn.LayerNorm and nn.GroupNorm are known",
    "amax max": "F.adaptive_max_pool2d(x, 1) is a maximum over a map",
    "pixel_shuffle channel_shuffle repeat": "write it with view, permute, expand and torch.cat",
    "einsum tensordot baddbmm": "write it with torch.matmul and permute",
    "conv3d conv_transpose1d conv_transpose2d": "nn.Conv1d and nn.Conv2d are known",
    "upsample_nearest2d upsample_bilinear2d": "x[:, :, :, None, :, None].expand(...).reshape(...) "
    "repeats the pixels of a map",
    "maximum": "a + F.relu(b - a) is the same",
    "minimum": "a - F.relu(a - b) is the same",
    "reciprocal": "pass 1 / x as an input, or divide by a buffer",
}
_TABLE = {name: text for names, text in _INSTEAD.items() for name in names.split()}


def is_layer(name: str) -> bool:
    """Whether it is known for something else than the random numbers that it may draw."""
    return name in _TABLE


def advice(name: str, random: bool = False) -> str:
    """What to do about the ATen operator `name`; in general if nothing better is known."""
    if random:
        return _RANDOM
    known = _TABLE.get(name.rstrip("_"))
    general = "write it with layers and arithmetic that the README lists under 'What it supports'"
    return known or general
