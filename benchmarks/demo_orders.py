"""The demo's lesson with five orders of its clips, in float32 and in int8 with each gradient.

    python benchmarks/demo_orders.py

It runs on this machine, whose build of the C computes the device's bits.
"""

from dataclasses import replace

import numpy as np

import trainlet as tl
from trainlet.demo.keyword_spotter import LEARNING_RATE, SCHEME
from trainlet.demo.personalise import (
    BUDGET,
    INT8,
    bundled_lesson,
    calibration_clips,
    compare,
    exported_spotter,
)
from trainlet.ops.quantized.precision import GRADIENTS

ORDERS = 5


def main() -> None:
    network, given = exported_spotter(), bundled_lesson()
    ways = {"float32": "float32"} | {
        f"int8, gradients {g}": replace(INT8, gradient=g) for g in GRADIENTS
    }
    for name, precision in ways.items():
        program = tl.compile(
            network,
            None,
            tl.UpdateScheme(SCHEME),
            target=BUDGET,
            precision=precision,
            calibration=None if name == "float32" else [calibration_clips()],
            optimizer=tl.SGD(lr=LEARNING_RATE),
        )
        after = [compare(program, given, "host", k).accuracy_after for k in range(ORDERS)]
        each = ", ".join(f"{a:.1%}" for a in after)
        print(f"{name}: {program.report.ram_bytes:,} bytes; {np.mean(after):.1%} right ({each})")


if __name__ == "__main__":
    main()
