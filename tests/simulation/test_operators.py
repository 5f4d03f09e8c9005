"""Every batched meaning against the op's `eval`, on the samples of the catalogue."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import trainlet.run.batched  # noqa: F401  it fills the table
from catalogue.cases import CASES, Case
from simulation.devices import DEVICES
from trainlet.errors import UnsupportedError
from trainlet.ir.graph import Node
from trainlet.run.batched.table import MEANINGS, find_meaning

SIMULATED = [case for case in CASES if case.op.name in MEANINGS]
EXPERIMENTS = 3


def shares(case: Case, position: int) -> bool:
    """Constants by nature exist once: rescalings, scales."""
    kind, name = case.sample.types[position], case.op.name
    if kind.dtype == "int32" and kind.rank == 2:
        return True
    if name.endswith("_i8_dx") and position == 2:
        return True
    scales = name == "exponent_layer" and position == 1
    return scales or ("_bfp_" in name and kind.dtype == "int16" and position == 2)


def packed(value: np.ndarray, size: int) -> np.ndarray:
    """A mask as the op has it."""
    return np.packbits(value.reshape(-1), bitorder="little")[: (size + 7) // 8]


def unpacked(case: Case, node: Node, arrays: list[np.ndarray]) -> list[np.ndarray]:
    """Masks side by side, as the simulation has them."""
    if case.op.name not in ("mask_dx", "mask_bfp"):
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
    made = find_meaning(node)(node, *(value.to(device) for value in values)).cpu().numpy()
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


def test_an_op_without_a_meaning_is_named():
    node = Node("erode", (), CASES[0].node().type, {}, "features.7")
    with pytest.raises(UnsupportedError, match=r"erode features\.7.*no batched meaning"):
        find_meaning(node)


def test_nearly_every_op_of_int8_has_one():
    lowered = {case.op.name for case in CASES if case.op.lowered}
    integers = {case.op.name for case in CASES if case.op.name.endswith(("_i8", "_bfp", "_bfp_dx"))}
    assert integers - lowered - set(MEANINGS) == {"softmax_i8"}
