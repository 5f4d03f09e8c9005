"""What meta-training is worth: python benchmarks/fewshot_pretraining.py --data FOLDER

A conv-4 of 28x28 pixels sees characters of 20 alphabets of Omniglot and meets those of the others.
An episode has 20 or 5 characters of one unseen alphabet, 1 or 5 drawings of each, and 10 others to
test; the head holds prototypes, and nothing else learns.  Weights as drawn, after ordinary training
and after meta-training, with the queries of episodes and with augmented copies of the support.
Prints the table of docs/few-shot.md.
"""

from __future__ import annotations

import argparse
import copy
from pathlib import Path

import numpy as np
import torch
from fewshot.networks import conv4
from int8.omniglot import drawings_of
from torch import nn

from trainlet.fewshot import CosineHead, Episodes, meta_train, pretrain

TESTED, KNOWN = 200, 20


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="folder with the data sets")
    parser.add_argument("--steps", type=int, default=1000, help="episodes of meta-training")
    parser.add_argument("--epochs", type=int, default=15, help="of ordinary training")
    asked = parser.parse_args()
    drawings, alphabets = drawings_of(asked.data)
    known = np.isin(alphabets, np.unique(alphabets)[:KNOWN])
    x, y = drawings[known].reshape(-1, 1, 28, 28), np.repeat(np.arange(known.sum()), 20)
    unseen = [drawings[alphabets == a] for a in np.unique(alphabets)[KNOWN:]]
    torch.manual_seed(0)
    drawn = conv4()
    ordinary = copy.deepcopy(drawn)
    pretrain(ordinary, x, y, epochs=asked.epochs)
    networks = {"as drawn": drawn, "ordinary training": ordinary}
    for name, copies in (("meta-training", False), ("meta-training, pseudo-queries", True)):
        networks[name] = copy.deepcopy(ordinary)
        rule = Episodes((5, 20), support=100, queries=5)
        meta_train(
            networks[name], x, y, episodes=rule, steps=asked.steps, rate=5e-4, pseudo_queries=copies
        )
    print("| weights | 5 ways, 1 shot | 5 ways, 5 shots | 20 ways, 1 shot | 20 ways, 5 shots |")
    print("|---|---:|---:|---:|---:|")
    for name, network in networks.items():
        cells = [tested(network.eval(), unseen, w, s) for w in (5, 20) for s in (1, 5)]
        print(f"| {name} | {' | '.join(cells)} |", flush=True)


@torch.no_grad()
def tested(network: nn.Module, alphabets: list[np.ndarray], ways: int, shots: int) -> str:
    """Mean accuracy over episodes, in percent, and half of its 95 % confidence interval."""
    rule = Episodes((ways, ways), support=1000, queries=10, shots=shots)
    large = [a for a in alphabets if len(a) >= ways]
    found = []
    for seed in range(TESTED):
        rng = np.random.default_rng([seed, ways, shots])
        own = large[rng.integers(len(large))]
        e = rule.draw(np.repeat(np.arange(len(own)), 20), rng)
        x = torch.from_numpy(own.reshape(-1, 1, 28, 28)[np.concatenate([e.support, e.query])])
        features = network(x)
        head = CosineHead(features.shape[1], ways)
        head.teach(features[: len(e.support)], torch.from_numpy(e.support_labels))
        guessed = head(features[len(e.support) :]).argmax(1).numpy()
        found.append((guessed == e.query_labels).mean())
    error = 1.96 * np.std(found, ddof=1) / np.sqrt(TESTED)
    return f"{100 * np.mean(found):.1f} +- {100 * error:.1f}"


if __name__ == "__main__":
    main()
