"""Compiles the keyword spotter with its front end and writes the Arduino library trainlet-voice.

python examples/microphone/network.py [FOLDER]
"""

import sys
from pathlib import Path

import torch
from torch import nn

import trainlet as tl
from trainlet.demo.features import DEVIATION, MEAN
from trainlet.demo.keyword_spotter import load_pretrained

SCHEME = {"spotter.classifier.weight": 1.0, "spotter.classifier.bias": 1.0}
NANO = tl.Target("cortex-m4", ram=200 * 1024, flash=900 * 1024)
"""A Nano 33 BLE: 256 KB of RAM and 1 MB of Flash, less what its own code takes."""


class Voice(nn.Module):
    """int16 samples [1,16000] -> logits [1,12] of the demo's words."""

    def __init__(self) -> None:
        super().__init__()
        self.front = tl.features.mfcc(mean=MEAN, deviation=DEVIATION)
        self.spotter = load_pretrained()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.spotter(self.front(x))


def main(folder: Path) -> None:
    samples = torch.zeros(1, 16_000, dtype=torch.int16)
    program = tl.compile(Voice().eval(), samples, SCHEME, target=NANO, prefix="voice")
    print(program.report)
    program.write(folder / "out")
    library = folder / "trainlet-voice"
    tl.export.write_package(folder / "out", "arduino", library, parts=["store", "listen"])


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "build/microphone"))
