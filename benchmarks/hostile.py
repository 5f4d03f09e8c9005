"""Damaged and dishonest files: how many an error of Trainlet's refuses, and what else comes.

python benchmarks/hostile.py 100            so many of each kind; prints the documentation's table
python benchmarks/hostile.py 100 --seed 2   other ones

Each is read in a child of little memory and little time; a network is also compiled, and a trainer
takes the data and the states.  What ends in an exception of others, or ends the child, is kept in
build/hostile/, and the command exits with 1.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections import Counter
from pathlib import Path

import trainlet as tl

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "tests"))

from hostile.limited import outcome  # noqa: E402
from hostile.mutations import mutants  # noqa: E402
from hostile.ways_in import READERS, write_good  # noqa: E402

BAD = ROOT / "build" / "hostile"


def compiled(path: Path) -> None:
    """A network's file, up to the C."""
    with tempfile.TemporaryDirectory() as folder:
        tl.compile(path, None, "last", target="host").write(Path(folder) / "trainer")


def tried(kind: str, good: bytes, count: int, seed: int, folder: Path) -> dict[str, Counter[str]]:
    """By mutation: how often each outcome came."""
    read = compiled if kind == "pt2" else READERS[kind]
    found: dict[str, Counter[str]] = {}
    path = folder / f"mutant.{kind}"
    for k, (way, content) in enumerate(mutants(kind, good, count, seed)):
        path.write_bytes(content)
        text = outcome(lambda: read(path))
        word = "error" if text.split(":")[0].endswith("Error") else text.split()[0]
        if word in ("FOREIGN", "DIED"):
            BAD.mkdir(parents=True, exist_ok=True)
            (BAD / f"{seed}-{k}.{kind}").write_bytes(content)
            print(f"{seed}-{k}.{kind} ({way}): {text[:300]}", flush=True)
        found.setdefault(way, Counter())[word] += 1
    return found


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("count", type=int, nargs="?", default=100)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    words = ("error", "accepted", "FOREIGN", "DIED")
    rows, worst = [], 0
    with tempfile.TemporaryDirectory() as folder:
        goods = {kind: path.read_bytes() for kind, path in write_good(Path(folder)).items()}
        goods |= _tflite()
        for kind, good in goods.items():
            for way, counts in tried(kind, good, given.count, given.seed, Path(folder)).items():
                rows.append((f".{kind}", way, *(counts[word] for word in words)))
                worst += counts["FOREIGN"] + counts["DIED"]
    print("| file | changed | refused | accepted | other exception | crash, or out of limits |")
    print("|---|---|---|---|---|---|")
    for row in rows:
        print(f"| {' | '.join(map(str, row))} |")
    return 1 if worst else 0


def _tflite() -> dict[str, bytes]:
    """One, where the schema is installed."""
    try:
        from litert.test_damage import small
    except BaseException:  # pytest's Skipped is no Exception
        return {}
    return {"tflite": small()}


if __name__ == "__main__":
    sys.exit(main())
