"""A whole step, traced into one graph of torch's operators, is the simulation's step."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.fx.experimental.proxy_tensor import make_fx

import trainlet as tl
from int8.networks import quantised
from trainlet.backends.torch.table import find_lowering
from trainlet.ir.roles import LOSS, RATE, TARGET
from trainlet.run.simulated import NEW

EXPERIMENTS = 2


def run(program: tl.CompiledProgram, leaves: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Node by node, each a function of its tensors alone."""
    known: dict = {}
    for n in (n for n in program.plan.order if not n.is_leaf):
        inputs = [leaves[i.name] if i.is_leaf else known[i] for i in n.inputs]
        seed = [torch.tensor([n.attrs["seed"]])] if "seed" in n.attrs else []
        known[n] = find_lowering(n)(n, *inputs, *seed)
    return {name: known[n] for name, n in program.graph.outputs.items()}


@pytest.mark.parametrize("gradient", ["float32", "int16", "int8"])
def test_a_traced_step_is_the_simulations(gradient):
    graph, _ = quantised("lenet5")
    program = tl.compile(graph, None, "full", target="host", precision=tl.Int8(gradient=gradient))
    simulation, rng = tl.simulate(program, EXPERIMENTS), np.random.default_rng(0)
    kept = {n.name: program.initial(n) for n in program.kept}
    leaves = {name: torch.from_numpy(np.stack([v] * EXPERIMENTS)) for name, v in kept.items()}
    fixed = (*program.constants, *program.seeds)
    leaves |= {n.name: torch.from_numpy(program.initial(n)[None]) for n in fixed}
    (image,) = program.inputs
    shape = (EXPERIMENTS, *image.type.shape)
    leaves[image.name] = torch.from_numpy(rng.integers(-128, 128, shape).astype(np.int8))
    leaves[TARGET] = torch.tensor([[1], [2]], dtype=torch.int32)
    leaves[RATE] = torch.tensor([0.01, 0.1])
    names = list(leaves)

    def step(*tensors: Tensor) -> dict[str, Tensor]:
        return run(program, dict(zip(names, tensors, strict=True)))

    zeros = [torch.zeros_like(t) for t in leaves.values()]
    traced = make_fx(step, tracing_mode="fake")(*zeros)(*leaves.values())
    expected = simulation._step(leaves, None)
    assert traced.keys() == expected.keys() and LOSS in traced
    for name, value in expected.items():
        assert torch.equal(traced[name], value), name
    moved = [name for name in kept if not torch.equal(traced[NEW + name], leaves[name])]
    assert moved, "the step changes something"
