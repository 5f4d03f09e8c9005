"""What a recurrent layer keeps follows the scheme, and the program does not grow with its steps."""

from collections.abc import Callable

import pytest
from torch import nn

from recurrent.networks import CLASSES, Recurrent, batch, compiled
from trainlet.backends.c import render

INPUTS, UNITS, BYTES = 3, 16, 4


def program(layer: Callable[[int, int], nn.RNNBase], steps: int, scheme: str):
    model = Recurrent(layer(INPUTS, UNITS)).eval()
    return compiled(model, batch(model.layer, steps, 1)[0], scheme)


@pytest.mark.parametrize("layer", [nn.LSTM, nn.GRU, nn.RNN])
def test_a_frozen_layer_keeps_its_last_output_only(layer):
    found = program(layer, 20, "last")
    assert found.report.saved_bytes == (UNITS + CLASSES) * BYTES
    loop = next(n for n in found.plan.order if "body" in n.attrs)
    assert loop.type.size == UNITS, "no step but the last is stacked"


@pytest.mark.parametrize(("layer", "states"), [(nn.LSTM, 2), (nn.GRU, 1), (nn.RNN, 1)])
def test_a_trained_layer_keeps_its_states_and_its_products(layer, states):
    few, many = (program(layer, steps, "full").report.saved_bytes for steps in (10, 30))
    products = {nn.LSTM: 4, nn.GRU: 3, nn.RNN: 0}[layer]  # tanh' is a function of the state
    assert (many - few) / 20 == (states * UNITS + products * UNITS + INPUTS) * BYTES


@pytest.mark.parametrize("scheme", ["last", "full"])
def test_a_hundred_steps_are_no_more_code_than_ten(scheme):
    few, many = (program(nn.LSTM, steps, scheme) for steps in (10, 100))
    assert len(few.plan.order) == len(many.plan.order)
    loops = [render(p)["trainer_kernels.h"].count("k_") for p in (few, many)]
    assert loops[0] == loops[1]


@pytest.mark.parametrize("steps", [4, 20])
def test_gradients_of_the_products_lie_where_the_products_were(steps):
    found = program(nn.LSTM, steps, "full")
    _, backward = (n for n in found.plan.order if "body" in n.attrs)
    products = next(i for i in backward.inputs if i.op == "linear")
    assert found.plan.offset[backward] == found.plan.offset[products]
