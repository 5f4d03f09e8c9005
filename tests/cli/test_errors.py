"""Whatever is wrong: exit code 1, one message that says what, and no file is left behind."""

import os
import re
from pathlib import Path

import numpy as np
import pytest

from cli.data import write_data
from trainlet.errors import TargetError


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (("--scheme", "last", "--target", "z80"), "unknown target 'z80'"),
        (("--scheme", 5000 * "a"), r"unknown scheme 'a+\.\.\. \(5,002 characters\)"),
        (("--scheme", "all"), "unknown scheme 'all'.*full, last, bias, norm"),
        (("--scheme", "last", "--optimizer", "lion"), "unknown optimizer 'lion'"),
        (("--scheme", "last", "--loss", "hinge"), "unknown loss 'hinge'"),
        (("--scheme", "last", "--lr", "nan"), "learning rate"),
        (("--scheme", "last", "--prefix", "9"), "prefix '9'"),
        (("--scheme", "last", "--stop-after", "lunch"), "unknown stage 'lunch'"),
        (("--scheme", "full", "--flash", "1"), "does not fit .*cortex-m7"),
    ],
)
def test_bad_options(refused, net, words, why):
    assert_says(refused("compile", net, "-o", "out", *words), why)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ('[update]\n"9.weight" = 1.0', "9.weight"),
        ('[update]\n"2.weight" = 7', "ratio"),
        ('[update]\n"2.weight" = nan', "ratio"),
        ("[update]\n2 = {a = 1}", "scheme.toml"),
        ('[update]\n"2.weight" = 1\n[extra]\nrun = "rm"', "extra"),
        ("[update]\nx = " + "[" * 3000, "scheme.toml"),
        ("\x00\x01", "not TOML"),
        ("", "trains no parameter"),
    ],
)
def test_hostile_schemes(refused, net, text, why):
    Path("scheme.toml").write_text(text)
    assert_says(refused("compile", net, "--scheme", "scheme.toml", "-o", "out"), why)


def test_a_scheme_that_is_no_text(refused, net):
    Path("scheme.toml").write_bytes(b"\xff\xfe\x00")
    assert_says(refused("compile", net, "--scheme", "scheme.toml"), "scheme.toml")
    Path("folder").mkdir()
    assert_says(refused("compile", net, "--scheme", "folder"), "folder")


@pytest.mark.parametrize("keep", [0, 10, 0.5, 0.99])
def test_truncated_networks(refused, net, keep):
    content = net.read_bytes()
    net.write_bytes(content[: int(keep * len(content)) if keep < 1 else keep])
    for command in (("compile", net, "--scheme", "last"), ("scheme", net, "last", "-o", "s.toml")):
        assert_says(refused(*command), "net.pt2")


def test_absent_and_foreign_networks(refused, net):
    assert_says(refused("plan", "absent.pt2", "--scheme", "last"), "absent.pt2")
    Path("net.onnx").touch()
    assert_says(refused("plan", "net.onnx", "--scheme", "last"), "net.onnx: not an .onnx file")
    Path("net.h5").touch()
    assert_says(refused("plan", "net.h5", "--scheme", "last"), "allowed: .pt2")


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"x": None}, "'x' is missing.*found: y"),
        ({"y": None}, "'y' is missing"),
        ({"x": np.zeros((31, 5), np.float32)}, r"\(31, 5\); allowed: \(n, 6\)"),
        ({"x": np.zeros(6, np.float32)}, r"shape \(6,\)"),
        ({"x": np.zeros((0, 6), np.float32)}, "at least 1"),
        ({"x": np.full((31, 6), np.nan)}, "31 of 31 rows of x hold NaN"),
        ({"x": np.full((31, 6), 1e300)}, "infinite in float32"),
        ({"x": np.full((31, 6), "a")}, "allowed: numbers"),
        ({"x": np.full((31, 6), {})}, "data.npz: is not a readable"),
        ({"y": np.zeros(30, int)}, "one entry for each of the 31"),
        ({"y": np.zeros(31)}, "integer labels"),
        ({"y": np.full(31, 3)}, r"labels in 3..3; allowed: 0..2"),
        ({"y": np.full(31, -1)}, "labels in -1"),
        ({"y": np.int64(1)}, "one entry for each"),
    ],
)
def test_bad_data(refused, net, changes, why):
    write_data("data.npz", **changes)
    words = ("--data", "data.npz", "--save", "state.bin")
    assert_says(refused("run", net, "--scheme", "last", *words), why)


def test_data_that_is_no_npz(refused, net):
    good = write_data("good.npz").read_bytes()
    Path("short.npz").write_bytes(good[: len(good) // 2])
    np.save("array.npy", np.zeros(3))
    whys = {
        "short.npz": "is not a readable .npz",
        "array.npy": "is not a readable .npz",
        "absent.npz": "cannot be read: No such file",
        ".": "is a folder; cannot be read",
    }
    for name, why in whys.items():
        assert_says(refused("run", net, "--scheme", "last", "--data", name), why)


def test_fewer_examples_than_a_batch(refused, net):
    write_data("data.npz", n=1)
    message = refused("run", net, "--scheme", "last", "--data", "data.npz", "--save", "state.bin")
    assert_says(message, "1 examples; the trainer's batch takes 2")


@pytest.mark.parametrize("device", ["host", "unicorn"])
def test_a_damaged_or_foreign_state_is_refused(run, refused, net, device):
    write_data("data.npz", n=4)
    common = ("run", net, "--data", "data.npz", "--on", device)
    assert run(*common, "--scheme", "last", "--save", "good.bin").exit_code == 0
    good = Path("good.bin").read_bytes()
    for position in (0, 9, 40, len(good) - 1):
        damaged = bytearray(good)
        damaged[position] ^= 1
        Path("bad.bin").write_bytes(damaged)
        words = ("--scheme", "last", "--load", "bad.bin", "--save", "new.bin")
        assert_says(refused(*common, *words), "is damaged|are not the saved state of a trainer")
    Path("bad.bin").write_bytes(good[:-3])
    assert_says(refused(*common, "--scheme", "last", "--load", "bad.bin"), "truncated")
    assert_says(refused(*common, "--scheme", "full", "--load", "good.bin"), "another program")
    assert_says(refused(*common, "--scheme", "last", "--load", "absent.bin"), "absent.bin")


def test_divergence_saves_nothing(refused, net):
    write_data("data.npz")
    Path("state.bin").write_text("precious")
    words = ("--data", "data.npz", "--epochs", "30", "--lr", "1e38", "--save", "state.bin")
    assert_says(refused("run", net, "--scheme", "full", *words), "loss is not finite")
    assert Path("state.bin").read_text() == "precious"


def test_devices(refused, net):
    write_data("data.npz")
    common = ("run", net, "--scheme", "last", "--data", "data.npz")
    assert_says(refused(*common, "--on", "toaster"), "unknown device 'toaster'")
    assert_says(refused(*common, "--on", "qemu", "--target", "host"), "not a microcontroller")


@pytest.mark.parametrize("place", ["file", "file/x", "/dev/null", "/proc/x", "folder/s"])
@pytest.mark.parametrize(
    "words",
    [
        ("compile", "--scheme", "last", "-o", "{}"),
        ("plan", "--scheme", "last", "--draw", "{}/m.svg"),
        ("profile", "--scheme", "last", "--picture", "{}/m.svg"),
        ("run", "--scheme", "last", "--data", "data.npz", "--save", "{}/s.bin"),
        ("scheme", "last", "-o", "{}/s.toml"),
    ],
)
def test_where_nothing_can_be_written_nothing_is_begun(refused, net, monkeypatch, place, words):
    def begun(*_, **__):
        raise AssertionError("the network was opened")

    monkeypatch.setattr("trainlet.frontends.network.read_archive", begun)
    Path("file").touch()
    os.symlink("file", "folder")
    command, *rest = (word.replace("{}", place) for word in words)
    assert_says(refused(command, net, *rest), "cannot write")


def test_what_cannot_be_written(refused, net):
    Path("folder").mkdir()
    assert_says(refused("scheme", net, "last", "-o", "folder"), "is a folder")
    assert_says(refused("plan", net, "--scheme", "last", "--draw", "m.gif"), "svg or .png")
    Path("out/trainer_kernels.h").mkdir(parents=True)
    assert_says(refused("compile", net, "--scheme", "last"), "trainer_kernels.h: it is a folder")


def test_a_fault_of_ours_is_one_line_too(run, net, monkeypatch):
    monkeypatch.setattr("trainlet.cli.scheme.check_file", lambda _: {}["lost"])
    result = run("scheme", net, "last")
    assert result.exit_code == 70
    assert result.stderr.startswith("error: an error in Trainlet itself, KeyError: 'lost'; please")
    assert isinstance(run("--debug", "scheme", net, "last").exception, KeyError)


def test_too_little_memory(run, net, monkeypatch):
    def no(_):
        raise MemoryError

    monkeypatch.setattr("trainlet.cli.scheme.check_file", no)
    result = run("scheme", net, "last")
    assert (result.exit_code, "does not have enough memory" in result.stderr) == (1, True)


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_without_permission(refused, net):
    Path("closed").mkdir(mode=0o500)
    assert_says(refused("scheme", net, "last", "-o", "closed/s.toml"), "Permission denied")


def test_debug_lets_the_error_through(run, net):
    result = run("--debug", "plan", net, "--scheme", "last", "--target", "z80")
    assert isinstance(result.exception, TargetError)


def assert_says(message: str, pattern: str) -> None:
    assert re.search(pattern, message, re.DOTALL), message
