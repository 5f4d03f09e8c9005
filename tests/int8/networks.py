"""Int8 programs for the tests: quantised networks of the zoo, and the published MCUNet."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest

import trainlet as tl
from trainlet.accounting.published.sparse_schemes import SCHEMES
from zoo import NETWORKS

DATA = Path(__file__).parents[2].parent / "shared" / "data"
ROOMY = {"ram": 4096 * 1024, "flash": 2048 * 1024}
MCUNET = DATA / "models" / "mcunet_int8" / "mcunet-5fps.npz"
SMALLEST = SCHEMES["mcunet-5fps"]["49KB"].update_scheme


def roomy(core: str) -> tl.Target:
    """A core with memory for any network of the tests."""
    return replace(tl.Target.preset(core), **ROOMY)


def scheme_of(graph: object) -> tl.UpdateScheme:
    """All biases, and the weights of the last two layers before the head in full and in half."""
    names = [n.name for n in graph.leaves("param")]  # type: ignore[attr-defined]
    weights = [n for n in names if n.endswith("weight")]
    ratios = {n: 1.0 for n in names if n.endswith("bias")}
    return tl.UpdateScheme({**ratios, weights[-1]: 1.0, weights[-2]: 0.5, weights[-3]: 1.0})


@cache
def quantised(name: str) -> tuple[object, np.ndarray]:
    """The integer graph of a network of the zoo, or MCUNet, and an input."""
    if name == "mcunet":
        if not MCUNET.exists():
            pytest.skip(f"needs the published backbone, and {MCUNET} is absent")
        x = np.random.default_rng(0).uniform(-1, 1, (1, 3, 128, 128)).astype(np.float32)
        return tl.load(MCUNET, classes=10), x
    from trainlet.frontends.pt2e import quantize_module

    case = NETWORKS[name](1)
    shown = [NETWORKS[name](8).x.numpy()]
    return quantize_module(case.model, case.x, shown), case.x.numpy()


def program(
    name: str, target: str | tl.Target = "host", precision: tl.Int8 | None = None, **options: object
) -> tuple[tl.CompiledProgram, np.ndarray]:
    """A network's trainer, and an input."""
    graph, x = quantised(name)
    scheme = SMALLEST if name == "mcunet" else scheme_of(graph)
    precision = precision or tl.Int8()
    made = tl.compile(graph, None, scheme, target=target, precision=precision, **options)  # type: ignore
    return made, x
