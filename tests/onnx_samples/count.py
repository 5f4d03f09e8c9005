"""Count what becomes of ONNX's own backend tests: `python -m onnx_samples.count` in tests/ writes
`counts.py`, unless one differs."""

from __future__ import annotations

import sys
from collections import Counter
from itertools import chain
from pathlib import Path

from onnx_samples.sample import FILES, REFUSED, SAME, WRONG, of_files, of_operators, outcome

HEAD = '''"""For each group of ONNX's backend tests: how many are equal and refused.

Written by `python -m onnx_samples.count`: the models of files, and the tests of each operator of
which at least one is equal; the others are refused.
"""

COUNTS = {
'''


def main() -> None:
    found: dict[str, Counter[str]] = {}
    for sample in chain(*map(of_files, FILES), of_operators()):
        try:
            what, why = outcome(sample)
        except Exception as error:
            what, why = WRONG, repr(error)
        found.setdefault(sample.group, Counter())[what] += 1
        if what == WRONG:
            print(sample.group, sample.name, why, flush=True)
        elif what == REFUSED:
            print("   ", sample.group, sample.name, why[:150], flush=True)
    if wrong := sum(n[WRONG] for n in found.values()):
        sys.exit(f"{wrong} tests differ: counts.py stays as it was")
    rest = sum(n[REFUSED] for n in found.values() if not n[SAME])
    rows = {g: (n[SAME], n[REFUSED]) for g, n in sorted(found.items()) if n[SAME]}
    rows["other operators"] = (0, rest)
    text = HEAD + "".join(f'    "{g}": {n},\n' for g, n in rows.items()) + "}\n"
    Path(__file__).with_name("counts.py").write_text(text)


if __name__ == "__main__":
    main()
