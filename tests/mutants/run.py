"""Plants every fault in a copy of the project and runs the tests that must notice: `make mutants`.

First the tests run without a fault, so that none fails for another reason.
"""

from __future__ import annotations

import argparse
import os
import shlex
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from queue import SimpleQueue

from mutants.mutant import Mutant, mutants

ROOT = Path(__file__).parents[2]
COPIED = ("src", "tests", "demo", "docs", "pyproject.toml", "README.md", "LICENSE")
SECONDS = 900
PASSED, FAILED = 0, 1


def copy(folder: Path) -> Path:
    """The project, but for what nobody tests."""
    for name in COPIED:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
        elif source.exists():
            shutil.copy(source, folder / name)
    return folder


def run_tests(project: Path, words: str) -> tuple[int, str]:
    """pytest's exit status and the end of what it says."""
    command = [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider",
               "-p", "no:xdist", *shlex.split(words)]  # fmt: skip
    environment = {**os.environ, "PYTHONPATH": str(project / "src"), "OMP_NUM_THREADS": "1",
                   "PYTHONDONTWRITEBYTECODE": "1"}  # fmt: skip
    try:
        done = subprocess.run(command, cwd=project, env=environment, timeout=SECONDS,
                              capture_output=True, text=True)  # fmt: skip
    except subprocess.TimeoutExpired:
        return FAILED, f"no end within {SECONDS} s"
    return done.returncode, "\n".join(done.stdout.splitlines()[-4:])


def verdict(project: Path, mutant: Mutant) -> tuple[str, str]:
    """One of caught, escaped, stale and broken (the tests cannot be run), and why."""
    path = project / mutant.file
    sound = path.read_text()
    try:
        path.write_text(mutant.planted(sound))
    except ValueError as error:
        return "stale", str(error)
    try:
        status, said = run_tests(project, mutant.tests)
    finally:
        path.write_text(sound)
    known = {PASSED: "escaped", FAILED: "caught"}
    return known.get(status, "broken"), said


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--only", default="", help="part of a file's name or of an area's")
    parser.add_argument("--trust", action="store_true", help="not the tests without a fault")
    given = parser.parse_args()
    chosen = [m for m in mutants() if given.only in f"{m.area} {m.file} {m.why}"]
    with ExitStack() as stack:
        copies: SimpleQueue[Path] = SimpleQueue()
        for _ in range(given.jobs):
            folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="mutants-"))
            copies.put(copy(Path(folder)))

        def sound(words: str) -> tuple[str, str]:
            project = copies.get()
            try:
                status, said = run_tests(project, words)
            finally:
                copies.put(project)
            return ("sound" if status == PASSED else "failing without a fault"), said

        def judged(mutant: Mutant) -> tuple[str, str]:
            project = copies.get()
            try:
                return verdict(project, mutant)
            finally:
                copies.put(project)

        with ThreadPoolExecutor(given.jobs) as pool:
            words = [] if given.trust else list(dict.fromkeys(m.tests for m in chosen))
            bad = report(words, pool.map(sound, words), "sound")
            bad |= report([str(m) for m in chosen], pool.map(judged, chosen), "caught")
    raise SystemExit(bad)


def report(names: Sequence[str], found, wanted: str) -> bool:
    """Print each as it is known, and the counts; whether one is not as wanted."""
    counts: Counter[str] = Counter()
    for name, (result, said) in zip(names, found, strict=True):
        counts[result] += 1
        print(f"{result:8} {name}", flush=True)
        if result != wanted:
            print(said, flush=True)
    if counts:
        print(", ".join(f"{n} {result}" for result, n in counts.items()), flush=True)
    return not set(counts) <= {wanted}


if __name__ == "__main__":
    main()
