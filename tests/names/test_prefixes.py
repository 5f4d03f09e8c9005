"""The prefix of a project: a word that can begin names in C and files, or an error with one."""

from __future__ import annotations

import pytest

import trainlet as tl
from names.networks import losses, network, program


@pytest.mark.parametrize(
    ("prefix", "why", "instead"),
    [
        ("main", "example", "main_trainer"),
        ("string", "header", "string_trainer"),
        ("class", "keyword", "class_trainer"),
        ("aux", "Windows", "aux_trainer"),
        ("test", "CMake", "test_trainer"),
        ("m", "system library", "m_trainer"),
        ("trainer_kernels", "another trainer", "trainer_kernels_trainer"),
        ("x" * 300, "300 characters", "x" * 32),
        ("9x", "lower-case letter", "trainer_9x"),
        ("9lives", "lower-case letter", "trainer_9lives"),
        ("Trainer", "lower-case letter", "trainer"),
        ("int", "keyword", "int_trainer"),
        ("a b", "lower-case letter", "a_b"),
        ("x;y", "lower-case letter", "x_y"),
        ("My-Net", "lower-case letter", "my_net"),
        ("a__b", "single", "a_b"),
        ("", "lower-case letter", "trainer"),
        ("é\n*/", "lower-case letter", "trainer"),
    ],
)
def test_a_prefix_that_cannot_be_is_refused_with_one_that_can(
    prefix: str, why: str, instead: str
) -> None:
    with pytest.raises(tl.TrainletError, match=why) as refused:
        program(network(), prefix=prefix)
    assert str(refused.value).endswith(f"try '{instead}'")
    assert str(refused.value).isprintable()
    assert program(network(), prefix=instead).prefix == instead


@pytest.mark.parametrize("prefix", ["k", "f32", "u8", "finite", "crc32", "int8_t", "memcpy", "i32"])
def test_a_prefix_may_be_any_other_word(prefix: str) -> None:
    assert losses(program(network(), prefix=prefix)) == losses(program(network()))
