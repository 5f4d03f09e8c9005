"""500 random update schemes of MCUNet-5FPS, ranked by an estimate; some of them planned in full.

    python benchmarks/rank_schemes.py --data FOLDER

The network is differentiated once.  Of each scheme the rest of the training step is made, and its
arena estimated from one order.  A sample is then planned in full, with tiles.  Times are seconds of
one core.  The rank correlation is Spearman's, between estimates and planned arenas.
"""

from __future__ import annotations

import argparse
import random
from pathlib import Path
from time import process_time

import numpy as np

import trainlet as tl
from trainlet.frontends.losses import objective_of
from trainlet.ir.graph import Graph
from trainlet.passes.training import differentiate_once, step_of_scheme
from trainlet.planning.estimate import estimate_tiled
from trainlet.planning.order.best_order import find_order
from trainlet.planning.tiles.tiled import plan_in_tiles

ROOT = Path(__file__).parents[1]
HEAD = {"classifier.weight": 1.0, "classifier.bias": 1.0}
PRECISION = tl.Int8(gradient="int16")


def drawn(graph: Graph, rng: random.Random) -> tl.UpdateScheme:
    """The biases of the last layers, and shares of the weights of some layers."""
    layers = [n.name for n in graph.nodes() if n.op in ("conv2d_i8", "depthwise_i8")]
    ratios = {f"{name}.bias": 1.0 for name in layers[-rng.randrange(8, 40) :]}
    chosen = rng.sample(layers[10:], rng.randrange(2, 9))
    ratios |= {f"{name}.weight": rng.choice([0.125, 0.25, 0.5, 1.0]) for name in chosen}
    return tl.UpdateScheme({**ratios, **HEAD})


def ranks(values: list[int]) -> np.ndarray:
    """The rank of each value, equal ones with the mean of theirs."""
    array = np.array(values)
    return np.array([(array < v).sum() + ((array == v).sum() - 1) / 2 for v in array])


def main() -> None:
    """Draw, rank, plan, print."""
    parser = argparse.ArgumentParser(description="Rank update schemes.")
    parser.add_argument("--data", type=Path, default=ROOT.parent / "shared" / "data")
    parser.add_argument("--schemes", type=int, default=500)
    parser.add_argument("--planned", type=int, default=20)
    asked = parser.parse_args()
    graph = tl.load(asked.data / "models" / "mcunet_int8" / "mcunet-5fps.npz", classes=10)
    rng = random.Random(0)
    schemes = [drawn(graph, rng) for _ in range(asked.schemes)]
    start = process_time()
    every = tl.UpdateScheme({name: 1.0 for each in schemes for name in each.ratios})
    whole = differentiate_once(graph, every, objective_of("cross_entropy").losses, PRECISION)

    def step(scheme: tl.UpdateScheme) -> Graph:
        return step_of_scheme(whole, scheme, tl.SGD(), PRECISION)

    estimates = [estimate_tiled(step(scheme)) for scheme in schemes]
    print(f"{len(schemes)} schemes ranked in {process_time() - start:.1f} s")
    arenas, seconds = [], []
    for scheme in schemes[: asked.planned]:
        start = process_time()
        graph = step(scheme)
        found = find_order(graph)
        arenas.append(plan_in_tiles(graph, found.order, None, found.bound).arena)
        seconds.append(process_time() - start)
    print("| estimate | arena | s |\n|---:|---:|---:|")
    for row in zip(estimates, arenas, seconds, strict=False):
        print("| {:,} | {:,} | {:.2f} |".format(*row))
    agreed = np.corrcoef(ranks(estimates[: len(arenas)]), ranks(arenas))[0, 1]
    print(f"rank correlation {agreed:.2f}; slowest full plan {max(seconds):.2f} s")


if __name__ == "__main__":
    main()
