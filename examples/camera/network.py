"""Compiles a small network for a camera and writes the ESP-IDF component trainlet-eye.

python examples/camera/network.py [FOLDER]
"""

import sys
from pathlib import Path

import torch
from torch import nn

import trainlet as tl


def network() -> nn.Module:
    """Grey pixels between -1 and 1 [1,1,96,96] -> logits [1,3].  Untrained: load your weights."""
    return nn.Sequential(
        nn.Conv2d(1, 8, 3, stride=2, padding=1),
        nn.ReLU(),
        nn.Conv2d(8, 8, 3, stride=2, padding=1, groups=8),
        nn.Conv2d(8, 16, 1),
        nn.ReLU(),
        nn.Conv2d(16, 16, 3, stride=2, padding=1, groups=16),
        nn.Conv2d(16, 32, 1),
        nn.ReLU(),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(32, 3),
    ).eval()


def main(folder: Path) -> None:
    example = torch.zeros(1, 1, 96, 96)
    program = tl.compile(network(), example, "last", target="host", prefix="eye", stream=True)
    print(program.report)
    program.write(folder / "out")
    component = folder / "trainlet-eye"
    tl.export.write_package(folder / "out", "esp-idf", component, parts=["esp-idf"])


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "build/camera"))
