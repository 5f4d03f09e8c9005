"""`trainlet demo` on this machine: fast, and the same C as on the emulated one."""

import re
import shlex
from pathlib import Path

import pytest

from trainlet.cli import demo_screen
from trainlet.demo.speech import bundled

RECORDED = Path(__file__).parents[2].parent / "shared" / "data" / "speech_commands_personal_16k.npz"


def test_it_shows_and_writes_what_it_promises_and_its_last_line_works(run, tmp_path):
    out = tmp_path / "with space"
    result = run("demo", "--on", "host", "-o", out)
    assert result.exit_code == 0, result.output
    before, after = (float(s) for s in re.findall(r"([\d.]+)% right", result.stdout)[-2:])
    assert after - before > 8
    assert "154.1 of 256" in result.stdout
    names = {p.name for p in out.iterdir()}
    promised = {word for name in demo_screen.FILES for word in name.rstrip("/").split()}
    assert names == (promised - {".png"}) | {"loss.png", "memory.png"}
    assert (out / "trainer/trainer.h").exists()
    assert (out / "loss.png").read_bytes().startswith(b"\x89PNG")

    words = demo_screen.command(out, "host").replace("\\\n", " ")
    again = run(*shlex.split(words)[1:], "--epochs", "0")
    assert again.exit_code == 0, again.output
    assert f"{after}%" in again.stdout


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
    assert "holds no clips" in refused("demo", "--data", ".", "--on", "host")
    assert "--speaker goes with --data" in refused("demo", "--speaker", "ann")


def test_an_unknown_device_leaves_no_files(refused, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert "no device 'toaster'" in refused("demo", "--on", "toaster")


def test_the_bundled_speakers_are_there():
    assert len(bundled("new").speakers) == 6
