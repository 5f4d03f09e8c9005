"""How long the explorer's answers take: the estimate after a toggle, and the plan.

    python benchmarks/explorer.py [--data FOLDER] [--settings 50]

The keyword spotter, and MCUNet-5FPS with a head for ten classes where the data folder has it.
Random choices for every layer, as the page makes them; times of the functions that the server
calls, in seconds of the processor.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

import trainlet as tl
from trainlet.errors import TrainletError
from trainlet.explorer.explored import Explored, Source
from trainlet.explorer.figures import described, estimated, planned
from trainlet.explorer.requests import Setting
from trainlet.explorer.work import unwatched

MCUNET = "models/mcunet_int8/mcunet-5fps.npz"


class Backbone(Source):
    """A published backbone, which takes a head of ten classes."""

    def model(self) -> tuple[Any, Any]:
        return tl.load(self.net, classes=10), None


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--settings", type=int, default=50)
    asked = parser.parse_args()
    target = tl.Target.preset("cortex-m7")
    sources = [Source(None, None, target)]
    if (asked.data / MCUNET).exists():
        sources.append(Backbone(asked.data / MCUNET, None, target))
    for source in sources:
        shown(source, asked.settings)


def shown(source: Source, settings: int) -> None:
    start = time.process_time()
    explored = Explored(source)
    described(explored)
    unwatched()
    opened = time.process_time() - start
    precision, layers = explored.precisions[-1], explored.layers
    rng, estimates, plans, off = np.random.default_rng(0), [], [], []
    last = Setting(precision=precision, scheme=dict.fromkeys(layers.head, 1.0))
    first = timed(planned, explored, last)[0]
    timed(estimated, explored, last)
    for k in range(settings):
        scheme = dict.fromkeys(layers.head, 1.0)
        for layer in layers.body:
            options = [None, *([0.0] if layer.biases else []), *layer.shares]
            share = options[rng.integers(len(options))]
            if share is not None:
                scheme |= dict.fromkeys(layer.biases, 1.0)
                scheme |= {layer.weight: float(share)} if share else {}
        setting = Setting(precision=precision, scheme=scheme)
        try:
            seconds, estimate = timed(estimated, explored, setting)
        except TrainletError as error:
            print("refused:", error)
            continue
        estimates.append(seconds)
        if k < settings // 5:
            seconds, plan = timed(planned, explored, setting)
            plans.append(seconds)
            off.append(abs(estimate["ram"] / plan["ram"] - 1))
    ms = [1000 * seconds for seconds in estimates]
    print(
        f"{source.name}, {precision}, {len(layers.body) + 1} layers, CPU time: read in "
        f"{opened:.2f} s, first plan {first:.2f} s\n  {len(ms)} toggles: estimate median "
        f"{median(ms):.0f} ms, longest {max(ms):.0f} ms; plan median {median(plans):.2f} s, "
        f"longest {max(plans):.2f} s\n  RAM of the estimate off by {100 * float(np.mean(off)):.1f} "
        f"% on average, {100 * max(off):.1f} % at most",
        flush=True,
    )


def timed(function: Any, *given: Any) -> tuple[float, Any]:
    start = time.process_time()
    found = function(*given)
    return time.process_time() - start, found


if __name__ == "__main__":
    main()
