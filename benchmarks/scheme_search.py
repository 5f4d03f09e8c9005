"""Exact against evolutionary search within the budgets of the 15 published sparse schemes.

    python benchmarks/scheme_search.py [--gains FILE] [--planned] [--networks NAME]

Gains add up, and so does memory by the paper's rule.  A budget is what a published scheme takes by
that rule.  Gains are drawn, or those of a file: {network: {"biases": {k: gain}, "weights":
{"k share": gain}}}.  --planned searches by what compiled trainers need instead, within the RAM of
each published scheme's own trainer.  Writes build/scheme-search.json.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import replace
from pathlib import Path
from time import process_time

import numpy as np

import trainlet as tl
from trainlet.accounting.published.sparse_schemes import SCHEMES, SparseScheme, convolutions
from trainlet.accounting.published.sparse_update import int8_graph, memory
from trainlet.schemes.compiled_cost import CompiledCost
from trainlet.schemes.evolution import evolve
from trainlet.schemes.knapsack import Additive, knapsack
from trainlet.schemes.layers import Choice, layers_of
from trainlet.schemes.planned_search import Budget, first_that_fits
from trainlet.schemes.rule import paper_memory
from trainlet.schemes.study import Study

ROOT = Path(__file__).parents[1]
SEEDS = 3
PRECISION = tl.Int8(gradient="int16")
ROOMY = replace(tl.Target.preset("cortex-m7"), ram=1 << 20, flash=4 << 20)


def main() -> None:
    args = _arguments()
    rows = []
    known = {path.stem: json.loads(path.read_text()) for path in args.gains}
    more = " planned RAM | planned search | plans | s |" if args.planned else ""
    print(f"| network | budget | gains | published | exact | s | evolution | s |{more}")
    for network, schemes in ((name, SCHEMES[name]) for name in args.networks):
        graph = int8_graph(next(iter(schemes.values())).network)
        layers = layers_of(graph, precision=PRECISION)
        costs = paper_memory(graph, layers)
        every = {f"random {k}": drawn(costs, k) for k in range(args.seeds)}
        every |= {name: read(found[network]) for name, found in known.items() if network in found}
        study = Study(graph, *3 * [np.zeros(0)], (), 1, precision=PRECISION)  # type: ignore
        cost = CompiledCost(study, layers, ROOMY) if args.planned else None
        for name, scheme in schemes.items():
            budget, own = 8 * memory(scheme), choice(scheme)
            assert costs.of(own) == budget, (network, name, costs.of(own), budget)
            for kind, gains in every.items():
                row = {"network": network, "scheme": name, "gains": kind, "budget": budget}
                row["published"] = gains.of(own)
                for label, search in (("exact", knapsack), ("evolution", evolve)):
                    start = process_time()
                    found = search(len(layers.body), gains, costs, budget)
                    assert found is not None and costs.of(found) <= budget
                    row[label] = gains.of(found)
                    row[f"{label}_seconds"] = process_time() - start
                assert row["exact"] >= row["evolution"] - 1e-9
                if cost is not None:
                    row |= planned(cost, gains, own)
                rows.append(row)
                print(line(row), flush=True)
    _summary(rows)
    path = ROOT / "build" / "scheme-search.json"
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(rows, indent=1))


def choice(scheme: SparseScheme) -> Choice:
    """A published scheme; every convolution has a bias and a weight."""
    assert max(scheme.weights) < len(convolutions(scheme.network))
    return Choice.of(scheme.biases, scheme.weights.items())


def drawn(costs: Additive, seed: int) -> Additive:
    """Gains that grow with the share, with diminishing returns, and noise as measured ones have."""
    rng = np.random.default_rng(seed)
    size = {number: rng.gamma(1.0, 1.0) for number, _ in costs.weights}
    weights = {
        (number, share): float(size[number] * share**0.4 + rng.normal(0, 0.15))
        for number, share in costs.weights
    }
    steps = rng.gamma(0.5, 0.3, len(costs.biases) - 1)
    biases = dict(zip(sorted(costs.biases), np.cumsum([0, *steps]).tolist(), strict=True))
    return Additive(biases, weights)


def read(found: dict) -> Additive:
    """Gains of a file."""
    pairs = ((name.split(), gain) for name, gain in found["weights"].items())
    weights = {(int(number), float(share)): float(gain) for (number, share), gain in pairs}
    return Additive({int(k): float(g) for k, g in found["biases"].items()}, weights)


def planned(cost: CompiledCost, gains: Additive, own: Choice) -> dict:
    """The best scheme whose trainer needs no more RAM than the published scheme's."""
    ram, _ = cost.planned(own)
    start, plans = process_time(), cost.plans
    found = first_that_fits(cost, gains, Budget(ram=ram))
    row = {
        "ram": ram, "planned": gains.of(found), "planned_ram": cost.planned(found)[0],
        "planned_scheme": [found.biases, found.shares],
        "planned_seconds": process_time() - start, "plans": cost.plans - plans,
    }  # fmt: skip
    assert row["planned_ram"] <= ram and row["planned"] >= gains.of(own) - 1e-9, row
    return row


def line(row: dict) -> str:
    """A row of the table."""
    text = (
        f"| {row['network']} | {row['budget'] / 8192:.1f} KB | {row['gains']} | "
        f"{row['published']:.3f} | {row['exact']:.3f} | {row['exact_seconds']:.2f} | "
        f"{row['evolution']:.3f} | {row['evolution_seconds']:.1f} |"
    )
    if "ram" in row:
        text += f" {row['ram']:,} | {row['planned']:.3f} | "
        text += f"{row['plans']} | {row['planned_seconds']:.0f} |"
    return text


def _summary(rows: list[dict]) -> None:
    equal = sum(row["exact"] - row["evolution"] < 1e-9 for row in rows)
    lost = [100 * (1 - row["evolution"] / row["exact"]) for row in rows]
    exact, other = (
        sum(row[f"{kind}_seconds"] for row in rows) / len(rows) for kind in ("exact", "evolution")
    )
    print(f"{len(rows)} searches: evolution finds the best {equal} times, and on average "
          f"{np.mean(lost):.2f} % less, at most {max(lost):.2f} %; exact {exact:.2f} s, "
          f"evolution {other:.2f} s of one core each")  # fmt: skip


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--gains", nargs="*", type=Path, default=[], help="files of gains")
    parser.add_argument("--seeds", type=int, default=SEEDS, help="how often gains are drawn")
    parser.add_argument("--networks", nargs="+", choices=SCHEMES, default=list(SCHEMES))
    parser.add_argument("--planned", action="store_true", help="search by compiled trainers too")
    return parser.parse_args()


if __name__ == "__main__":
    main()
