"""What it costs that a step and a load change all or nothing: arenas with old values and without.

With `--data FOLDER` (the published backbones) also the three published 49 KB schemes.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import trainlet as tl
from trainlet.demo.personalise import compile_spotter, exported_spotter

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
sys.path.insert(0, str(Path(__file__).parent))

from published_schemes import SCHEMES

from zoo import NETWORKS

OPTIMISERS = {"SGD": tl.SGD(), "momentum": tl.SGD(momentum=0.9), "Adam": tl.Adam()}
ZOO = [(name, kind, "SGD") for name in ("mlp", "lenet5", "ds_cnn", "resnet8", "mobilenet_v2")
       for kind in ("full", "bias", "last")] + [
       ("ds_cnn", "full", "momentum"), ("ds_cnn", "full", "Adam"), ("mlp", "full", "Adam"),
       ("lenet5", "full", "Adam")]  # fmt: skip
ROOMY = tl.Target("cortex-m7", ram=4 << 20, flash=4 << 20)


def row(what: str, bare: tl.CompiledProgram, kept: tl.CompiledProgram) -> None:
    plans = [max(stage.plan.arena for stage in p.stages) for p in (bare, kept)]
    ram = [plans[0] + bare.state_bytes, kept.arena_bytes + kept.state_bytes]
    cells = [*plans, kept.arena_bytes, kept.state_bytes, *ram]
    share = f"{100 * (ram[1] / ram[0] - 1):+.1f} %"
    print(f"| {what} | {' | '.join(f'{n:,}' for n in cells)} | {share} |", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path)
    data = parser.parse_args().data
    print("| network, scheme | arena without | with old values | in the end | state | RAM without "
          "| RAM | |\n|---|--:|--:|--:|--:|--:|--:|--:|")  # fmt: skip
    for precision in ("int8", "float32"):
        network = exported_spotter()
        both = (compile_spotter(network, precision, rollback=r) for r in (False, True))
        row(f"demo, {precision}", *both)
    for name, kind, optimiser in ZOO:
        case = NETWORKS[name](1)
        bare, kept = (
            tl.compile(case.model, case.x, kind, target="host", rollback=rollback,
                       optimizer=OPTIMISERS[optimiser])
            for rollback in (False, True)
        )  # fmt: skip
        row(f"{name} {kind}, {optimiser}", bare, kept)
    for name in SCHEMES if data else ():
        graph = tl.load(data / "models" / "mcunet_int8" / f"{name}.npz", classes=10)  # type: ignore[operator]
        scheme = SCHEMES[name]["49KB"].of(graph)
        bare, kept = (
            tl.compile(graph, None, scheme, target=ROOMY, precision=tl.Int8(gradient="int16"),
                       rollback=rollback)
            for rollback in (False, True)
        )  # fmt: skip
        row(f"{name} 49 KB, int8", bare, kept)


if __name__ == "__main__":
    main()
