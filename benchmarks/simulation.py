"""Steps a second: the simulation against the NumPy oracle and the C on this machine.

One step is one batch of one experiment; the best of some rounds, since the machine may be busy.

    python benchmarks/simulation.py [--experiments 1 8 32] [--gradients int8] [--threads 1]
        [--device cpu] [--mcunet mcunet-5fps.npz]

prints a table, writes build/simulation.json.  DS-CNN is the tests'; MCUNet-5FPS learns with the
published scheme of 49 KB.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable
from pathlib import Path
from time import perf_counter

import numpy as np
import torch
from rich.console import Console
from rich.table import Table

import trainlet as tl
from trainlet.run.simulated import OracleDevice

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "tests"))

from int8 import networks  # noqa: E402

ROUNDS = 3
RATE = 0.001


def best_rate(step: Callable[[], object], steps: int, seconds: float) -> float:
    """Steps a second in the best round; `step` makes so many at once."""
    step()
    rates = []
    for _ in range(ROUNDS):
        start, calls = perf_counter(), 0
        while not calls or perf_counter() - start < seconds / ROUNDS:
            step()
            calls += 1
        rates.append(calls * steps / (perf_counter() - start))
    return max(rates)


def measure(program: tl.CompiledProgram, x: np.ndarray, args: argparse.Namespace) -> dict:
    """Steps a second by what computes them."""
    rng = np.random.default_rng(0)
    classes = program.graph.outputs["logits"].type.shape[-1]
    label = rng.integers(0, classes, len(x))
    found = {}
    with program.build("host") as trainer:
        found["host C"] = best_rate(lambda: trainer.step(x, label, RATE), 1, args.seconds)
    oracle = tl.Trainer(program, OracleDevice(program))
    found["oracle"] = best_rate(lambda: oracle.step(x, label, RATE), 1, args.seconds)
    for many in args.experiments:
        simulation = tl.simulate(program, many, args.device)
        xs = rng.standard_normal((many, *x.shape), np.float32)
        ys = rng.integers(0, classes, (many, len(x)))

        def step(run: tl.Simulation = simulation, xs: np.ndarray = xs, ys: np.ndarray = ys) -> None:
            run.step(xs, ys, RATE)

        found[f"simulation of {many}"] = best_rate(step, many, args.seconds)
    return found


def main() -> None:
    args = _arguments()
    torch.set_num_threads(args.threads)
    if args.mcunet:
        networks.MCUNET = args.mcunet
    rows = []
    for name in ("ds_cnn", "mcunet"):
        if name == "mcunet" and not networks.MCUNET.exists():
            print(f"{networks.MCUNET} not found: MCUNet is left out; --mcunet says where it is")
            continue
        for gradient in args.gradients:
            program, x = networks.program(name, "host", tl.Int8(gradient=gradient))
            rows.append({"network": name, "gradient": gradient, **measure(program, x, args)})
    table = Table(title=f"steps a second, {args.threads} threads, {args.device}")
    for column in rows[0]:
        table.add_column(column)
    for row in rows:
        table.add_row(*(f"{v:.0f}" if isinstance(v, float) else v for v in row.values()))
    Console().print(table)
    path = ROOT / "build" / "simulation.json"
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(rows, indent=1))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--experiments", type=int, nargs="+", default=[1, 8, 32])
    parser.add_argument("--gradients", nargs="+", default=["float32", "int16", "int8"])
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=6, help="for each figure")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--mcunet", type=Path, help="the published backbone")
    return parser.parse_args()


if __name__ == "__main__":
    main()
