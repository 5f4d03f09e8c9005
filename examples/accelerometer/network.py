"""Compiles a small network for motion and writes the Zephyr module trainlet-motion.

python examples/accelerometer/network.py [FOLDER]
"""

import sys
from pathlib import Path

import torch
from torch import nn

import trainlet as tl

SECTIONS = {"arena": ".dtcm_noinit", "state": ".dtcm_noinit"}
"""The tightly coupled memory of the core, by the name that Zephyr's linker script has for it."""


def network() -> nn.Module:
    """64 readings in g along three axes [1,3,64] -> logits [1,6].  Untrained: load your weights."""
    return nn.Sequential(
        nn.Conv1d(3, 16, 5, stride=2, padding=2),
        nn.ReLU(),
        nn.Conv1d(16, 24, 5, stride=2, padding=2),
        nn.ReLU(),
        nn.AdaptiveAvgPool1d(1),
        nn.Flatten(),
        nn.Linear(24, 6),
    ).eval()


def main(folder: Path) -> None:
    example = torch.zeros(1, 3, 64)
    program = tl.compile(network(), example, "bias", target="cortex-m7", prefix="motion")
    print(program.report)
    program.write(folder / "out", sections=SECTIONS)
    module = folder / "trainlet-motion"
    tl.export.write_package(folder / "out", "zephyr", module, parts=["store"])


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "build/accelerometer"))
