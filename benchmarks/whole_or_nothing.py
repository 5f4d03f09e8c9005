"""What it costs that a step and a load change all or nothing: RAM, or instructions.

With `--data FOLDER` (the published backbones) also the published schemes: all of them in RAM, the
one of MCUNet with 49 KB in instructions.

    python benchmarks/whole_or_nothing.py --data FOLDER
    python benchmarks/whole_or_nothing.py --data FOLDER --instructions
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

import trainlet as tl
from trainlet.accounting.published.sparse_schemes import SCHEMES
from trainlet.demo.personalise import compile_spotter, exported_spotter

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
sys.path.insert(0, str(Path(__file__).parent))


from zoo import NETWORKS

OPTIMISERS = {"SGD": tl.SGD(), "momentum": tl.SGD(momentum=0.9), "Adam": tl.Adam()}
ZOO = [(name, kind, "SGD") for name in ("mlp", "lenet5", "ds_cnn", "resnet8", "mobilenet_v2")
       for kind in ("full", "bias", "last")] + [
       ("ds_cnn", "full", "momentum"), ("ds_cnn", "full", "Adam"), ("mlp", "full", "Adam"),
       ("lenet5", "full", "Adam")]  # fmt: skip
ROOMY = tl.Target("cortex-m7", ram=4 << 20, flash=4 << 20)


def row(what: str, bare: tl.CompiledProgram, kept: tl.CompiledProgram) -> None:
    plans = [max(stage.plan.arena for stage in p.planned) for p in (bare, kept)]
    ram = [bare.arena_bytes + bare.state_bytes, kept.arena_bytes + kept.state_bytes]
    cells = [*plans, kept.arena_bytes, kept.state_bytes, *ram]
    share = f"{100 * (ram[1] / ram[0] - 1):+.1f} %"
    print(f"| {what} | {' | '.join(f'{n:,}' for n in cells)} | {share} |", flush=True)


def both(compiled: Callable[[bool], tl.CompiledProgram]) -> tuple[tl.CompiledProgram, ...]:
    """A program without room for old values, and with it."""
    return tuple(compiled(rollback) for rollback in (False, True))


def spotter(precision: str) -> tuple[tl.CompiledProgram, ...]:
    """The demo's."""
    network = exported_spotter()
    return both(lambda rollback: compile_spotter(network, precision, rollback=rollback))


def published(data: Path, name: str, scheme: str) -> tuple[tl.CompiledProgram, ...]:
    """In int8, with memory enough."""
    graph = tl.load(data / "models" / "mcunet_int8" / f"{name}.npz", classes=10)
    update, precision = SCHEMES[name][scheme].update_scheme, tl.Int8(gradient="int16")
    return both(
        lambda rollback: tl.compile(
            graph, None, update, target=ROOMY, precision=precision, rollback=rollback
        )
    )


def instructions(data: Path | None) -> None:
    """Of a step on the Cortex-M7: without copies of old values, and with them."""
    print("| network, scheme | step without copies | with | |\n|---|--:|--:|--:|")
    programs: dict[str, Callable[[], tuple[tl.CompiledProgram, ...]]]
    programs = {f"demo, {p}": partial(spotter, p) for p in ("int8", "float32")}
    if data:
        programs["mcunet-5fps 49 KB, int8"] = partial(published, data, "mcunet-5fps", "49KB")
    for what, made in programs.items():
        bare, kept = (p.profile("unicorn").instructions_step for p in made())
        share = f"{100 * (kept / bare - 1):+.2f} %"
        print(f"| {what} | {bare:,} | {kept:,} | {share} |", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path)
    parser.add_argument("--instructions", action="store_true")
    asked = parser.parse_args()
    if asked.instructions:
        instructions(asked.data)
        return
    print("| network, scheme | arena without | with old values | in the end | state | RAM without "
          "| RAM | |\n|---|--:|--:|--:|--:|--:|--:|--:|")  # fmt: skip
    for precision in ("int8", "float32"):
        row(f"demo, {precision}", *spotter(precision))
    for name, kind, optimiser in ZOO:
        case = NETWORKS[name](1)
        pair = both(
            lambda rollback, case=case, kind=kind, optimiser=optimiser: tl.compile(
                case.model, case.x, kind, target="host", rollback=rollback,
                optimizer=OPTIMISERS[optimiser],
            )
        )  # fmt: skip
        row(f"{name} {kind}, {optimiser}", *pair)
    for name, schemes in SCHEMES.items() if asked.data else ():
        for scheme in schemes:
            row(f"{name} {scheme}, int8", *published(asked.data, name, scheme))


if __name__ == "__main__":
    main()
