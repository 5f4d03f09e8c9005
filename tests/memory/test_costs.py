"""The report of an int8 program says what each choice costs."""

import pytest
import torch

import trainlet as tl
from int8.networks import program, quantised, scheme_of

INT16 = tl.Int8(gradient="int16", extra_bits=8)


def parts(made: tl.CompiledProgram, where: str) -> dict[str, int]:
    return {c.name: c.nbytes for c in made.report.costs if c.where == where}


@pytest.mark.parametrize("gradient", ["float32", "int16"])
def test_the_parts_make_up_the_whole(gradient):
    made, _ = program("ds_cnn", precision=tl.Int8(gradient=gradient))
    assert sum(parts(made, "trained parameters").values()) == made.report.parameter_bytes
    arena = parts(made, "arena at its peak")
    aligned = 8 * len(made.plan.live)
    assert made.arena_bytes - aligned <= sum(arena.values()) <= made.arena_bytes
    assert gradient == "float32" or arena["gradients of parameters"] == 0
    assert arena["gradients of activations"] > 0 and arena["made by the forward pass"] > 0


def test_extra_bits_are_counted_by_hand():
    made, _ = program("ds_cnn", precision=tl.Int8(extra_bits=4))
    trained = {n.name: n for n in made.params}
    halves = 64 * 64 // 2 + 64 * 3 * 3  # features.24 in half, features.21 in full
    assert set(scheme_of(quantised("ds_cnn")[0]).ratios) == set(trained)
    assert parts(made, "trained parameters")["4 extra bits of each"] == halves // 2


def test_every_choice_is_what_compiling_it_gives():
    made, _ = program("lenet5", precision=INT16)
    choices = {(c.gradient, c.extra_bits): c for c in made.report.choices()}
    assert len(choices) == 9
    assert [key for key, c in choices.items() if c.chosen] == [("int16", 8)]
    for gradient, bits in (("int16", 8), ("int8", 0)):
        other, _ = program("lenet5", precision=tl.Int8(gradient=gradient, extra_bits=bits))
        choice = choices[gradient, bits]
        assert choice.arena_bytes == other.arena_bytes
        assert choice.parameter_bytes == other.report.parameter_bytes
        assert choice.ram_bytes == other.arena_bytes + other.state_bytes


def test_float32_has_no_choices():
    made = tl.compile(torch.nn.Linear(4, 3), torch.zeros(1, 4), "full", target="host")
    assert made.report.choices() == () and made.report.costs == ()
    assert "extra bits" not in str(made.report)
