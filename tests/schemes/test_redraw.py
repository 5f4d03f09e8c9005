"""Channels that are drawn anew in each part of training."""

from __future__ import annotations

import numpy as np
import pytest

import trainlet as tl
from schemes.small import EXAMPLE, QUICK, examples, network
from trainlet.schemes.contribution import contribution
from trainlet.schemes.knapsack import Additive
from trainlet.schemes.layers import Choice
from trainlet.schemes.measure import measure
from trainlet.schemes.redraw import drawn_masks, even, measure_redrawn

BOTH = Choice.of(2, [(0, 1.0), (1, 0.5)])


@pytest.fixture(scope="module")
def begun():
    return contribution(network(), examples(), EXAMPLE, **QUICK, measure=False)


def drawn(begun, seed: int) -> list[set[int]]:
    """The input channels of the second weight that learn, for each of eight parts."""
    held = drawn_masks(begun.measurements.study, begun.layers, BOTH, 8, seed)
    assert all(not one["0.weight"].any() for one in held)
    return [{c for c in range(4) if not one["2.weight"][:, c].any()} for one in held]


def test_every_part_trains_as_many_channels_and_others(begun) -> None:
    chosen = drawn(begun, 0)
    assert {len(own) for own in chosen} == {2}
    assert len({tuple(sorted(own)) for own in chosen}) > 2
    assert drawn(begun, 0) == chosen != drawn(begun, 1)


def test_shares_of_one_are_ordinary_training(begun) -> None:
    study, whole = begun.measurements.study, Choice.of(2, [(0, 1.0), (1, 1.0)])
    expected = measure(study, whole.scheme(begun.layers))
    assert np.array_equal(measure_redrawn(study, begun.layers, whole, 2), expected)


def test_held_elements_stay_and_others_learn_as_a_scheme_of_their_own() -> None:
    """Held channels are those of a scheme that leaves them out: the same bits of what learns."""
    x, y = examples(4)
    model = network()
    masks = {"2.weight": np.zeros((4, 4, 3, 3), bool)}
    masks["2.weight"][:, [1, 3]] = True
    states = []
    for entry in (1.0, {"channels": [0, 2]}):
        program = tl.compile(model, EXAMPLE, tl.UpdateScheme({"2.weight": entry}), target="host")
        simulation = tl.simulate(program, 2)
        if entry == 1.0:
            simulation.hold(masks)
        for k in range(4):
            simulation.step(x[None, k : k + 1], y[None, k : k + 1], 0.1)
        states.append(simulation.state()["2.weight"])
    start = model.get_parameter("2.weight").detach().numpy()
    assert np.array_equal(states[0], states[1])
    assert np.array_equal(states[0][:, :, [1, 3]], np.stack([start[:, [1, 3]]] * 2))
    assert not np.array_equal(states[0][0], start)


def test_each_experiment_holds_elements_of_its_own() -> None:
    x, y = examples(1)
    simulation = tl.simulate(tl.compile(network(), EXAMPLE, "full", target="host"), 2)
    start = simulation.state()["2.weight"]
    masks = np.zeros(start.shape, bool)
    masks[0, :, 1] = masks[1, :, 3] = True
    simulation.hold({"2.weight": masks})
    simulation.step(x[None], y[None], 0.1)
    changed = (simulation.state()["2.weight"] != start).any((1, 3, 4))
    assert changed.tolist() == [[True, False, True, True], [True, True, True, False]]


def test_what_cannot_be_held_is_refused() -> None:
    program = tl.compile(network(), EXAMPLE, "last", target="host")
    simulation = tl.simulate(program, 1)
    for masks in ({"2.weight": np.zeros((4, 4, 3, 3))}, {"6.bias": np.zeros(2)}):
        with pytest.raises(tl.errors.DataError, match="held by a mask"):
            simulation.hold(masks)


@pytest.mark.parametrize("extra_bits", [0, 4, 8])
def test_held_elements_of_integers_stay_with_their_fractions(extra_bits: int) -> None:
    x, y = examples(8)
    simulation = tl.simulate(int8_program(extra_bits), 2)
    start = simulation.state()["2.weight"]
    mask = np.zeros(start.shape[1:], bool)
    mask[:, [0, 2]] = True
    simulation.hold({"2.weight": mask})
    for k in range(8):
        simulation.step(x[None, k : k + 1], y[None, k : k + 1], 0.3)
    changed = (simulation.state()["2.weight"] != start).any((0, 1, 3, 4))
    assert changed.tolist() == [False, True, False, True]


def int8_program(extra_bits: int) -> tl.CompiledProgram:
    precision = tl.Int8(extra_bits=extra_bits)
    x, _ = examples(8)
    graph = tl.prepare(network(), EXAMPLE, precision=precision, calibration=[x])
    return tl.compile(graph, scheme={"2.weight": 1.0}, target="host", precision=precision)


def test_even_shares_of_the_weights_that_gain_most(begun) -> None:
    gains = {(0, 0.5): 3.0, (1, 0.5): 2.0, (0, 1.0): 9.0, (1, 1.0): 8.0}
    found = even(begun.layers, Additive({0: 0.0}, gains))
    assert found == [Choice.of(2, [(0, 0.5), (1, 0.5)]), Choice.of(2, [(0, 0.5)])]
