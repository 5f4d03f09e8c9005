"""Few-shot learning by each scheme: python benchmarks/fewshot/methods.py --data FOLDER

A conv-4 that was meta-trained on 20 alphabets of Omniglot meets characters of the others: episodes
of 10 characters of one alphabet, 5 drawings of each, 10 others to test.  All methods begin with the
same prototypes (`observe`) and then train in float32 with batch 1, five passes over the examples in
an order of their own, SGD with a rate that falls to 0 along a line.  The rate of each method is the
best of a grid on other alphabets.  RAM is that of the plan for a Cortex-M7.
Writes BUILD/bench-fewshot.json and prints the table of docs/few-shot.md.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from pretraining import KNOWN, conv4, omniglot
from torch import nn

import trainlet as tl
from trainlet.fewshot import Episodes, meta_train, pretrain, prototypes

WAYS, SHOTS, PASSES, VALIDATED = 10, 5, 5, 30
RATES = (0.0003, 0.001, 0.003, 0.01, 0.03, 0.1, 0.3)


@dataclass(frozen=True)
class Task:
    """x [50, 1, 28, 28] to learn from, in the order of learning; x to test; their labels."""

    x: np.ndarray
    y: np.ndarray
    test_x: np.ndarray
    test_y: np.ndarray
    sums: np.ndarray


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="folder with the data sets")
    parser.add_argument("--build", type=Path, default=Path("build"), help="where results go")
    parser.add_argument("--episodes", type=int, default=200, help="to test")
    asked = parser.parse_args()
    torch.set_num_threads(1)
    drawings, alphabets = omniglot(asked.data)
    names = np.unique(alphabets)
    network = trained(drawings[np.isin(alphabets, names[:KNOWN])])
    graph = tl.adapt.cosine_head(tl.prepare(network, torch.zeros(1, 1, 28, 28)), WAYS)
    tuned, unseen = (
        [drawings[alphabets == a] for a in part]
        for part in (names[KNOWN : KNOWN + 4], names[KNOWN + 4 :])
    )
    validation = tasks(network, tuned, VALIDATED, 1)
    test = tasks(network, unseen, asked.episodes, 2)
    asked.build.mkdir(parents=True, exist_ok=True)
    rows = list(compared(graph, validation, test))
    (asked.build / "bench-fewshot.json").write_text(json.dumps(rows, indent=1))


def trained(drawings: np.ndarray) -> nn.Module:
    torch.manual_seed(0)
    network = conv4()
    x, y = drawings.reshape(-1, 1, 28, 28), np.repeat(np.arange(len(drawings)), 20)
    pretrain(network, x, y, epochs=8)
    meta_train(network, x, y, episodes=Episodes((5, 20), 100, queries=5), steps=600, rate=5e-4)
    return network


def tasks(network: nn.Module, alphabets: list[np.ndarray], count: int, seed: int) -> list[Task]:
    large = [a for a in alphabets if len(a) >= WAYS]
    found = []
    for k in range(count):
        rng = np.random.default_rng([seed, k])
        own = large[rng.integers(len(large))]
        e = Episodes((WAYS, WAYS), queries=10, shots=SHOTS).draw(
            np.repeat(np.arange(len(own)), 20), rng
        )
        x, order = own.reshape(-1, 1, 28, 28), rng.permutation(WAYS * SHOTS)
        learnt, labels = x[e.support][order], e.support_labels[order]
        with torch.no_grad():
            features = network(torch.from_numpy(learnt))
        sums = prototypes(features, torch.from_numpy(labels), WAYS).numpy()
        found.append(Task(learnt, labels, x[e.query], e.query_labels, sums))
    return found


def compared(graph: Any, validation: Sequence[Task], test: Sequence[Task]) -> Any:
    static = {
        "none": tl.schemes.last(graph),
        "last": tl.schemes.last(graph),
        "bias": tl.schemes.bias(graph),
        "sparse": sparse(graph, 2),
        "full": tl.schemes.full(graph),
    }
    ram = {}
    print("| method | RAM, bytes | MACs backward | rate | accuracy, % |\n|---|---:|---:|---:|---:|")
    for name, scheme in static.items():
        program = tl.compile(graph, scheme=scheme)
        ram[name] = program.report.ram_bytes
        rates = [0.0] if name == "none" else RATES
        tried = {rate: learnt(program, validation, rate) for rate in rates}
        rate = max(tried, key=lambda r: tried[r].mean())
        yield shown(name, [program], rate, learnt(program, test, rate))
    for name, budget in (("tinytrain", ram["sparse"]), ("tinytrain, small", ram["bias"] + 8192)):
        tried = {rate: np.zeros(0) for rate in RATES}
        chosen = [selected(graph, task, budget) for task in validation]
        for rate in RATES:
            pairs = zip(chosen, validation, strict=True)
            tried[rate] = np.concatenate([learnt(own, [task], rate) for own, task in pairs])
        rate = max(tried, key=lambda r: tried[r].mean())
        chosen = [selected(graph, task, budget) for task in test]
        pairs = zip(chosen, test, strict=True)
        found = np.concatenate([learnt(own, [task], rate) for own, task in pairs])
        yield shown(name, chosen, rate, found)


def sparse(graph: Any, k: int) -> tl.UpdateScheme:
    """The classifier, all biases and norms' shifts, and the weights of the last k convolutions."""
    weights = [
        n.name for n in graph.leaves("param") if n.name.endswith("weight") and n.type.rank > 1
    ]
    names = [*tl.schemes.bias(graph), *weights[-k:]]
    return tl.UpdateScheme(dict.fromkeys(names, 1.0))


def selected(graph: Any, task: Task, ram: int) -> Any:
    taught = dict(graph.values) | {"head.prototypes": task.sums}
    own = type(graph)(graph.outputs, taught)
    found = tl.schemes.tinytrain(own, task.x, task.y[:, None], ram=ram)
    return tl.compile(graph, scheme=found.scheme)


def learnt(program: Any, given: Sequence[Task], rate: float) -> np.ndarray:
    """The accuracy of each task; all learn side by side."""
    simulation = tl.simulate(program, len(given))
    state = simulation.state()
    simulation.load_state({**state, "head.prototypes": np.stack([t.sums for t in given])})
    x, y = np.stack([t.x for t in given]), np.stack([t.y for t in given])
    steps = PASSES * WAYS * SHOTS if rate else 0
    for step in range(steps):
        at = step % (WAYS * SHOTS)
        simulation.step(x[:, at : at + 1], y[:, at : at + 1], rate * (1 - step / steps))
    logits = simulation.predict(np.stack([t.test_x for t in given]))["logits"]
    return (logits.argmax(2) == np.stack([t.test_y for t in given])).mean(1)


def shown(name: str, programs: Sequence[Any], rate: float, found: np.ndarray) -> dict[str, Any]:
    ram = int(np.mean([p.report.ram_bytes for p in programs]))
    macs = int(np.mean([p.macs_backward for p in programs])) if rate else 0
    interval = 196 * found.std(ddof=1) / np.sqrt(len(found))
    accuracy = 100 * found.mean()
    print(
        f"| {name} | {ram:,} | {macs:,} | {rate:g} | {accuracy:.1f} +- {interval:.1f} |", flush=True
    )
    return {
        "task": "omniglot", "network": "conv4", "method": name, "accuracy": accuracy,
        "interval": interval, "ram_bytes": ram, "macs_backward": macs, "rate": rate,
    }  # fmt: skip


if __name__ == "__main__":
    main()
