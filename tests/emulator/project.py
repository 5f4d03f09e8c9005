"""The hand-written project `linear`, sound or spoilt, and what a run of it gives."""

import shutil
from dataclasses import dataclass
from pathlib import Path

from trainlet.backends.interface import Argument, Interface
from trainlet.backends.toolchain import ARM_GCC
from trainlet.run.device import Device
from trainlet.run.qemu_device import QEMU

LINEAR = Path(__file__).parent / "linear"
INTERFACE = Interface(
    prefix="trainer",
    inputs=(Argument("x", "float", 4), Argument("gain", "int32_t", 1)),
    outputs=(Argument("logits", "float", 3),),
    targets=(Argument("label", "int32_t", 1),),
    blob_bytes=68,
)
SAMPLE = {"x": [1.0, 2.0, -1.0, 0.5], "gain": [2]}
HAS_GCC = shutil.which(ARM_GCC) is not None
HAS_CC = any(map(shutil.which, ("cc", "gcc", "clang")))
HAS_QEMU = shutil.which(QEMU) is not None


def spoilt(folder: Path, variant: str, **defines: int) -> Path:
    """A copy of the project with VARIANT set: OUTSIDE, DEEP, LARGE, ..."""
    shutil.copytree(LINEAR, folder, dirs_exist_ok=True)
    source = folder / "trainer.c"
    lines = [f"#define {name} {value:#x}u" for name, value in defines.items()]
    source.write_text("\n".join([f"#define VARIANT {variant}", *lines, source.read_text()]))
    return folder


@dataclass(frozen=True)
class Run:
    """Everything that must be equal on every device, and what one device measured."""

    results: tuple[object, ...]
    instructions: tuple[int | None, ...]
    stack: int


def run(device: Device) -> Run:
    """Predict, three steps, save, forget, load, predict."""
    results: list[object] = [device.predict(SAMPLE).tobytes()]
    counts = [device.instructions]
    for label in range(3):
        results.append(device.step(SAMPLE, label, 0.1))
        counts.append(device.instructions)
    blob = device.save()
    device.init()
    forgotten = device.predict(SAMPLE).tobytes()
    device.load(blob)
    results += [blob, forgotten, device.predict(SAMPLE).tobytes()]
    return Run(tuple(results), tuple(counts), device.stack_used())
