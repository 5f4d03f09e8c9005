"""Functions of elements, reductions and norms: values and gradients are torch's."""

from __future__ import annotations

from collections.abc import Callable
from math import inf

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from imports.support import check_step
from trainlet.errors import UnsupportedError
from trainlet.frontends.torch import export_module, imported

Function = Callable[[Tensor], Tensor]
OF_ELEMENTS: dict[str, Function] = {
    "elu": lambda x: F.elu(x, 0.7),
    "selu": F.selu,
    "celu": lambda x: F.celu(x, 0.5),
    "softplus": lambda x: F.softplus(x, 2.0, 1.5),
    "mish": F.mish,
    "softsign": F.softsign,
    "logsigmoid": F.logsigmoid,
    "tanhshrink": F.tanhshrink,
    "softshrink": F.softshrink,
    "hardshrink": F.hardshrink,
    "threshold": lambda x: F.threshold(x, 0.1, 2.0),
    "prelu": lambda x: F.prelu(x, torch.tensor([0.3, 0.1, 0.2, -0.5])),
    "glu": lambda x: F.glu(x, 1),
    "abs": torch.abs,
    "sqrt": lambda x: torch.sqrt(x * x + 0.1),
    "rsqrt": lambda x: (x * x + 0.1).rsqrt(),
    "exp": lambda x: torch.exp(x) + torch.expm1(x),
    "log": lambda x: torch.log(x * x + 0.1) + torch.log2(x * x + 0.1),
    "powers": lambda x: x**2 + x**3 + x**5 + (x * x + 0.1) ** -0.75 + x**4 + 2**x,
    "reciprocal": lambda x: torch.reciprocal(x * x + 0.5) + 1 / (x * x + 0.5),
    "div": lambda x: x / (x * x + 1),
    "maximum": lambda x: torch.maximum(x, -x) + torch.minimum(x, x * 0.5),
    "where": lambda x: torch.where(x > 0, x, x * 0.1),
    "where guards a root": lambda x: torch.where(x > 0.5, (x - 0.25).abs().sqrt(), 0.0),
    "masked fill": lambda x: x.masked_fill(x < x.mean(-1, True), -inf).softmax(-1),
    "conditions": lambda x: ((x > 0) & (x <= 1) | ~(x >= -1)).float() * x,
    "sine": lambda x: torch.sin(x) + torch.cos(2 * x) + torch.sinh(x) - torch.cosh(x),
    "inverse of a sine": lambda x: torch.atan(x) + torch.asin(x.tanh()) + torch.acos(x.sin() * 0.9),
    "tangent": lambda x: torch.tan(torch.tanh(x)),
    "powers of tensors": lambda x: (x * x + 0.1) ** x + 3**x,
    "a product by its own log": lambda x: torch.xlogy(x * x, x * x),
    "whole numbers": lambda x: x * (x.floor() + x.ceil() + torch.round(x) + torch.trunc(x)),
    "sign": lambda x: x * torch.sign(x - 0.3),
    "clamp by tensors": lambda x: x.clamp(x * 0 - 0.5, x * 0 + 0.3),
    "erf": torch.erf,
    "lerp": lambda x: torch.lerp(x, x * 2, 0.3),
    "logaddexp": lambda x: torch.logaddexp(x, x * 2),
    "floored": lambda x: x * torch.div(x, 0.3, rounding_mode="floor"),
}
OVER_DIMENSIONS: dict[str, Function] = {
    "sum": lambda x: x.sum((1, 3), keepdim=True) + x.sum(),
    "amax": lambda x: x.amax((1, 2), keepdim=True) - x.amin(1, keepdim=True),
    "max": lambda x: x.max(1, keepdim=True)[0] * x.min(2, keepdim=True)[0] + x.max(),
    "ties": lambda x: x.relu().amin(1, keepdim=True) + x.round().max(2, keepdim=True)[0],
    "var": lambda x: x.var(1, keepdim=True) + x.var((2, 3), unbiased=False, keepdim=True),
    "std": lambda x: x.std((1, 2), keepdim=True) + (0 * x).std(1, keepdim=True) + x.std(),
    "norms": lambda x: x.norm(dim=1, keepdim=True) + x.norm(p=1, dim=2, keepdim=True),
    "more norms": lambda x: x.norm(p=inf, dim=1, keepdim=True) + x.norm(p=3, dim=2, keepdim=True),
    "norm of zeros": lambda x: torch.linalg.vector_norm(0 * x, 3, 1, True) + x,
    "labels in a constant": lambda x: x * F.cross_entropy(x[0, 0], torch.tensor([1, 3, 0, 2])),
    "normalize": lambda x: F.normalize(x, dim=1) + F.normalize(0 * x, dim=2),
    "cosine": lambda x: F.cosine_similarity(x, x * x, dim=1)[:, None] + x,
    "distance": lambda x: F.pairwise_distance(x, x * 2)[..., None] + x,
    "log-softmax": lambda x: x.log_softmax(1) + x.log_softmax(-1),
    "logsumexp": lambda x: x.logsumexp((1, 2), keepdim=True) + x,
    "instance norm": F.instance_norm,
    "root mean square": lambda x: F.rms_norm(x, (4, 4)),
    "response norm": lambda x: F.local_response_norm(x, 3),
    "norm of the batch": lambda x: F.batch_norm(x, None, None, training=True),
    "layer norm by hand": lambda x: _layer_norm(x),
    "cumsum": lambda x: x.cumsum(1),
    "a product with a scale": lambda x: torch.addmm(x[0, 0], x[0, 1], x[0, 2], beta=0.5, alpha=2)[
        None
    ],
    "a vector times matrices": lambda x: torch.matmul(x[0, 0, 0], x)[:, :, None] + x,
    "all and any": lambda x: x * ((x > 0).any(1, True) & ~(x < 1).all(2, True)).float(),
}


def _layer_norm(x: Tensor) -> Tensor:
    centred = x - x.mean(-1, keepdim=True)
    return centred / torch.sqrt(centred.pow(2).mean(-1, keepdim=True) + 1e-5)


class Around(nn.Module):
    """The function between two layers, of maps [N, 4, 4, 4]."""

    def __init__(self, function: Function) -> None:
        super().__init__()
        self.before, self.function = nn.Linear(6, 64), function
        self.after = nn.LazyLinear(3)

    def forward(self, x: Tensor) -> Tensor:
        made = self.function(self.before(x).view(-1, 4, 4, 4))
        return self.after(made.expand(len(x), *made.shape[1:]).flatten(1))


@pytest.mark.parametrize("name", {**OF_ELEMENTS, **OVER_DIMENSIONS})
def test_value_and_gradients(name: str) -> None:
    torch.manual_seed(0)
    model, x = Around({**OF_ELEMENTS, **OVER_DIMENSIONS}[name]).eval(), torch.randn(2, 6)
    model(x)
    check_step(model, x)


def test_slopes_are_trained() -> None:
    torch.manual_seed(0)
    for channels in (1, 4):
        model = Around(nn.PReLU(channels)).eval()
        model(torch.zeros(2, 6))
        check_step(model, torch.randn(2, 6))


def test_a_decomposed_operator_is_named_as_it_was_written() -> None:
    model = Around(lambda x: torch.special.i0e(x)).eval()
    model(torch.zeros(2, 6))
    with pytest.raises(
        UnsupportedError, match=r"special_i0e in `made = self\.function.*'special_i0e'"
    ):
        imported(export_module(model, [torch.zeros(2, 6)]))


def test_a_variance_of_one_element_is_refused() -> None:
    model = Around(lambda x: x.var(0, keepdim=True)).eval()
    model(torch.zeros(2, 6))
    with pytest.raises(UnsupportedError, match="a variance of 1 elements.*pass correction=0"):
        imported(export_module(model, [torch.zeros(1, 6)]))


def test_a_norm_without_a_gradient_at_zero_is_refused() -> None:
    model = Around(lambda x: torch.linalg.vector_norm(x, 0.5, 1, True)).eval()
    model(torch.zeros(2, 6))
    with pytest.raises(UnsupportedError, match="ord=0.5.*allowed: 0, numbers from 1"):
        imported(export_module(model, [torch.zeros(2, 6)]))
