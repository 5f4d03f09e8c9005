"""Names of a model as names in C: they collide with nothing, and ordinary ones stay."""

from __future__ import annotations

import re

import pytest

from names.networks import HOSTILE, losses, made_text, network, program
from trainlet.backends.names import comment, input_symbols, leaf_symbols
from trainlet.backends.reserved import WORDS

ORDINARY = ["x", "input", "image", "left_eye", "inputIds", "x1", "audio", "k1"]


@pytest.mark.parametrize("name", ORDINARY)
def test_ordinary_inputs_keep_their_names(name: str) -> None:
    assert input_symbols([name]) == {name: name}


def test_a_header_shows_the_model_s_names() -> None:
    made = program(network(["x", "z"]))
    text = made_text(made, "trainer.h")
    assert "int trainer_step(const float *x, const float *z, const int32_t *target" in text
    assert "#define TRAINER_X_SIZE 3" in text and "float *trainer_z(void);" in text


@pytest.mark.parametrize(
    ("name", "symbol"),
    [
        ("float", "input_float"),
        ("class", "input_class"),
        ("arena", "input_arena"),
        ("loss", "input_loss"),
        ("memcpy", "input_memcpy"),
        ("linux", "input_linux"),
        ("NULL", "input_null"),
        ("X", "x"),
        ("I", "i"),
        ("MARK", "mark"),
        ("B0", "b0"),
        ("_x", "x"),
        ("9x", "input_9x"),
        ("a__b", "a_b"),
        ("quantize_x", "input_quantize_x"),
        ("x; int y", "x_int_y"),
        ("größe", "gr_e"),
        ("\N{BLACK CIRCLE}", "unnamed"),
    ],
)
def test_other_inputs_get_a_name_by_rule(name: str, symbol: str) -> None:
    assert input_symbols([name]) == {name: symbol}


def test_inputs_that_would_share_a_name_are_numbered_in_their_order() -> None:
    assert list(input_symbols(["x", "X", "x_2", "é", "è"]).values()) == [
        "x", "x_2", "x_2_2", "unnamed", "unnamed_2"
    ]  # fmt: skip


def test_every_taken_word_is_one_that_the_check_finds() -> None:
    assert all(re.fullmatch(r"[a-z][a-z0-9_]*", word) for word in WORDS)
    assert not set(ORDINARY) & set(WORDS)


@pytest.mark.parametrize("text", HOSTILE)
def test_a_comment_ends_where_it_should(text: str) -> None:
    made = comment(text)
    assert made.isascii() and made.isprintable() and len(made) < 1000
    assert made.startswith("/* ") and made.endswith(" */")
    inside = made[3:-3]
    assert "*/" not in inside and "/*" not in inside and "??" not in inside


def test_leaves_have_parts_of_identifiers() -> None:
    symbols = leaf_symbols(HOSTILE)
    assert len({symbol.lower() for symbol in symbols.values()}) == len(HOSTILE)
    assert all(re.fullmatch(r"[A-Za-z0-9]\w*", symbol, re.ASCII) for symbol in symbols.values())
    assert max(map(len, symbols.values())) < 64


def test_a_project_of_hostile_parameters_is_a_project_of_ordinary_ones() -> None:
    """Apart from what comments show, and names that are made by rule."""
    for k in range(0, len(HOSTILE) - 1, 2):
        made = program(network(parameters=HOSTILE[k : k + 2]))
        text = "".join(made_text(made, f"trainer{end}") for end in (".c", ".h", "_weights.h"))
        assert text.isascii()
        code = re.sub(r"/\*.*?\*/", "", text, flags=re.DOTALL)
        assert not [text for text in ("int evil", "$", "`", "7 * 7", "%s") if text in code]


def test_it_computes_what_the_ordinary_ones_do() -> None:
    wanted = losses(program(network(["x", "z"])))
    for pair in (["*/ int evil; /*", "x\n#error"], ["linux", "I"], ["F32", "U8"], ["f32", "F32"]):
        assert losses(program(network(["x", "z"], pair))) == wanted
        assert losses(program(network(pair))) == wanted


WORDS_OF_C = "float signed step loss logits arena status context training turn k state NULL unix"


@pytest.mark.parametrize("device", ["host", "sanitized"])
def test_inputs_called_like_words_of_c_work(device: str) -> None:
    wanted = losses(program(network([f"x{k}" for k in range(14)])))
    assert losses(program(network(WORDS_OF_C.split())), device) == wanted
