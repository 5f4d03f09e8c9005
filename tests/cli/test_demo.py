"""`trainlet demo` on this machine: fast, and the same C as on the emulated one."""

import re

from trainlet.cli import demo, demo_screen
from trainlet.demo.speech import bundled
from trainlet.errors import DataError


def test_it_shows_and_writes_what_it_promises(run, tmp_path, monkeypatch):
    out = tmp_path / "with space"
    monkeypatch.setattr("trainlet.cli.demo.find_spec", lambda name: None)
    result = run("demo", "--precision", "float32", "--on", "host", "-o", out)
    assert result.exit_code == 0, result.output
    before, learnt, after = (float(s) for s in re.findall(r"([\d.]+)% right\n", result.stdout)[:3])
    assert learnt - before > 10 and after > before
    assert "another word: rolled back" in result.stdout
    assert re.search(r"0% right before, \d+% after", result.stdout)
    assert re.search(rf"right after the lesson *│ *{learnt}% │", result.stdout)
    names = {p.name for p in out.iterdir()}
    promised = {word for name in demo_screen.FILES for word in name.rstrip("/").split()}
    pictures = {f"{name}.png" for name in ("life", "loss", "memory")}
    assert names == (promised - {".png"}) | pictures
    files = {p.name for p in (out / "trainer").iterdir()}
    assert {"trainer.h", "trainlet_lesson.c", "trainlet_store.h", "life.c"} <= files
    assert (out / "life.png").read_bytes().startswith(b"\x89PNG")


def test_int8_is_what_it_does_by_default(run, tmp_path, monkeypatch):
    chosen: list[str] = []

    def stop(factory, precision):
        chosen.append(precision)
        raise DataError("enough")

    monkeypatch.setattr("trainlet.cli.demo.compile_device", stop)
    run("demo", "--on", "host", "-o", tmp_path)
    assert chosen == ["int8"]
    monkeypatch.setattr("trainlet.cli.demo.find_spec", lambda name: None)
    assert demo._beside(None, "float32", "host") == {}  # type: ignore[arg-type]
    assert chosen == ["int8"]


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
