"""The generator and the storage of trained int8 weights."""

import numpy as np
import pytest

from trainlet.ir.graph import Node
from trainlet.ir.storage import Planes, Storage, join_planes, split_planes, to_device, to_user
from trainlet.ir.types import Quant, TensorType
from trainlet.ops.op import OPS, leaf
from trainlet.ops.quantized.random import round_stochastic, uniform24
from trainlet.ops.quantized.scaling import inverse_scales


def test_draws_are_uniform_and_depend_on_every_part_of_the_key() -> None:
    elements = np.arange(100_000)
    draws = uniform24(1, 2, 3, elements) / 2**24
    assert abs(draws.mean() - 0.5) < 0.005
    assert abs(draws.var() - 1 / 12) < 0.002
    assert np.histogram(draws, 64)[0].std() < 5 * np.sqrt(100_000 / 64)
    assert abs(np.corrcoef(draws[:-1], draws[1:])[0, 1]) < 0.015
    for other in ((2, 2, 3), (1, 3, 3), (1, 2, 4)):
        again = uniform24(*other, elements) / 2**24
        assert abs(np.corrcoef(draws, again)[0, 1]) < 0.015


def test_draws_do_not_depend_on_the_order_of_evaluation() -> None:
    elements = np.random.default_rng(0).permutation(1000)
    whole = uniform24(5, 6, 7, np.arange(1000))
    assert (uniform24(5, 6, 7, elements) == whole[elements]).all()


@pytest.mark.parametrize("value", [0.25, -0.25, 3.9, -7.1, 0.0, 5.0])
def test_stochastic_rounding_is_right_on_average(value: float) -> None:
    many = np.full(40_000, value, np.float32)
    rounded = round_stochastic(many, uniform24(1, 1, 1, np.arange(many.size)))
    assert set(np.unique(rounded)) <= {np.floor(value), np.floor(value) + 1}
    assert abs(rounded.mean() - np.float32(value)) < 0.01


def _step(op: str, p: np.ndarray, g: np.ndarray, lr: float, **attrs: object) -> np.ndarray:
    inverse = np.full(p.shape[0], 100, np.float32)
    extra = {"axis": 0, "seed": 1, "tensor": 2, "rounding": "stochastic", **attrs}
    return OPS[op].eval(p, g, inverse, np.float32(lr), np.int32(0), **extra)


def test_int8_saturates_and_does_not_wrap() -> None:
    p = np.array([[127, -127, 5]], np.int8)
    g = np.array([[-0.03, 0.03, 0.003]], np.float32)
    moved = _step("sgd_i8", p, g, 1.0, rounding="nearest")
    assert moved.tolist() == [[127, -127, 5]]
    assert _step("sgd_i8", p, 10 * g, 1.0, rounding="nearest").tolist() == [[127, -127, 2]]


def test_int32_saturates() -> None:
    p = np.array([2**31 - 5, -(2**31) + 5], np.int32)
    g = np.array([-1e9, 1e9], np.float32)
    assert _step("sgd_wide", p, g, 1.0).tolist() == [2**31 - 1, -(2**31) + 1]


def test_truncation_shrinks_weights_and_stochastic_rounding_does_not() -> None:
    rng = np.random.default_rng(0)
    start = rng.integers(-100, 100, (8, 500)).astype(np.int8)
    drift = {}
    for rounding in ("truncate", "nearest", "stochastic"):
        p = start.copy()
        for step in range(200):
            g = np.full(p.shape, 0.002, np.float32)  # 0.2 of a unit a step
            extra = {"axis": 0, "seed": 1, "tensor": 2, "rounding": rounding}
            inverse = np.full(8, 100, np.float32)
            p = OPS["sgd_i8"].eval(p, g, inverse, np.float32(0.1), np.int32(step), **extra)
        drift[rounding] = (p.astype(int) - start).mean()
    assert drift["truncate"] == drift["nearest"] == 0  # each step is lost
    assert drift["stochastic"] == pytest.approx(-200 * 0.02, abs=0.15)


@pytest.mark.parametrize("bits", [4, 8])
@pytest.mark.parametrize("columns", [5, 3])
def test_planes_round_trip(bits: int, columns: int) -> None:
    tensor = TensorType((4, 3, 5), "int8", Quant((0.5,) * 4, (0,) * 4, 0))
    planes = Planes(tensor, bits, 12, columns)
    rng = np.random.default_rng(1)
    wide = rng.integers(-127 << bits, (127 << bits) + 1, (4, 3, 5))
    wide[..., columns:] &= -1 << bits
    kept = split_planes(wide, planes)
    assert kept.nbytes == 60 + planes.low_bytes
    assert (join_planes(kept, planes) == wide).all()


def _weight(bits: int) -> Node:
    tensor = TensorType((4, 1, 1, 5), "int8", Quant((0.1, 0.2, 0.3, 0.4), (0,) * 4, 0))
    planes = Planes(tensor, bits, 4, 5)
    how = Storage((4, 5, 1, 1), (0, 2, 3, 1), planes=planes)
    return leaf("param", "w", TensorType((20 + planes.low_bytes,), "int8"), storage=how)


@pytest.mark.parametrize("bits", [4, 8])
def test_a_state_is_read_in_real_units_and_the_users_layout(bits: int) -> None:
    weight = _weight(bits)
    real = np.random.default_rng(2).uniform(-12, 12, (4, 5, 1, 1)).astype(np.float32)
    again = to_user(weight, to_device(weight, real))
    step = np.array([0.1, 0.2, 0.3, 0.4]).reshape(4, 1, 1, 1) / (1 << bits)
    assert again.shape == real.shape
    assert (np.abs(again - real) <= step * 0.51).all()


def test_dead_channels_are_clamped() -> None:
    quant = Quant((0.01, 4e-9, 0.02), (0, 0, 0), 0)
    assert inverse_scales(quant, qas=True).max() < 1e6
    assert inverse_scales(quant, qas=True)[0] == pytest.approx(100)
