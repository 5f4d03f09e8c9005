"""Files are written whole or not at all, whatever fails and whoever else writes or interrupts."""

import errno
import fcntl
import os
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

import pytest

from trainlet.errors import FileError
from trainlet.files import check_file, check_folder, filling, replacing, write_bytes, write_text

OLD = {"a.c": "old a", "b.h": "old b", "mine.txt": "mine"}
NEW = {"a.c": "new a", "b.h": "new b", "c.h": "new c"}


def content(folder: Path) -> dict[str, str]:
    """All that is in a folder, hidden things included."""
    return {p.name: p.read_text() if p.is_file() else "a folder" for p in folder.iterdir()}


def write(folder: Path, files: dict[str, str]) -> None:
    with filling(folder) as new:
        for name, text in files.items():
            (new / name).write_text(text)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write(tmp_path / "out", OLD)
    return tmp_path / "out"


def test_new_files_replace_old_ones_and_others_stay(folder):
    write(folder, NEW)
    assert content(folder) == {**NEW, "mine.txt": "mine"}


def test_the_files_have_the_users_usual_permissions(folder):
    usual = folder / "usual"
    usual.touch()
    assert (folder / "a.c").stat().st_mode == usual.stat().st_mode


def test_a_block_that_fails_changes_nothing(folder, tmp_path):
    for where in (folder, tmp_path / "not/there/yet"):
        with pytest.raises(ZeroDivisionError), filling(where) as new:
            (new / "a.c").write_text("new")
            _ = 1 / 0
    assert content(folder) == OLD
    assert sorted(p.name for p in tmp_path.iterdir()) == ["out"]


@pytest.mark.parametrize("kind", [PermissionError(errno.EPERM, "no"), KeyboardInterrupt()])
@pytest.mark.parametrize("fails", range(5))
def test_a_move_that_fails_is_taken_back(folder, monkeypatch, fails, kind):
    """Two files leave and three come: each of the five moves fails once."""
    moves, real = [], os.replace

    def replace(source, target):
        moves.append(source)
        if len(moves) == fails + 1:
            raise kind
        real(source, target)

    monkeypatch.setattr(os, "replace", replace)
    with pytest.raises(KeyboardInterrupt if isinstance(kind, KeyboardInterrupt) else FileError):
        write(folder, NEW)
    assert len(moves) == fails + 1
    assert content(folder) == OLD
    write(folder, NEW)
    assert len(moves) == fails + 1 + 5, "there are five moves, and each was tried"


def test_old_files_that_cannot_come_back_are_kept_and_named(folder, monkeypatch):
    def no(source, target):
        raise OSError(errno.EIO, "Input/output error")

    real = os.replace
    monkeypatch.setattr(os, "replace", lambda a, b: real(a, b) if a.name == "a.c" else no(a, b))
    monkeypatch.setattr(os, "rename", no)
    with pytest.raises(FileError, match="the old files are in (.*)") as caught:
        write(folder, NEW)
    kept = Path(str(caught.value).split(" are in ")[1])
    assert (kept / "a.c").read_text() == "old a"
    monkeypatch.undo()
    write(folder, NEW)
    assert content(folder) == {**NEW, "mine.txt": "mine"}, "the next success tidies up"


def test_a_folder_in_the_place_of_a_file_stops_all(folder):
    (folder / "c.h").mkdir()
    with pytest.raises(FileError, match="c.h: it is a folder"):
        write(folder, NEW)
    assert content(folder) == {**OLD, "c.h": "a folder"}


@pytest.mark.parametrize("room", range(0, 16, 3))
def test_a_disk_without_room_changes_nothing(folder, room):
    """A limit on the size of files stops the write itself, as a full disk does."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    with pytest.raises(FileError, match="File too large"):
        try:
            resource.setrlimit(resource.RLIMIT_FSIZE, (room, limits[1]))
            write(folder, {"a.c": "short", "b.h": "much too long for it"})
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert content(folder) == OLD
    state = folder / "mine.txt"
    with pytest.raises(FileError, match="cannot write .*/mine.txt: File"):
        try:
            resource.setrlimit(resource.RLIMIT_FSIZE, (room, limits[1]))
            write_bytes(state, b"x" * 100)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert content(folder) == OLD


def test_everything_is_made_on_the_folders_own_file_system(folder, tmp_path, monkeypatch):
    """A folder may be a mount point: nothing is moved into it from outside."""
    moved, real = [], os.replace

    def replace(source, target):
        moved.append(source)
        real(source, target)

    monkeypatch.setattr(os, "replace", replace)
    write(folder, NEW)
    write_bytes(folder / "state.bin", b"x")
    assert moved and all(folder in path.parents for path in moved)


def test_a_link_to_another_file_system(tmp_path):
    shm = Path("/dev/shm")
    if not shm.is_dir() or shm.stat().st_dev == tmp_path.stat().st_dev:
        pytest.skip("no second file system")
    with tempfile.TemporaryDirectory(dir=shm) as far:
        for name, target in (("there", Path(far)), ("dangling", Path(far, "deep", "er"))):
            (tmp_path / name).symlink_to(target)
            write(tmp_path / name, NEW)
            assert content(target) | {"deep": ""} == NEW | {"deep": ""}
            shutil.rmtree(target / "deep", ignore_errors=True)
        (tmp_path / "state").symlink_to(Path(far, "state"))
        write_text(tmp_path / "state", "one")
        write_text(tmp_path / "state", "two")
        assert (tmp_path / "state").is_symlink() and Path(far, "state").read_text() == "two"


def test_two_writers_never_mix(tmp_path):
    """Also with a third one that fails in a folder that it would have made."""
    one, other = ({name: text * 200 for name in "abcdef"} for text in ("1", "2"))
    folder = tmp_path / "out"

    def broken():
        with pytest.raises(ZeroDivisionError), filling(folder):
            _ = 1 / 0

    for _ in range(30):
        threads = [threading.Thread(target=write, args=(folder, f)) for f in (one, other)]
        threads.append(threading.Thread(target=broken))
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert content(folder) in (one, other)
        shutil.rmtree(folder)


def test_a_folder_that_disappears_while_waiting_is_made_again(tmp_path, monkeypatch):
    """Who made it has failed, and has removed it."""
    folder, calls, real = tmp_path / "out", [], fcntl.flock

    def flock(handle, operation):
        real(handle, operation)
        calls.append(handle)
        if len(calls) == 1:
            folder.rmdir()

    monkeypatch.setattr(fcntl, "flock", flock)
    write(folder, NEW)
    assert content(folder) == NEW and len(calls) == 2


WRITER = """
import sys
import time
from pathlib import Path
from trainlet.files import filling
from trainlet.interrupt import end_in_order, exit_code
end_in_order()
try:
    with filling(Path(sys.argv[1])) as new:
        (new / "a.c").write_text("half")
        print("ready", flush=True)
        while True:  # a signal just before a read that blocks would be handled after it
            time.sleep(0.01)
except KeyboardInterrupt as stop:
    sys.exit(exit_code(stop))
"""


def heed_signals() -> None:
    """Also where the tests run with nohup, or in the background of a shell."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGHUP, signal.SIG_DFL)


@pytest.mark.parametrize(
    ("number", "code"),
    [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129), (signal.SIGKILL, -9)],
)
def test_a_signal_while_writing(folder, number, code):
    writer = subprocess.Popen(
        [sys.executable, "-c", WRITER, folder], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        text=True, preexec_fn=heed_signals,
    )  # fmt: skip
    with writer:
        assert writer.stdout and writer.stdout.readline() == "ready\n"
        writer.send_signal(number)
        assert writer.wait(60) == code
    left = set(content(folder)) - set(OLD)
    assert bool(left) == (number == signal.SIGKILL), "only who was killed leaves something"
    assert {name: text for name, text in content(folder).items() if name in OLD} == OLD
    write(folder, NEW)
    assert content(folder) == {**NEW, "mine.txt": "mine"}, "the next writer tidies up"


@pytest.mark.parametrize("place", ["file", "file/x", "/dev/null", "/proc/x", "a\0b", "x" * 300])
def test_what_can_be_no_folder(tmp_path, monkeypatch, place):
    monkeypatch.chdir(tmp_path)
    Path("file").write_text("precious")
    for attempt in (check_folder, lambda path: write(path, NEW)):
        with pytest.raises(FileError, match="cannot write"):
            attempt(Path(place))
    assert content(tmp_path) == {"file": "precious"}


@pytest.mark.parametrize("place", ["folder", "file/x", "/dev/null", "/proc/x", "pipe", "a\0b"])
def test_what_can_be_no_file(tmp_path, monkeypatch, place):
    monkeypatch.chdir(tmp_path)
    Path("folder").mkdir()
    Path("file").write_text("precious")
    os.mkfifo("pipe")
    for attempt in (check_file, lambda path: write_text(path, "new")):
        with pytest.raises(FileError, match="cannot write") as caught:
            attempt(Path(place))
        assert place.strip("\0ab") in str(caught.value)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["file", "folder", "pipe"]
    assert os.path.exists("/dev/null") and not os.path.isfile("/dev/null")


def test_a_check_leaves_nothing(tmp_path):
    check_folder(tmp_path / "deep/er")
    check_file(tmp_path / "deep/state.bin")
    check_file(None)
    assert not list(tmp_path.iterdir())


def test_a_file_system_without_locks_is_written_too(folder, monkeypatch):
    def no(handle, operation):
        raise OSError(errno.ENOTSUP, "not supported")

    monkeypatch.setattr("fcntl.flock", no)
    (folder / ".trainlet-of-another").mkdir()
    write(folder, NEW)
    assert set(content(folder)) == {*NEW, "mine.txt", ".trainlet-of-another"}


def test_replacing_takes_any_writer(tmp_path):
    with replacing(tmp_path / "picture.svg") as part:
        assert part.name == "picture.svg", "what draws goes by the name"
        part.write_text("<svg/>")
    assert content(tmp_path) == {"picture.svg": "<svg/>"}
