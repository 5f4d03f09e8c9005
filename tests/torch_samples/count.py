"""Count what becomes of torch's samples: `python -m torch_samples.count` in tests/ writes
`counts.py`.

An operator counts as known where a sample of it trains.  Where one differs, nothing is written.
"""

from __future__ import annotations

import logging
import sys
import warnings
from collections import Counter
from pathlib import Path

import torch
from torch.testing._internal.common_methods_invocations import op_db

from torch_samples.sample import REFUSED, SAME, SKIPPED, WRONG, outcome, samples

HEAD = '''"""For each operator of torch's samples: how many are equal, refused, and left out.

Written by `python -m torch_samples.count`.  Left out are samples that torch cannot export or
differentiate, and those whose result is not finite, not float32 or empty.
"""

COUNTS = {
'''


def main() -> None:
    warnings.simplefilter("ignore")
    logging.disable(logging.WARNING)
    torch.set_num_threads(1)
    rows, wrong = [], 0
    for op in op_db:
        if torch.float32 not in op.dtypes:
            continue
        name = f"{op.name}.{op.variant_test_name}".rstrip(".")
        torch.manual_seed(0)
        try:
            every = samples(op)
        except Exception as error:  # a sample that this machine cannot make
            print(name, type(error).__name__, error)
            continue
        found = Counter[str]()
        for sample in every:
            try:
                what, why = outcome(op, sample)
            except Exception as error:
                what, why = WRONG, repr(error)
            found[what] += 1
            if what == WRONG:
                print(name, why, flush=True)
        wrong += found[WRONG]
        if found[SAME]:
            rows.append(f"    {name!r}: ({found[SAME]}, {found[REFUSED]}, {found[SKIPPED]}),\n")
    if wrong:
        sys.exit(f"{wrong} samples differ: counts.py stays as it was")
    text = HEAD + "".join(sorted(rows)).replace("'", '"') + "}\n"
    Path(__file__).with_name("counts.py").write_text(text)


if __name__ == "__main__":
    main()
