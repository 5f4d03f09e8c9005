"""A training step in WebAssembly, with and without SIMD, and the same C on this machine.

    python benchmarks/wasm.py [--steps 200] [--network ds_cnn]

Needs Node.  Each row is one network of tests/zoo, trained in full with batch 1; the losses of all
variants are compared, bit for bit.
"""

from __future__ import annotations

import argparse
import sys
import time
from functools import partial
from pathlib import Path
from unittest.mock import patch

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

import trainlet as tl
from trainlet.backends import toolchain
from trainlet.backends.wasm import project
from zoo import NETWORKS

CASES = [("ds_cnn", "float32"), ("ds_cnn", "int8"), ("mcunet_like", "float32"),
         ("mcunet_like", "int8"), ("resnet8", "int8")]  # fmt: skip
PLAIN = tuple(word.replace("+simd128", "") for word in toolchain.WASM)
VARIANTS = {
    "host": (("reference",), toolchain.WASM),
    "scalar": (("reference",), PLAIN),
    "SIMD": (("reference",), toolchain.WASM),
    "SIMD, Cortex-M kernels": (("cortex_m", "reference"), toolchain.WASM),
}


def chosen(kernels: tuple[str, ...], _: object) -> tuple[str, ...]:
    return kernels


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--steps", type=int, default=200)
    parser.add_argument("--network", choices=list(dict.fromkeys(name for name, _ in CASES)))
    asked = parser.parse_args()
    steps = asked.steps
    print(f"{'network':24}" + "".join(f"{name:>26}" for name in VARIANTS) + "   ms a step (KB)")
    for name, precision in CASES:
        if asked.network not in (None, name):
            continue
        case, rng = NETWORKS[name](1), np.random.default_rng(0)
        batches = [rng.normal(size=case.x.shape).astype(np.float32) for _ in range(4)]
        cells, losses = [], set[float]()
        program = tl.compile(
            case.model, case.x, "full", target="wasm", precision=precision, check=False,
            calibration=batches if precision == "int8" else None,
        )  # fmt: skip
        for variant, (kernels, flags) in VARIANTS.items():
            with (
                patch.object(toolchain, "WASM", flags),
                patch.object(project, "_kernels", partial(chosen, kernels)),
            ):
                trainer = program.build("host" if variant == "host" else "node")
            size = 0
            with trainer:
                if variant != "host":
                    size = len(trainer.device.module) // 1024
                x, y = case.x.numpy(), case.y.numpy()
                for _ in range(steps // 4):
                    trainer.step(x, y)
                best = np.inf
                for _ in range(steps):
                    start = time.perf_counter()
                    loss = trainer.step(x, y)
                    best = min(best, time.perf_counter() - start)
                losses.add(loss)
            cells.append(f"{1000 * best:.2f}" + (f" ({size})" if size else ""))
        assert len(losses) == 1, losses
        print(f"{name + ' ' + precision:24}" + "".join(f"{cell:>26}" for cell in cells), flush=True)


if __name__ == "__main__":
    main()
