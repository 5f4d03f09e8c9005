"""Each function against finite differences in float64, and against PyTorch's own."""

from collections.abc import Callable
from copy import deepcopy

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.autograd import gradcheck

from trainlet.torch.functions import layers, norms, pools, rectifiers, smooth
from trainlet.torch.functions.bits import pack, unpack
from trainlet.torch.save_memory import save_memory


def double(*shape: int, learns: bool = True) -> Tensor:
    return torch.randn(*shape, dtype=torch.float64).requires_grad_(learns)


def apart(*shape: int) -> Tensor:
    """No two values as near as a finite difference, none near 0, 1 or 6."""
    values = torch.randperm(torch.Size(shape).numel()).double() * 0.37 - 9.13
    return values.view(shape).requires_grad_()


@pytest.fixture(autouse=True)
def seeded() -> None:
    torch.manual_seed(0)


@pytest.mark.parametrize("shape", [(0,), (1,), (7,), (8,), (3, 5, 7), (2, 8, 4)])
def test_bits(shape):
    mask = torch.rand(shape) > 0.5
    packed = pack(mask)
    assert packed.dtype == torch.uint8 and len(packed) == -(-mask.numel() // 8)
    assert torch.equal(unpack(packed, mask.shape), mask)


RECTIFIERS: dict[str, tuple[Callable, Callable]] = {
    "relu": (rectifiers.relu, F.relu),
    "relu6": (lambda x: rectifiers.hardtanh(x, 0.0, 6.0), F.relu6),
    "hardtanh": (rectifiers.hardtanh, F.hardtanh),
    "leaky_relu": (lambda x: rectifiers.leaky_relu(x, 0.2), lambda x: F.leaky_relu(x, 0.2)),
}


@pytest.mark.parametrize("name", RECTIFIERS)
def test_rectifiers(name):
    ours, theirs = RECTIFIERS[name]
    assert gradcheck(ours, apart(3, 17))
    edges = torch.tensor([-2.0, -1, -0.0, 0, 1, 2, 6, 7, torch.inf, torch.nan])
    x, z = edges.clone().requires_grad_(), edges.clone().requires_grad_()
    torch.testing.assert_close(ours(x), theirs(z), rtol=0, atol=0, equal_nan=True)
    for t, y in ((x, ours(x)), (z, theirs(z))):
        y.backward(torch.arange(1.0, 11))
        assert t.grad is not None
    assert torch.equal(x.grad[:-1], z.grad[:-1])


CONVOLUTIONS: dict[str, tuple[nn.Module, tuple[int, ...]]] = {
    "1d": (nn.Conv1d(4, 3, 3, padding=1), (2, 4, 7)),
    "2d": (nn.Conv2d(4, 6, 3, stride=2, padding=1), (2, 4, 7, 6)),
    "2d dilated": (nn.Conv2d(4, 6, 3, dilation=2, bias=False), (2, 4, 7, 6)),
    "depthwise": (nn.Conv2d(4, 4, 3, padding=1, groups=4), (2, 4, 5, 6)),
    "grouped": (nn.Conv2d(8, 6, 3, padding=1, groups=2), (2, 8, 5, 4)),
    "depthwise, two results": (nn.Conv2d(4, 8, 3, groups=4), (2, 4, 5, 4)),
    "same": (nn.Conv2d(4, 3, (2, 3), padding="same"), (2, 4, 5, 6)),
    "valid": (nn.Conv2d(4, 3, 2, padding="valid"), (2, 4, 5, 6)),
    "reflect": (nn.Conv2d(4, 3, 3, padding=1, padding_mode="reflect"), (2, 4, 5, 6)),
    "3d": (nn.Conv3d(4, 2, 2), (1, 4, 3, 4, 3)),
    "one image": (nn.Conv2d(4, 3, 3), (4, 5, 6)),
}


@pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel")
@pytest.mark.parametrize("share", [0.0, 0.5])
@pytest.mark.parametrize("name", CONVOLUTIONS)
def test_convolutions(name, share):
    """The gradients of the input and of the bias are PyTorch's; that of the weight is too for the
    leading share of the input channels (of the groups), and zero for the others."""
    make, shape = CONVOLUTIONS[name]
    stock = make.double().requires_grad_()
    ours = deepcopy(stock)
    save_memory(ours, {"weight": share, **({"bias": 1.0} if ours.bias is not None else {})})
    x = double(*shape)
    assert gradcheck(ours, x)
    z = x.detach().clone().requires_grad_()
    assert torch.equal(ours(x), stock(z))
    upstream = torch.randn_like(ours(x))
    for p in stock.parameters():
        p.grad = None
    ours(x).backward(upstream)
    stock(z).backward(upstream)
    torch.testing.assert_close(x.grad, z.grad)
    if ours.bias is not None:
        torch.testing.assert_close(ours.bias.grad, stock.bias.grad)
    if not share:
        assert ours.weight.grad is None
        return
    axis = 0 if ours.groups > 1 else 1
    half = ours.weight.shape[axis] // 2
    theirs = stock.weight.grad.clone()
    theirs.narrow(axis, half, theirs.shape[axis] - half).zero_()
    torch.testing.assert_close(ours.weight.grad, theirs)


def test_the_gradient_of_a_part_of_a_weight():
    """By finite differences: of the weights that learn."""
    keep, window = torch.tensor([0, 2]), layers.Window((1, 1), (1, 1), (1, 1), False, (0, 0), 1)
    x, weight, part = double(2, 4, 5, 5), double(3, 4, 3, 3, learns=False), double(3, 2, 3, 3)

    def f(x: Tensor, part: Tensor) -> Tensor:
        return layers.convolution(x, weight.index_copy(1, keep, part), None, keep, window)

    assert gradcheck(f, (x, part))
    rows, some = double(2, 5, 4), double(6, 2)
    matrix, bias = double(6, 4, learns=False), double(6)

    def g(x: Tensor, part: Tensor, bias: Tensor) -> Tensor:
        return layers.linear(x, matrix.index_copy(1, keep, part), bias, keep)

    assert gradcheck(g, (rows, some, bias))


@pytest.mark.parametrize(
    ("make", "shape"),
    [
        (nn.ConvTranspose1d(3, 4, 3, stride=2), (2, 3, 5)),
        (
            nn.ConvTranspose2d(4, 6, 3, stride=2, padding=1, output_padding=1, groups=2),
            (2, 4, 3, 4),
        ),
        (nn.ConvTranspose3d(2, 3, 2), (1, 2, 3, 2, 3)),
    ],
    ids=lambda value: type(value).__name__,
)
def test_transposed_convolutions(make, shape):
    stock = make.double()
    ours = deepcopy(stock)
    save_memory(ours, {"bias": 1.0})
    x = double(*shape)
    assert gradcheck(ours, x)
    assert torch.equal(ours(x), stock(x))


AVERAGES = {
    "plain": (nn.AvgPool2d(2), (2, 3, 6, 4)),
    "padded": (nn.AvgPool2d(3, 2, 1, ceil_mode=True), (2, 3, 6, 5)),
    "without padding": (nn.AvgPool2d(3, 2, 1, count_include_pad=False), (2, 3, 6, 5)),
    "divisor": (nn.AvgPool2d((2, 3), divisor_override=4), (1, 2, 4, 6)),
    "to 1": (nn.AdaptiveAvgPool2d(1), (2, 3, 5, 4)),
    "to 3x2": (nn.AdaptiveAvgPool2d((3, 2)), (2, 3, 5, 4)),
    "as it is high": (nn.AdaptiveAvgPool2d((None, 2)), (2, 3, 5, 4)),
}
MAXIMA = {
    "plain": nn.MaxPool2d(2),
    "padded": nn.MaxPool2d(3, 2, 1),
    "ceil": nn.MaxPool2d((3, 2), (2, 1), (1, 1), ceil_mode=True),
    "dilated": nn.MaxPool2d(2, 1, dilation=(2, 3)),
}


@pytest.mark.parametrize("name", [*AVERAGES, *MAXIMA])
def test_pools(name):
    stock, shape = AVERAGES[name] if name in AVERAGES else (MAXIMA[name], (2, 3, 7, 6))
    ours = nn.Sequential(deepcopy(stock), nn.Conv2d(shape[1], 1, 1)).double()
    save_memory(ours, {"1.bias": 1.0})
    x = apart(*shape)
    assert gradcheck(ours[0], x)
    z = x.detach().clone().requires_grad_()
    assert torch.equal(ours[0](x), stock(z))
    upstream = torch.randn_like(stock(z))
    ours[0](x).backward(upstream)
    stock(z).backward(upstream)
    torch.testing.assert_close(x.grad, z.grad)


def test_the_first_of_equal_maxima_gets_the_gradient():
    x = torch.zeros(1, 1, 4, 4, requires_grad=True)
    pools.max_pool2d(x, (2, 2), (2, 2), (0, 0), (1, 1), False).sum().backward()
    z = torch.zeros(1, 1, 4, 4, requires_grad=True)
    F.max_pool2d(z, 2).sum().backward()
    assert torch.equal(x.grad, z.grad)


def group(x: Tensor, weight: Tensor | None, bias: Tensor | None, int8: bool) -> Tensor:
    return norms.group_norm(x, 2, weight, bias, 1e-5, int8)


def layer(x: Tensor, weight: Tensor | None, bias: Tensor | None, int8: bool) -> Tensor:
    return norms.layer_norm(x, (5, 3), weight, bias, 1e-5, int8)


def shapes(name: str) -> tuple[tuple[int, ...], tuple[int, ...]]:
    return ((2, 4, 5, 3), (4,) if name == "group" else (5, 3))


@pytest.mark.parametrize("affine", [True, False])
@pytest.mark.parametrize("name", ["group", "layer"])
def test_exact_norms(name, affine):
    shape, own = shapes(name)
    norm = {"group": group, "layer": layer}[name]
    x, (w, b) = double(*shape), (double(*own), double(*own)) if affine else (None, None)
    inputs = (x, w, b) if affine else (x,)

    def f(*given: Tensor) -> Tensor:
        return norm(given[0], *(given[1:] or (None, None)), False)

    assert gradcheck(f, inputs)
    theirs = F.group_norm(x, 2, w, b, 1e-5) if name == "group" else F.layer_norm(x, own, w, b, 1e-5)
    torch.testing.assert_close(f(*inputs), theirs)


def test_a_frozen_batch_norm():
    x, mean, variance = double(2, 3, 4, 4), double(3, learns=False), torch.rand(3).double() + 0.5
    weight, bias = double(3, learns=False), double(3)

    def f(x: Tensor, bias: Tensor | None) -> Tensor:
        return norms.frozen_batch_norm(x, mean, variance, weight, bias, 1e-5)

    assert gradcheck(f, (x, bias))
    assert torch.equal(f(x, bias), F.batch_norm(x, mean, variance, weight, bias, False, 0.0, 1e-5))
    plain = norms.frozen_batch_norm(x, mean, variance, None, None, 1e-5)
    plain.sum().backward()
    torch.testing.assert_close(x.grad, torch.rsqrt(variance + 1e-5)[:, None, None].expand_as(x))


@pytest.mark.parametrize("weight", [True, False])
@pytest.mark.parametrize("name", ["group", "layer"])
def test_norms_in_8_bits_are_off_by_at_most_a_hundredth(name, weight):
    shape, own = ((4, 32, 14, 14), (32,)) if name == "group" else ((4, 64, 96), (96,))
    x = torch.randn(shape).mul_(3).add_(1).requires_grad_()
    upstream = torch.randn(shape)
    w = (torch.rand(own) + 0.5).requires_grad_(weight)

    def run(int8: bool) -> list[Tensor]:
        if name == "group":
            y = norms.group_norm(x, 4, w, None, 1e-5, int8)
        else:
            y = norms.layer_norm(x, own, w, None, 1e-5, int8)
        return list(torch.autograd.grad(y, [x, w] if weight else [x], upstream + 0.5 * y.detach()))

    for ours, exact in zip(run(True), run(False), strict=True):
        assert (ours - exact).norm() <= 0.01 * exact.norm()
        assert not torch.equal(ours, exact)


SMOOTH = {
    "silu": nn.SiLU(), "gelu": nn.GELU(), "gelu tanh": nn.GELU("tanh"),
    "hardswish": nn.Hardswish(), "hardsigmoid": nn.Hardsigmoid(), "sigmoid": nn.Sigmoid(),
    "tanh": nn.Tanh(),
}  # fmt: skip


@pytest.mark.parametrize("name", SMOOTH)
def test_smooth_activations_in_8_bits(name):
    """The result is PyTorch's, and the gradient is off by at most a hundredth."""
    stock = SMOOTH[name]
    model = nn.Sequential(deepcopy(stock), nn.Linear(96, 2))
    save_memory(model, {"1.bias": 1.0}, "int8")
    assert type(model[0]) is not type(stock)
    x = torch.randn(4, 64, 96).mul_(2).requires_grad_()
    z, upstream = x.detach().clone().requires_grad_(), torch.randn(4, 64, 96)
    ours, theirs = model[0](x), stock(z)
    assert torch.equal(ours, theirs)
    ours.backward(upstream)
    theirs.backward(upstream)
    assert (x.grad - z.grad).norm() <= 0.01 * z.grad.norm()


def test_the_bounds_of_the_derivatives_hold():
    x = torch.linspace(-20, 20, 400_001, dtype=torch.float64)
    for kind in (smooth.SILU, smooth.GELU, smooth.GELU_TANH, smooth.HARDSWISH, smooth.HARDSIGMOID,
                 smooth.SIGMOID, smooth.TANH):  # fmt: skip
        derivative = kind.backward(torch.ones_like(x), x)
        assert kind.least - 1e-6 <= derivative.min() and derivative.max() <= kind.most + 1e-6


def test_a_batch_norm_in_8_bits():
    norm = nn.BatchNorm2d(8).eval()
    norm.running_mean.normal_()
    norm.running_var.uniform_(0.5, 2)
    model = nn.Sequential(deepcopy(norm), nn.Conv2d(8, 2, 1))
    save_memory(model, "norm", "int8")
    x = torch.randn(4, 8, 14, 14, requires_grad=True)
    z, upstream = x.detach().clone().requires_grad_(), torch.randn(4, 8, 14, 14)
    ours, theirs = model[0](x), norm(z)
    assert torch.equal(ours, theirs)
    ours.backward(upstream)
    theirs.backward(upstream)
    torch.testing.assert_close(x.grad, z.grad)
    torch.testing.assert_close(model[0].bias.grad, norm.bias.grad)
    off = (model[0].weight.grad - norm.weight.grad).norm()
    assert 0 < off <= 0.01 * norm.weight.grad.norm()
