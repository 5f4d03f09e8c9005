"""Each operator with an integer form takes it, and means what torch means."""

import numpy as np
import pytest
import torch
from torch import nn

from trainlet.errors import UnsupportedError
from trainlet.frontends.integers import import_converted
from trainlet.frontends.pt2e import convert_module, quantize_module
from trainlet.frontends.torch import import_program
from trainlet.ops.verify import verify

from . import modules
from .modules import build
from .support import decibels, deviations, draw, float_operators, lowered, operators, run

# Network: operators that must be there, and those that stay float beside the head.
CASES = {
    "Concat": (["concat_i8", "concat_i8", "slice_i8", "slice_i8"], set()),
    "Gate": (["mul_i8", "mul_i8", "mean_i8"], set()),
    "Residual": (["add_i8", "add_i8"], set()),
    "BareClamp": (["add_i8", "requantize_i8"], set()),
    "HardTanh": ([], set()),
    "Leaky": (["leaky_relu_i8"], {"leaky_relu"}),
    "Pools": (["max_pool_i8", "pad_i8", "avg_pool_i8", "avg_pool_i8", "mean_i8"], set()),
    "PaddedAverage": ([], {"avg_pool"}),
    "DilatedMaximum": ([], {"max_pool"}),
    "Geometry": (["depthwise_i8", *["conv2d_i8"] * 5], set()),
    "Norms": (["conv2d_i8"] * 4, set()),
    "SharedBeforeNorm": ([], {"mul", "add"}),
    "DeadChannels": (["conv2d_i8"] * 2, set()),
    "Tokens": (["linear_i8"], set()),
    "Larger": (["gather_i8", "gather_i8", "conv_transpose_i8", "permute_i8"], set()),
    "Smoother": (["resample_i8", "resample_i8", "gather_i8"], set()),
    "Decoder": (["conv_transpose_i8", "conv_transpose_i8"], set()),
    "Shuffled": (["slice_i8", "slice_i8", "concat_i8", "permute_i8", "gather_i8"], set()),
    "GroupsTransposed": ([], {"conv_transpose"}),
}


def case(name):
    model, rng = build(getattr(modules, name)), np.random.default_rng(1)
    x = draw(rng, 4, 3, 8, 8)
    converted = convert_module(model, x, [draw(rng, 16, 3, 8, 8), x])
    graph = verify(import_converted(converted.module, converted.inputs, converted.names))
    with torch.no_grad():
        wanted = model(torch.from_numpy(x)).numpy()
    return converted, graph, x, wanted


# torchao looks half a minute for trained batch norms where one is left.
SLOW = {"SharedBeforeNorm"}


@pytest.mark.parametrize(
    "name", [pytest.param(c, marks=[pytest.mark.slow] if c in SLOW else []) for c in CASES]
)
def test_operator(name):
    converted, graph, x, wanted = case(name)
    assert max(d.largest for d in deviations(converted, x)) <= 1
    assert decibels(wanted, run(graph, x)) > 25
    low, (present, islands) = lowered(graph), CASES[name]
    assert np.array_equal(run(low, x), run(graph, x))
    assert float_operators(low) == {"linear"} | islands
    found = operators(low)
    for op in present:
        found.remove(op)


def test_clamps_join_the_layer():
    _, graph, _, _ = case("HardTanh")
    first = next(n for n in graph.nodes() if n.op == "conv2d_i8")
    scale, zero = first.attrs["scale"], first.attrs["zero_point"]
    bounds = first.attrs["low"], first.attrs["high"]
    assert np.allclose([(b - zero) * scale for b in bounds], [-0.5, 0.75], atol=scale)
    assert "requantize_i8" not in operators(graph)


def test_names_of_folded_parameters():
    _, graph, _, _ = case("Norms")
    layers = [n for n in graph.nodes() if n.op == "conv2d_i8"]
    found = [(n.inputs[1].name, n.inputs[2].op, n.inputs[2].name) for n in layers]
    assert found == [
        ("first.weight", "param", "first.bias"),
        ("plain.0.weight", "const", "plain.0.weight.offset"),
        ("norm.0.weight", "param", "norm.0.bias"),
        ("second.weight", "param", "second.bias"),
    ]


def test_dead_channels_keep_their_bias():
    converted, graph, *_ = case("DeadChannels")
    first = next(n for n in graph.nodes() if n.op == "conv2d_i8")
    bias = graph.values["first.bias"].astype(np.float64)
    unit = np.array(first.inputs[2].type.quant.scale)
    real = dict(converted.module.named_parameters())["first.bias"].detach().numpy()
    assert np.allclose(bias * unit, real, rtol=1e-6, atol=unit.max())
    assert np.abs(bias).max() <= 1 << 30


class Tied(nn.Module):
    """The second layer shares with the first what its name says."""

    def __init__(self, *shared: str) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.first, self.second = nn.Linear(6, 6), nn.Linear(6, 6)
        for name in shared:
            setattr(self.second, name, getattr(self.first, name))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.second(torch.tanh(3 * self.first(x)))


def integers_of(model: nn.Module, *shape: int):
    """The graph of a network whose outputs are torch's, and the leaves that its layers read."""
    rng = np.random.default_rng(1)
    x = draw(rng, *shape)
    graph = verify(quantize_module(model, x, [draw(rng, *shape), x]))
    with torch.no_grad():
        assert decibels(model(torch.from_numpy(x)).numpy(), run(graph, x)) > 25
    layers = [n for n in graph.nodes() if n.op in ("conv2d_i8", "linear_i8")]
    return graph, [{n.inputs[k].name for n in layers} for k in (1, 2)]


@pytest.mark.parametrize("bias", [True, False])
def test_a_layer_that_serves_twice(bias):
    """A bias is in units of the input's scale, so both uses share that."""
    model = build(modules.TwiceTheSame)
    if not bias:
        model.body.bias = None
    graph, (weights, _) = integers_of(model, 4, 3, 8, 8)
    twice = [n for n in graph.nodes() if n.op == "conv2d_i8" and n.inputs[1].name == "body.weight"]
    assert len(twice) == 2 and "body.weight" in weights
    assert (twice[0].inputs[2] is twice[1].inputs[2]) == bias
    assert (len({n.attrs["source"] for n in twice}) == 1) == bias


@pytest.mark.parametrize("shared", [("weight", "bias"), ("weight",)])
def test_a_last_layer_that_shares_its_weight_is_of_integers(shared):
    model = Tied(*shared).eval()
    _, (weights, biases) = integers_of(model, 16, 6)
    assert len(weights) == 1
    assert biases == {"second.bias"} | ({"first.bias"} if len(shared) == 1 else set())


def test_a_bias_of_layers_with_other_weights_is_refused():
    model = nn.Sequential(Tied("bias"), nn.ReLU(), nn.Linear(6, 3)).eval()
    with pytest.raises(UnsupportedError, match=r"bias' is shared .* its own copy"):
        integers_of(model, 16, 6)


def test_the_head_in_integers():
    model, rng = build(modules.Sandwich), np.random.default_rng(1)
    x = draw(rng, 4, 3, 8, 8)
    graph = lowered(quantize_module(model, x, [x], float_head=False))
    assert float_operators(graph) == set()
    assert graph.outputs["logits"].op == "dequantize"
    with torch.no_grad():
        assert decibels(model(torch.from_numpy(x)).numpy(), run(graph, x)) > 25


def test_two_inputs():
    model, rng = build(modules.TwoInputs), np.random.default_rng(1)
    model.first.bias = None
    x, y = draw(rng, 2, 3, 8, 8), draw(rng, 2, 3, 8, 8)
    graph = quantize_module(model, (x, y), [(x, y), (y, x)])
    assert [n.type.shape for n in graph.leaves("input")] == [x.shape, y.shape]


class Keywords(nn.Module):
    """Inputs that are called like functions and keywords of Python and C."""

    def __init__(self) -> None:
        super().__init__()
        self.left, self.right = nn.Linear(6, 4), nn.Linear(5, 4)

    def forward(self, input, float):
        return self.right(float) - self.left(input)


def test_inputs_keep_their_names_and_their_order():
    model, rng = Keywords().eval(), np.random.default_rng(1)
    x = draw(rng, 2, 6), draw(rng, 2, 5)
    program = torch.export.export(model, tuple(torch.from_numpy(i) for i in x))
    wanted = [(n.name, n.type.shape) for n in import_program(program).leaves("input")]
    for given in (model, program):
        graph = quantize_module(given, x, [x])
        assert [(n.name, n.type.shape) for n in graph.leaves("input")] == wanted
    assert sorted(name for name, _ in wanted) == ["float", "input"]


def test_an_exported_program():
    model, rng = build(modules.Residual), np.random.default_rng(1)
    x = draw(rng, 4, 3, 8, 8)
    batches = [draw(rng, 10, 3, 8, 8)]  # of a batch size that the program does not take
    program = torch.export.export(model, (torch.from_numpy(x),))
    a, b = quantize_module(program, x, batches), quantize_module(model, x, batches)
    assert operators(a) == operators(b)
    assert decibels(run(b, x), run(a, x)) > 35
