"""What each layer alone learns from five examples of a class, and which criteria rank layers so:
python benchmarks/fewshot_layers.py --data FOLDER

Each of the last weights is trained alone, whole, with the head, at the best of four rates; on the
episodes that choose the rates of `fewshot_accuracy.py`.  Of each criterion: the rank correlation
(Spearman) of a layer's importance, and of TinyTrain's score with it, with what the layer gains over
the prototypes; the mean over the episodes' own importances.
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from fewshot.learning import OPTIMIZER, PROTOTYPES, ROOMY, Pupil, accuracies
from fewshot.study import Size, Study
from fewshot.tasks import TASKS

import trainlet as tl
from trainlet.ir.graph import Graph
from trainlet.schemes.importance import CRITERIA
from trainlet.schemes.layers import layers_of
from trainlet.schemes.tinytrain import score_factors

RATES = (0.01, 0.03, 0.1, 0.3)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="the folder of the data sets")
    parser.add_argument("--build", type=Path, default=Path("build"), help="where checkpoints go")
    parser.add_argument("--task", choices=TASKS, default="signs-mcunet")
    parser.add_argument("--depth", type=int, default=18, help="so many of the last weights")
    parser.add_argument("--episodes", type=int, default=20)
    args = parser.parse_args()
    torch.set_num_threads(1)
    args.build.mkdir(parents=True, exist_ok=True)
    task = TASKS[args.task](args.data, args.build)
    study = Study(task, Size(args.episodes, 0))
    graph, pupils = study.methods["last"].graph, study.pupils["validation"]
    layers = layers_of(graph, (1.0,))
    weights = [layer.weight for layer in layers.body if layer.shares][-args.depth :]

    def reached(names: list[str], rates: tuple[float, ...], passes: int) -> float:
        scheme = tl.UpdateScheme(dict.fromkeys([*layers.head, *names], 1.0))
        program = tl.compile(graph, scheme=scheme, target=ROOMY, optimizer=OPTIMIZER)
        return 100 * accuracies(program, pupils, rates, passes, task.copies).mean(1).max()

    begun, gains = reached([], (0.0,), 0), []
    print(f"prototypes alone {begun:.1f} %\n\n| weight | shape | points gained |\n|---|---|---:|")
    for name in weights:
        gains.append(reached([name], RATES, task.passes) - begun)
        shape = "x".join(map(str, graph.values[name].shape))
        print(f"| {name} | {shape} | {gains[-1]:+.1f} |", flush=True)
    factors = score_factors(graph, weights)
    for criterion in CRITERIA:
        found = [importances(graph, pupil, weights, criterion) for pupil in pupils]
        scored = [[own * factors[w] for own, w in zip(one, weights, strict=True)] for one in found]
        both = (np.mean([correlation(one, gains) for one in rows]) for rows in (found, scored))
        print("{}: importance {:+.2f}, score {:+.2f}".format(criterion, *both), flush=True)


def importances(graph: Graph, pupil: Pupil, weights: list[str], criterion: str) -> list[float]:
    own = replace(graph, values={**graph.values, PROTOTYPES: pupil.prototypes})
    x, y = pupil.episode.x, pupil.episode.y[:, None]
    found = CRITERIA[criterion](own, x, y, weights, "cross_entropy")
    return [float(found[name].sum()) for name in weights]


def correlation(a: list[float], b: list[float]) -> float:
    """Spearman's, of numbers of which no two are equal."""
    ranks = [np.argsort(np.argsort(own)) for own in (a, b)]
    return float(np.corrcoef(ranks)[0, 1])


if __name__ == "__main__":
    main()
