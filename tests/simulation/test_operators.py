"""What each operator computes in torch against its `eval`, on the samples of the catalogue."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.fx.experimental.proxy_tensor import make_fx

import trainlet.backends.torch  # noqa: F401  it fills the table
from catalogue.cases import CASES, Case
from simulation.devices import DEVICES
from trainlet.backends.torch.eager import one_by_one
from trainlet.backends.torch.table import LOWERINGS, WITHOUT, find_lowering
from trainlet.errors import UnsupportedError
from trainlet.ir.graph import Node
from trainlet.ops.op import OPS

SIMULATED = [case for case in CASES if case.op.name in LOWERINGS]
EXPERIMENTS = 3
CONSTANT = {"banded_spectrogram", "bands", "spectrogram"}
"""Operators whose inputs are all constants but the first."""


def shares(case: Case, position: int) -> bool:
    """Constants by nature exist once: rescalings, scales."""
    kind, name = case.sample.types[position], case.op.name
    if kind.dtype == "int32" and kind.rank == 2:
        return True
    if name.endswith("_i8_dx") and position == 2:
        return True
    if (name.startswith("resample") and position) or (name in CONSTANT and position):
        return True
    scales = name == "exponent_layer" and position == 1
    return scales or ("_bfp_" in name and kind.dtype == "int16" and position == 2)


def packed(value: np.ndarray, size: int) -> np.ndarray:
    """A mask as the op has it."""
    return np.packbits(value.reshape(-1), bitorder="little")[: (size + 7) // 8]


def unpacked(case: Case, node: Node, arrays: list[np.ndarray]) -> list[np.ndarray]:
    """Masks side by side, as the simulation has them."""
    if len(arrays) < 2 or arrays[1].dtype != np.uint8 or arrays[1].ndim != 1:
        return arrays
    shape = arrays[0].shape
    bits = np.unpackbits(arrays[1], count=arrays[0].size, bitorder="little").astype(bool)
    return [arrays[0], bits.reshape(shape), *arrays[2:]]


def draws(case: Case, shared: set[int]) -> list[list[np.ndarray]]:
    """Each experiment's inputs: those of the catalogue, shuffled where that keeps their kind."""
    first, rng, made = case.draw(), case.rng(), []
    for _ in range(EXPERIMENTS):
        every = []
        for k, array in enumerate(first):
            mixed = array.dtype == np.float32 or case.sample.types[k].quant is not None
            if k in shared or not (mixed and array.ndim):
                every.append(array)
            else:
                every.append(rng.permutation(array.reshape(-1)).reshape(array.shape))
        made.append(every)
    return made


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("mode", ["own", "first-shared", "rest-shared"])
@pytest.mark.parametrize("case", SIMULATED, ids=str)
def test_as_eval(case, mode, device):
    node, every = case.node(), range(len(case.sample.types))
    shared = {k for k in every if shares(case, k)}
    if mode == "first-shared":
        shared |= {0}
    if mode == "rest-shared":
        shared |= {k for k in every if k and case.sample.types[k].rank}
    with np.errstate(all="ignore"):
        inputs = draws(case, shared)
        expected = [case.op.eval(*arrays, **node.attrs) for arrays in inputs]
        own = [unpacked(case, node, arrays) for arrays in inputs]
    values = [
        torch.from_numpy(np.stack([arrays[k] for arrays in own[: 1 if k in shared else None]]))
        for k in every
    ]
    copies = [value.clone() for value in values]
    if "seed" in node.attrs:
        values.append(torch.full((EXPERIMENTS,), node.attrs["seed"], dtype=torch.int64))
    given = [value.to(device) for value in values]
    traced = find_lowering(node)(node, *given)
    with one_by_one():
        result = find_lowering(node)(node, *given)
    assert torch.equal(traced.nan_to_num(), result.nan_to_num()), "what is kept changes the result"
    made = result.cpu().numpy()
    assert made.shape[0] in (1, EXPERIMENTS)
    assert all(
        torch.equal(a, b) or a.is_floating_point() for a, b in zip(copies, values, strict=False)
    )
    for k, want in enumerate(expected):
        got = made[k % len(made)]
        if node.op.endswith("_mask") or node.op == "clamp_mask_i8":
            got = packed(got, got.size)
        assert got.shape == np.shape(want)
        if node.type.dtype == "float32":
            top = np.abs(np.where(np.isfinite(want), want, 0)).max(initial=0)
            np.testing.assert_allclose(got, want, rtol=1e-5, atol=1e-5 * top)
        else:
            assert got.dtype == np.dtype(node.type.dtype)
            np.testing.assert_array_equal(got, want)


@pytest.mark.parametrize("case", [case for case in SIMULATED if case.number == 0], ids=str)
def test_a_compiler_can_trace_it(case):
    """No entry asks a tensor for its values, so what is traced on one input holds for another."""
    node = case.node()

    def values(seed: int) -> list[torch.Tensor]:
        arrays = draws(case, {k for k in range(len(case.sample.types)) if shares(case, k)})[seed]
        own = unpacked(case, node, arrays)
        seeds = [torch.tensor([7 + seed])] if "seed" in node.attrs else []
        return [*(torch.from_numpy(np.array(array[None])) for array in own), *seeds]

    def run(*inputs: torch.Tensor) -> torch.Tensor:
        return find_lowering(node)(node, *inputs)

    traced = make_fx(run, tracing_mode="fake")(*values(0))
    for seed in (0, 1):
        assert torch.equal(traced(*values(seed)).nan_to_num(), run(*values(seed)).nan_to_num())


def test_an_op_without_an_entry_is_named():
    node = Node("erode", (), CASES[0].node().type, {}, "features.7")
    with pytest.raises(UnsupportedError, match=r"erode features\.7.*no entry for it"):
        find_lowering(node)


def test_every_op_of_a_plan_has_an_entry_or_a_reason():
    planned = {op.name for op in OPS.values() if not op.lowered}
    assert planned - set(LOWERINGS) == set(WITHOUT)
    assert set(LOWERINGS) <= planned
