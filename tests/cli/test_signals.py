"""Signals end a command in order: one line, the shell's exit code, nothing left behind.

Where a test waits, it waits for what the child says through a pipe.
"""

import os
import select
import signal
import subprocess
import sys
from pathlib import Path

import pytest

SRC = Path(__file__).parents[2] / "src"
SAY = "import os, time; open(os.environ['SAY'], 'w').write('.'); time.sleep(600)"


def as_a_terminal_starts() -> None:
    """The tests may run where signals are ignored, as under nohup."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)


class Child:
    """`python -m trainlet`, started as from a terminal, that has come to where it says so."""

    def __init__(self, folder: Path, *words: object, path: Path) -> None:
        pipe = folder / "pipe"
        os.mkfifo(pipe)
        (folder / "tmp").mkdir()
        environment = os.environ | {
            "PYTHONPATH": f"{path}{os.pathsep}{SRC}",
            "PATH": f"{path}{os.pathsep}{os.environ['PATH']}",
            "TMPDIR": str(folder / "tmp"),
            "SAY": str(pipe),
        }
        self.process = subprocess.Popen(
            [sys.executable, "-m", "trainlet", *map(str, words)],
            cwd=folder, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
            preexec_fn=as_a_terminal_starts,
        )  # fmt: skip
        said = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
        while not select.select([said], [], [], 0.1)[0] or not os.read(said, 1):
            assert self.process.poll() is None, self.process.communicate()
        os.close(said)

    def end(self, number: int) -> tuple[int, str]:
        """Its exit code and what it said."""
        self.process.send_signal(number)
        out, err = self.process.communicate(timeout=120)
        return self.process.returncode, out + err


def test_interrupted_while_torch_is_imported(tmp_path):
    (tmp_path / "fake").mkdir()
    (tmp_path / "fake/torch.py").write_text(SAY)
    child = Child(tmp_path, "targets", path=tmp_path / "fake")
    assert child.end(signal.SIGINT) == (130, "interrupted\n")


@pytest.mark.parametrize(
    ("number", "code", "said"),
    [
        (signal.SIGINT, 130, "interrupted\n"),
        (signal.SIGTERM, 143, "ended by SIGTERM\n"),
        (signal.SIGHUP, 129, "ended by SIGHUP\n"),
    ],
)
def test_ended_while_compiling(exported, tmp_path, number, code, said):
    """The C compiler of the firmware is one that never ends."""
    (tmp_path / "fake").mkdir()
    compiler = tmp_path / "fake/arm-none-eabi-gcc"
    compiler.write_text(f"#!{sys.executable}\n{SAY}\n")
    compiler.chmod(0o755)
    child = Child(tmp_path, "compile", exported, "--scheme", "last", path=tmp_path / "fake")
    assert list((tmp_path / "tmp").glob("trainlet-*")), "it is at work there"
    assert child.end(number) == (code, said)
    assert not list((tmp_path / "tmp").glob("trainlet-*"))
    assert not (tmp_path / "out").exists()


def test_a_signal_that_is_ignored_stays_ignored(tmp_path):
    """As `nohup` asks for."""
    (tmp_path / "fake").mkdir()
    (tmp_path / "fake/torch.py").write_text("raise SystemExit(7)")
    code = subprocess.run(
        [sys.executable, "-c", "import signal, sys\n"
         "for s in (signal.SIGINT, signal.SIGHUP): signal.signal(s, signal.SIG_IGN)\n"
         "from trainlet.cli.entry import main\n"
         "try: main()\n"
         "except SystemExit: pass\n"
         "signal.raise_signal(signal.SIGHUP); signal.raise_signal(signal.SIGINT); sys.exit(3)"],
        env=os.environ | {"PYTHONPATH": f"{tmp_path / 'fake'}{os.pathsep}{SRC}"},
    ).returncode  # fmt: skip
    assert code == 3
