"""What the optimisation level of an IDE costs: instructions and Flash of the demo's network.

python benchmarks/ide_flags.py

The bits are the same with every level (tests/compilers); this counts on an emulated core, compiled
with arm-none-eabi-gcc or zig, whichever is found.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch
from rich.console import Console
from rich.table import Table

import trainlet as tl
from trainlet.backends import toolchain
from trainlet.demo.keyword_spotter import SCHEME, load_pretrained
from trainlet.demo.personalise import calibration_clips
from trainlet.demo.speech import bundled

LEVELS = ("-O3", "-O2", "-Os")
CORES = ("cortex-m4", "cortex-m7")


def main() -> None:
    clips, network = bundled("new"), load_pretrained().eval()
    shown = calibration_clips()
    x, label = clips.features[:1], clips.label[:1]
    bare = toolchain.BARE
    table = Table("core", "precision", "level", "step", "prediction", "Flash",
                  title="instructions in millions, Flash in bytes")  # fmt: skip
    for core in CORES:
        for precision in ("float32", "int8"):
            answers = []
            calibration = [shown] if precision == "int8" else None
            program = tl.compile(
                network, torch.zeros(1, 1, 49, 10), SCHEME, target=core, precision=precision,
                calibration=calibration,
            )  # fmt: skip
            for level in LEVELS:
                toolchain.BARE = (level, *bare[1:])
                with program.build("unicorn") as trainer:
                    trainer.step(x, label)
                    step = trainer.instructions
                    answers.append(trainer.predict(x))
                    predicted = trainer.instructions
                assert step and predicted
                firmware = replace(program).firmware  # compiled anew
                assert firmware is not None
                flash = firmware.flash_bytes
                table.add_row(core, precision, level, f"{step / 1e6:.1f}",
                              f"{predicted / 1e6:.1f}", f"{flash:,}")  # fmt: skip
            assert all(np.array_equal(answers[0], one) for one in answers)
    toolchain.BARE = bare
    Console(width=100).print(table)


if __name__ == "__main__":
    main()
