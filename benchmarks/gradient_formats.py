"""Gradients in float32, int16 and int8: how close they are, and what a step takes.

Prints the tables of docs/int8-training.md: the smallest correlation of any parameter's gradient
with the float32 gradient of the same network; the RAM of the int8 trainer of DS-CNN; and the
instructions of a step of DS-CNN with every parameter trained, on a core without an FPU and on one
with it.  MCUNet-5FPS is measured where the tests find its file.

    python benchmarks/gradient_formats.py
"""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from int8.networks import MCUNET
from int8.test_integer_gradients import compiled, correlations, task
from memory.test_int8_ram import float32_bytes, int8_bytes

GRADIENTS = ("float32", "int16", "int8")
BITS = (0, 4, 8)


def closeness() -> None:
    """The smallest correlation of any parameter's gradient."""
    print("| network | int16 | int8 |\n|---|---|---|")
    for name in ("ds_cnn", "resnet8", "mobilenet_v1", *(["mcunet"] if MCUNET.exists() else [])):
        least = (min(correlations(name, gradient).values()) for gradient in GRADIENTS[1:])
        print(f"| {name} | {' | '.join(f'{value:.5f}' for value in least)} |", flush=True)


def ram() -> None:
    """Arena, parameters, state and stack of the trainer of tests/memory/test_int8_ram.py."""
    whole = float32_bytes()
    print(f"\nfloat32 network: {whole:,} bytes\n")
    print("| gradient | extra bits | bytes | share of float32 |\n|---|---|---|---|")
    for gradient in GRADIENTS:
        sizes = [int8_bytes(gradient, bits) for bits in BITS]
        shown = " / ".join(f"{size:,}" for size in sizes)
        shares = " / ".join(f"{size / whole:.2f}" for size in sizes)
        print(f"| {gradient} | {' / '.join(map(str, BITS))} | {shown} | {shares} |", flush=True)


def instructions() -> None:
    """Of one step of DS-CNN, everything trained."""
    print(f"\n| core | {' | '.join(GRADIENTS)} |\n|---|---|---|---|")
    for core in ("cortex-m0plus", "cortex-m7"):
        counts = []
        for gradient in GRADIENTS:
            with compiled("ds_cnn", gradient, core).build("unicorn") as trainer:
                trainer.step(task("ds_cnn").x, task("ds_cnn").y)
                counts.append(f"{(trainer.instructions or 0) / 1e6:,.1f} M")
        print(f"| {core} | {' | '.join(counts)} |", flush=True)


if __name__ == "__main__":
    closeness()
    ram()
    instructions()
