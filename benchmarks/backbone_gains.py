"""Measured gains of the published int8 backbones, and schemes chosen by them.

    python benchmarks/backbone_gains.py --data FOLDER [--networks mcunet-5fps] [--each 20]

In the device's bits a backbone learns to tell four speed limits apart (GTSRB, enlarged to 128x128),
in one pass with batch 1; the head learns ten times faster.  Measured are the weights that any of
the network's published schemes trains, at 1/4 and all of their channels, and the biases that their
gradients pass; gains of other shares are interpolated.  With these gains a search has the RAM of
the planned trainer of a published scheme, and both schemes learn for real, with other pictures to
test.  Writes build/gains.json, for benchmarks/scheme_search.py --gains, and
build/backbone-gains.json, and keeps every measurement beside them.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import replace
from pathlib import Path
from time import process_time

import numpy as np
import torch
from PIL import Image
from scheme_search import PRECISION, ROOMY, choice

import trainlet as tl
from trainlet.accounting.published.sparse_schemes import SCHEMES
from trainlet.run.dataset import Dataset
from trainlet.schemes.contribution import Contribution, contribution
from trainlet.schemes.gains import at_best
from trainlet.schemes.knapsack import Additive
from trainlet.schemes.layers import Choice
from trainlet.schemes.measure import measure
from trainlet.schemes.planned_search import Budget, first_that_fits
from trainlet.schemes.study import Episode, runs_of

SIDE, SIGNS = 128, (1, 2, 4, 5)
"""Speed limits of 30, 50, 70 and 80 km/h."""
EACH, TESTED = 20, 20
"""Pictures of a sign: to learn from, and to validate or test on."""
RATES, HEAD = (0.0003, 0.001, 0.003), 10.0
MEASURED, SHARES = (0.25, 1.0), (0.125, 0.25, 0.5, 1.0)
SEEDS = 2


def main() -> None:
    args = _arguments()
    torch.set_num_threads(1)
    args.build.mkdir(exist_ok=True)
    rows, gains = [], dict[str, dict]()
    for network in args.networks:
        start = process_time()
        found = measured(network, args)
        own = additive(found, network)
        gains[network] = {
            "biases": own.biases,
            "weights": {f"{k} {share!r}": gain for (k, share), gain in own.weights.items()},
        }
        print(f"{network}: {len(found.measurements.known)} measurements", flush=True)
        for name in args.schemes or list(SCHEMES[network])[2:3]:
            row = {"network": network, **compared(found, own, network, name, args)}
            rows.append({**row, "seconds": process_time() - start})
            print(line(rows[-1]), flush=True)
        (args.build / "gains.json").write_text(json.dumps(gains, indent=1))
        (args.build / "backbone-gains.json").write_text(json.dumps(rows, indent=1))


def pictures(data: Path, part: str, first: int, each: int) -> Dataset:
    """So many of each sign, from the given one on."""
    file = np.load(data / "gtsrb_32.npz", allow_pickle=False)
    label = file[f"{part}_label"]
    order = np.random.default_rng(0)
    drawn = [order.permutation(np.flatnonzero(label == sign)) for sign in SIGNS]
    rows = np.concatenate([own[first : first + each] for own in drawn])
    images = map(Image.fromarray, file[f"{part}_image"][rows])
    x = np.stack([np.asarray(image.resize((SIDE, SIDE))) for image in images])
    x = np.ascontiguousarray(x.transpose(0, 3, 1, 2).astype(np.float32) / 127.5 - 1)
    return Dataset(x, np.searchsorted(SIGNS, label[rows]).astype(np.int32))


def measured(network: str, args: argparse.Namespace) -> Contribution:
    """The head alone, biases, and weights with the biases that their gradients pass."""
    learn = pictures(args.data, "train", 0, args.each)
    file = args.data / "models" / "mcunet_int8" / f"{network}.npz"
    found = contribution(
        tl.load(file, classes=len(SIGNS)),
        [Episode(learn, pictures(args.data, "train", args.each, TESTED))],
        precision=PRECISION, optimizer=tl.SGD(groups={"classifier.*": HEAD}), rates=RATES, epochs=1,
        seeds=SEEDS, file=args.build / f"gains-{network}.measured.jsonl", jobs=1, measure=False,
    )  # fmt: skip
    parts = [(k, share) for k in trained(network) for share in MEASURED]
    reached = {k: found.layers.reaching(k) for k in trained(network)}
    choices = [Choice(), *map(Choice, sorted(reached.values()))]
    choices += [Choice.of(reached[k], [(k, share)]) for k, share in parts]
    found.measurements.make(choices)
    return found


def trained(network: str) -> list[int]:
    """The convolutions whose weights a published scheme trains."""
    shares = [part for scheme in SCHEMES[network].values() for part in scheme.weights.items()]
    return sorted({number for number, share in shares if share})


def additive(found: Contribution, network: str) -> Additive:
    """The gains; those of shares that were not measured lie on lines between those that were, and
    0."""
    alone = found.accuracy(Choice()).mean()
    biases, weights = {0: 0.0}, dict[tuple[int, float], float]()
    for number in trained(network):
        reached = found.layers.reaching(number)
        base = found.accuracy(Choice(reached)).mean()
        biases[reached] = float(base - alone)
        with_weight = (Choice.of(reached, [(number, share)]) for share in MEASURED)
        own = [0.0, *(float(found.accuracy(c).mean() - base) for c in with_weight)]
        for share in SHARES:
            weights[number, share] = float(np.interp(share, [0, *MEASURED], own))
    return Additive(biases, weights)


def compared(
    found: Contribution, gains: Additive, network: str, name: str, args: argparse.Namespace
) -> dict:
    """A published scheme and the one that a search chooses within the RAM of its trainer."""
    cost, published = found.cost(ROOMY), choice(SCHEMES[network][name])
    ram = cost.planned(published)[0]
    start = process_time()
    searched = first_that_fits(cost, gains, Budget(ram=ram))
    row: dict = {"scheme": name, "ram": ram, "seconds_searching": process_time() - start}
    for kind, own in (("published", published), ("searched", searched)):
        row[kind] = {
            "ram": cost.planned(own)[0], "biases": own.biases, "shares": own.shares,
            "gain": gains.of(own), **tested(found, own, args),
        }  # fmt: skip
    assert row["searched"]["ram"] <= ram and row["searched"]["gain"] >= row["published"]["gain"]
    return row


def tested(found: Contribution, own: Choice, args: argparse.Namespace) -> dict:
    """The accuracies of a scheme on other pictures, at the rate that validation chose."""
    learn = pictures(args.data, "train", 0, args.each)
    test = pictures(args.data, "test", 0, TESTED)
    found.measurements.make([own])
    x, y, runs = runs_of([Episode(learn, test)], SEEDS)
    study = replace(found.measurements.study, x=x, y=y, runs=runs, rates=(found.rate(own),))
    reached = at_best(measure(study, own.scheme(found.layers)))
    return {
        "rate": found.rate(own), "validation": float(found.accuracy(own).mean()),
        "test": reached.tolist(),
    }  # fmt: skip


def line(row: dict) -> str:
    """A row of the table: gains in points, accuracies in percent."""
    cells = [row["network"], row["scheme"], f"{row['ram']:,}", f"{row['searched']['ram']:,}"]
    for what in ("gain", "validation", "test"):
        cells += [f"{100 * np.mean(row[kind][what]):.1f}" for kind in ("published", "searched")]
    return f"| {' | '.join(cells)} | {row['seconds']:.0f} |"


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="the folder of the data sets")
    parser.add_argument("--networks", nargs="+", choices=SCHEMES, default=list(SCHEMES))
    parser.add_argument("--schemes", nargs="+", help="default: that of 98 or 99 KB")
    parser.add_argument("--each", type=int, default=EACH, help="pictures of a sign to learn from")
    parser.add_argument("--build", type=Path, default=Path("build"))
    return parser.parse_args()


if __name__ == "__main__":
    main()
