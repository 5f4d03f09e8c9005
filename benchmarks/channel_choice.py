"""What the choice of channels is worth: python benchmarks/channel_choice.py --data FOLDER

A network that knows the activities of other people's phones learns those of a new person's watch:
the head, the biases and a share of the input channels of the last two convolutions, in float32,
batch 1, 16 windows an activity, 5 passes.  Every choice trains as many channels at the same memory.
Validation people choose the rate of each row, other people test it.  Fisher looks at what the
person's device learns from; random is drawn anew for each seed.
Writes BUILD/bench-channels.json and prints the table of docs/schemes.md.
"""

from __future__ import annotations

import argparse
import json
from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import torch
from int8.activity import activity
from int8.learning import Run, learner
from int8.task import Episode, Task
from torch import nn

import trainlet as tl

EACH, SEEDS, VALIDATED = 16, 2, 1
SHARES = (0.125, 0.25, 0.5)
RULES = ("leading", "norm", "fisher", "random")
RATES = (0.01, 0.03, 0.1, 0.3)
Table = dict[str, dict[str, list[list[float]]]]
"""Of each row and rate, the accuracies [seed][person]."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="folder with the data sets")
    parser.add_argument("--build", type=Path, default=Path("build"), help="where results go")
    parser.add_argument("--rates", type=float, nargs="+", default=RATES, help="to choose among")
    parser.add_argument("--shares", type=float, nargs="+", default=SHARES)
    args = parser.parse_args()
    torch.set_num_threads(1)
    task = activity(args.data, EACH)
    rows = [
        ("all", 1.0),
        *((rule, share) for share in args.shares for rule in RULES),
        ("none", 0.0),
    ]
    result = {}
    for rule, share in rows:
        name = f"{rule} {share:g}"
        validated = accuracies(task, rule, share, "validation", VALIDATED, args.rates)
        rate = max(args.rates, key=lambda r: np.mean(validated[r]))
        tested = accuracies(task, rule, share, "test", SEEDS, (rate,))[rate]
        result[name] = {"rule": rule, "share": share, "rate": rate, "test": tested}
        print(name, rate, f"{100 * np.mean(tested):.1f}", flush=True)
    args.build.mkdir(parents=True, exist_ok=True)
    (args.build / "bench-channels.json").write_text(json.dumps(result, indent=1))
    print(table(result))


def accuracies(
    task: Task, rule: str, share: float, part: str, seeds: int, rates: Sequence[float]
) -> dict[float, list[list[float]]]:
    """[seed][person] for each rate; runs with one scheme learn at once."""
    found: dict[float, list[list[float]]] = {rate: [] for rate in rates}
    for seed in range(seeds):
        episodes = task.episodes(part, seed)
        own = {rate: [0.0] * len(episodes) for rate in rates}
        for scheme, people in schemes(task, rule, share, episodes, seed):
            program = tl.compile(
                task.model, torch.zeros(task.example), scheme, target="host", check=False
            )
            runs = [Run(episodes[k], task.epochs, rate, seed) for rate in rates for k in people]
            with learner(program, simulated=True) as learn:
                each = iter(learn(runs))
            for rate in rates:
                for k in people:
                    own[rate][k] = next(each)
        for rate in rates:
            found[rate].append(own[rate])
    return found


def schemes(
    task: Task, rule: str, share: float, episodes: list[Episode], seed: int
) -> Iterator[tuple[tl.UpdateScheme, list[int]]]:
    """Each scheme, and the people who learn with it."""
    layers = [name for name, m in task.model.named_children() if isinstance(m, nn.Conv2d)][-2:]
    weights = [f"{name}.weight" for name in layers]
    rest = {name: 1.0 for name in task.scheme if name not in weights}
    everybody = list(range(len(episodes)))
    if rule == "fisher":
        for k, episode in enumerate(episodes):
            shares = {**rest, **dict.fromkeys(weights, share)}
            data = episode.learn
            yield tl.schemes.fisher_channels(task.model, data.x, data.y, shares), [k]
        return
    entries: dict[str, object] = dict.fromkeys(weights, share)
    if rule == "random":
        rng = np.random.default_rng([seed, int(1000 * share)])
        for name in weights:
            channels = task.model.get_parameter(name).shape[1]
            drawn = rng.permutation(channels)[: round(share * channels)]
            entries[name] = {"channels": drawn.tolist()}
    elif rule in ("leading", "norm"):
        entries = {name: {"share": share, "channels": rule} for name in weights}
    yield tl.UpdateScheme({**rest, **entries}), everybody


def table(result: dict) -> str:
    """Mean, spread over people, and the paired difference to the leading channels with its
    standard error over people."""
    lines = [
        "| channels | share | rate | accuracy, spread over people | against leading |",
        "|---|---|---|---|---|",
    ]
    people = defaultdict(dict)
    for row in result.values():
        people[row["share"]][row["rule"]] = 100 * np.mean(row["test"], axis=0)
    for row in result.values():
        own = people[row["share"]][row["rule"]]
        base = people[row["share"]].get("leading")
        against = ""
        if base is not None and row["rule"] != "leading":
            gap = own - base
            error = gap.std(ddof=1) / np.sqrt(len(gap))
            against = f"{gap.mean():+.1f} ({error:.1f})"
        lines.append(
            f"| {row['rule']} | {row['share']:g} | {row['rate']:g} | "
            f"{own.mean():.1f}, {own.std(ddof=1):.1f} | {against} |"
        )
    return "\n".join(lines)


if __name__ == "__main__":
    main()
