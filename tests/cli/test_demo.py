"""`trainlet demo` on this machine: fast, and the same C as on the emulated one."""

import re
import shlex
from pathlib import Path

import pytest

from trainlet.cli import demo, demo_screen
from trainlet.demo.speech import bundled
from trainlet.errors import DataError

RECORDED = Path(__file__).parents[2].parent / "shared" / "data" / "speech_commands_personal_16k.npz"


@pytest.mark.parametrize(("precision", "ram"), [("int8", r"66\.\d"), ("float32", r"172\.\d")])
def test_it_shows_and_writes_what_it_promises_and_its_last_line_works(
    precision, ram, run, tmp_path
):
    out = tmp_path / "with space"
    result = run("demo", "--precision", precision, "--on", "host", "-o", out)
    assert result.exit_code == 0, result.output
    before, after = (float(s) for s in re.findall(r"([\d.]+)% right", result.stdout)[-2:])
    assert after - before > 8
    assert re.search(f"{ram} of 256", result.stdout), "the stack differs a little by compiler"
    assert re.search(rf"{precision} *┃", result.stdout), "the chosen precision comes first"
    assert re.search(rf"right after *│ *{after}% │ *[\d.]+% │", result.stdout)
    assert re.search(r"RAM *│ *[\d.]+ KB │ *[\d.]+ KB │", result.stdout)
    names = {p.name for p in out.iterdir()}
    promised = {word for name in demo_screen.FILES for word in name.rstrip("/").split()}
    assert names == (promised - {".png"}) | {"loss.png", "memory.png"}
    assert (out / "trainer/trainer.h").exists()
    assert (out / "loss.png").read_bytes().startswith(b"\x89PNG")

    words = demo_screen.command(out, "host", precision).replace("\\\n", " ")
    again = run(*shlex.split(words)[1:], "--epochs", "0")
    assert again.exit_code == 0, again.output
    assert f"{after}%" in again.stdout


def test_int8_is_what_it_does_by_default_and_float32_needs_no_torchao(run, tmp_path, monkeypatch):
    chosen: list[str] = []

    def stop(network, precision):
        chosen.append(precision)
        raise DataError("enough")

    monkeypatch.setattr("trainlet.cli.demo.compile_spotter", stop)
    run("demo", "--on", "host", "-o", tmp_path)
    assert chosen == ["int8"]
    monkeypatch.setattr("trainlet.cli.demo.find_spec", lambda name: None)
    assert demo._beside(None, "float32", None, "host") == {}  # type: ignore[arg-type]
    assert chosen == ["int8"]


def test_recordings_of_a_real_person(run, tmp_path):
    if not RECORDED.exists():
        pytest.skip(f"needs real recordings, and {RECORDED} is absent")
    result = run(
        "demo", "--data", RECORDED, "--speaker", "8fe67225", "--on", "host", "-o", tmp_path
    )
    assert result.exit_code == 0, result.output
    before, after = (float(s) for s in re.findall(r"([\d.]+)% right", result.stdout)[-2:])
    assert after - before > 8


def test_wrong_recordings(refused, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert "absent" in refused("demo", "--data", "absent", "--on", "host")
    assert "contains no clips" in refused("demo", "--data", ".", "--on", "host")
    assert "--speaker needs --data" in refused("demo", "--speaker", "ann")


def test_an_unknown_precision(refused, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    said = refused("demo", "--precision", "int4", "--on", "host")
    assert "unknown precision 'int4'; allowed: int8, float32" in said


def test_an_unknown_device_leaves_no_files(refused, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert "unknown device 'toaster'" in refused("demo", "--on", "toaster")


def test_the_bundled_speakers_are_there():
    assert len(bundled("new").speakers) == 6
