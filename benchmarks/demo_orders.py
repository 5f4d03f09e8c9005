"""The demo's lesson with five orders of its clips, in float32 and in int8.

    python benchmarks/demo_orders.py

It runs on this machine, whose build of the C computes the device's bits.
"""

from collections.abc import Iterator

import numpy as np

from trainlet.demo.days import Lived, lived, result_of
from trainlet.demo.personalise import PRECISIONS, bundled_given, compile_device
from trainlet.demo.speech import voices
from trainlet.demo.twin import Twin

ORDERS = 5


def lives(precision: str) -> Iterator[Lived]:
    with compile_device(voices()[1], precision).build("host") as trainer:
        for order in range(ORDERS):
            trainer.reset()
            yield result_of(lived(Twin(trainer), bundled_given(order)))


def main() -> None:
    for precision in PRECISIONS:
        found = list(lives(precision))
        for name in ("before", "learnt", "word_after", "after"):
            shares = [getattr(one, name) for one in found]
            each = ", ".join(f"{a:.1%}" for a in shares)
            print(f"{precision}, {name}: {np.mean(shares):.1%} right ({each})")
        print(f"{precision}: wrong words rolled back {sum(one.rolled_back for one in found)} times",
              flush=True)  # fmt: skip


if __name__ == "__main__":
    main()
