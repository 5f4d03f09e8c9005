"""Runs a tutorial as it is printed.  `python docs/scripts/tutorials.py docs/tutorials/lstm.md`
runs it and writes its output into the page; tests/documentation compares the output with the page.

Blocks of Python and lines of a shell that begin with `trainlet` run in the order of the page, in
one folder.  A block of text that follows one of them is its output.  Other blocks are not run.
"""

from __future__ import annotations

import contextlib
import io
import os
import re
import shlex
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any

TUTORIALS = Path(__file__).parents[1] / "tutorials"
BLOCK = re.compile(r"^```(python|sh|text)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
CLOCK = re.compile(r"\d:\d\d:\d\d")  # of a progress bar
NUMBER = re.compile(r"[-+]?\d[\d,]*(?:\.\d+)?")


def outputs(page: Path) -> list[tuple[str, str]]:
    """For each block of output: as the page prints it, and as it came out in the present folder."""
    scope: dict[str, Any] = {"__name__": "__main__"}
    found, said = [], ""
    for kind, text in BLOCK.findall(page.read_text()):
        if kind == "text":
            found.append((text, said))
        else:
            said = _python(page, text, scope) if kind == "python" else _shell(text)
    return found


def _python(page: Path, text: str, scope: dict[str, Any]) -> str:
    with contextlib.redirect_stdout(io.StringIO()) as printed:
        exec(compile(text, page.name, "exec"), scope)  # the page's own text
    return printed.getvalue()


def _shell(text: str) -> str:
    from typer.testing import CliRunner

    from trainlet.cli.main import app

    said = ""
    for line in text.replace("\\\n", "").splitlines():
        command, *words = shlex.split(line, comments=True) or [""]
        if command == "trainlet":
            result = CliRunner(env={"COLUMNS": "100"}).invoke(app, words)
            if result.exit_code:
                raise RuntimeError(f"{line}\n{result.output}") from result.exception
            said += result.stdout
    lines = (line.rstrip() for line in said.strip("\n").splitlines())
    return "".join(f"{line}\n" for line in lines if not CLOCK.search(line))


def differences(printed: str, found: str, share: float = 0.05) -> list[str]:
    """Lines that differ.  A number may differ by a share of it: compilers differ in code and stack,
    and processors in the last bits of a pretraining.  A share in percent may differ by 10 points.
    """
    a, b = printed.splitlines(), found.splitlines()
    if len(a) != len(b):
        return [f"{len(a)} lines in the page, {len(b)} came out:", *b]
    return [
        f"{x!r} in the page, {y!r} came out" for x, y in zip(a, b, strict=True) if _far(x, y, share)
    ]


def _far(printed: str, found: str, share: float) -> bool:
    words = [re.sub(r"\s+|[─━]+", " ", NUMBER.sub("#", line)).strip() for line in (printed, found)]
    if words[0] != words[1]:
        return True
    for x, y in zip(NUMBER.finditer(printed), NUMBER.finditer(found), strict=True):
        a, b = (float(m[0].replace(",", "")) for m in (x, y))
        percent = printed[x.end() :].lstrip().startswith("%")
        if abs(a - b) > (10 if percent else share * abs(a) + 0.02):
            return True
    return False


@contextlib.contextmanager
def folder(path: Path):
    """Work in this folder, with the tutorials' network and data."""
    before = os.getcwd()
    for network in TUTORIALS.glob("*.tflite"):
        shutil.copy(network, path)
    sys.path.insert(0, str(TUTORIALS))
    os.chdir(path)
    try:
        yield
    finally:
        os.chdir(before)
        sys.path.remove(str(TUTORIALS))


def written(page: Path) -> str:
    """The page with the output that came out in the present folder."""
    came = iter(said for _, said in outputs(page))
    return BLOCK.sub(
        lambda m: m[0] if m[1] != "text" else f"```text\n{next(came)}```", page.read_text()
    )


if __name__ == "__main__":
    for name in sys.argv[1:]:
        page = Path(name).resolve()
        with tempfile.TemporaryDirectory() as empty, folder(Path(empty)):
            text = written(page)
        page.write_text(text)
