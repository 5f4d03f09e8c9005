"""How int8 trains: the same default on the command line as in Python, and what else would cost."""

from pathlib import Path

import numpy as np
import pytest
import torch

import trainlet as tl
from trainlet.cli.options import Request
from trainlet.errors import TargetError


def asked(**options) -> Request:
    net = Path(options.pop("net", "net.pt2"))
    return Request(net, "last", "host", None, None, "sgd", None, "mse", 1, **options)


def test_the_default_is_pythons():
    assert asked(precision="int8").arithmetic() == "int8"
    assert tl.Int8() == tl.Int8(gradient="int16", extra_bits=4, float_head=True)
    assert asked(precision="int8", extra_bits=8).arithmetic() == tl.Int8(extra_bits=8)
    assert asked(precision="int8", float_head=False).arithmetic() == tl.Int8(float_head=False)
    assert asked(net="net.tflite", gradient="int8").arithmetic() == tl.Int8(gradient="int8")
    assert asked().arithmetic() is asked(net="net.tflite").arithmetic() is None


@pytest.mark.parametrize("command", ["compile", "plan", "profile", "run"])
@pytest.mark.parametrize("word", ["--no-float-head", "--float-head"])
def test_the_head_is_an_option_of_int8(command, word, net, refused):
    np.savez("data.npz", x=np.zeros((2, 6), np.float32), y=np.zeros(2, np.int32))
    data = ["--data", "data.npz"] if command == "run" else []
    said = refused(command, net, "--scheme", "last", *data, word)
    assert "--float-head needs --precision int8" in said


def test_the_head_in_integers(net, run):
    np.savez("shown.npz", x=np.random.default_rng(0).standard_normal((8, 6), np.float32))
    words = ["plan", net, "--scheme", "last", "--precision", "int8", "--calibration", "shown.npz"]
    sizes = {}
    for word in ("--float-head", "--no-float-head"):
        result = run(*words, word)
        assert result.exit_code == 0, result.output
        line = next(x for x in result.stdout.splitlines() if "trained parameters" in x)
        sizes[word] = int(line.split("│")[2].replace(",", ""))
    # float32: 3 x 8 weights and 3 biases; int8: a byte and 4 extra bits each, and int16 biases
    assert sizes == {"--float-head": 4 * 27, "--no-float-head": 24 + 24 // 2 + 2 * 3}


def test_they_are_shown(run, net, refused):
    np.savez("shown.npz", x=np.random.default_rng(0).standard_normal((8, 6), np.float32))
    words = ["plan", net, "--scheme", "full", "--precision", "int8", "--calibration", "shown.npz"]
    result = run(*words, "--extra-bits", "4", "--gradient", "int8", "--choices")
    assert result.exit_code == 0, result.output
    assert "4 extra bits of each" in result.stdout and "int32 biases" in result.stdout
    assert result.stdout.count("this one") == 1
    own = next(line for line in result.stdout.splitlines() if "this one" in line)
    assert [cell.strip() for cell in own.split("│")][1:3] == ["int8", "4"]
    assert "Other options" in result.stdout and "--extra-bits 0 --gradient int8" in result.stdout
    assert "--extra-bits needs" in refused("plan", net, "--scheme", "full", "--extra-bits", 4)


def test_what_fits_is_shown_where_the_program_does_not(net, run):
    """A target of 5 KB: 4 KB are its stack."""
    words = ["plan", net, "--scheme", "full", "--optimizer", "adam", "--target", "cortex-m4"]
    result = run(*words, "--ram", "5", "--choices")
    assert result.exit_code == 1 and "These need less: " in result.stderr
    assert "--scheme last" in result.stdout or "--optimizer sgd" in result.stdout
    assert "too much" not in result.stdout


def test_the_arena_is_smaller_with_less_rollback(run, net):
    words = ["plan", net, "--scheme", "full", "--optimizer", "adam"]
    sizes = []
    for word in ("--rollback", "--load-twice", "--no-rollback"):
        result = run(*words, word)
        assert result.exit_code == 0, result.output
        line = next(x for x in result.stdout.splitlines() if "arena" in x)
        sizes.append(int(line.split("│")[2].replace(",", "")))
    assert sizes[0] >= sizes[1] > sizes[2]


def test_room_for_going_back_is_a_choice_where_ram_is_short():
    model = torch.nn.Sequential(torch.nn.Linear(64, 64)).eval()

    def made(ram=None, **options):
        target = "host" if ram is None else tl.Target("small", ram=ram, flash=1 << 20)
        return tl.compile(
            model, torch.zeros(1, 64), "full", target=target, loss="mse", optimizer=tl.Adam(),
            **options,
        )  # fmt: skip

    bare = made(rollback=False)
    ram = bare.arena_bytes + bare.state_bytes + bare.target.stack
    with pytest.raises(TargetError, match="rollback=False") as refused:
        made(ram)
    assert "--no-rollback" in [choice.command for choice in refused.value.choices()]
    assert made(ram, rollback=False).state_bytes == bare.state_bytes
