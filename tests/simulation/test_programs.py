"""Whole programs: many experiments at once against the host's C, one experiment after another."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pytest

import trainlet as tl
from int8.networks import program, scheme_of
from simulation.devices import DEVICES
from trainlet.errors import DataError, ExperimentsDiverged, StateError
from trainlet.frontends.pt2e import quantize_module
from trainlet.run.trainer import split_blob
from zoo import NETWORKS

EXPERIMENTS = 3
SEEDS = [5, 0, 4_000_000_000]
RATES = np.array([0.01, 0.003, 0.03])
INTEGERS = ("int16", "int8")
LONG_MOBILENET = pytest.param("mobilenet_v1", marks=pytest.mark.long)


@dataclass(frozen=True)
class Data:
    """x [steps, experiments, *input], y [steps, experiments, batch]."""

    x: np.ndarray
    y: np.ndarray


def draw(made: tl.CompiledProgram, x: np.ndarray, steps: int, experiments: int = EXPERIMENTS):
    rng = np.random.default_rng(0)
    classes = made.graph.outputs["logits"].type.shape[-1]
    shape = (steps, experiments)
    return Data(
        0.7 * rng.standard_normal((*shape, *x.shape), np.float32),
        rng.integers(0, classes, (*shape, x.shape[0])),
    )


def leaves(made: tl.CompiledProgram, blob: bytes) -> dict[str, np.ndarray]:
    """All that training changes, as the device keeps it."""
    return split_blob(made, blob)


def check_equal(
    name: str, precision: tl.Int8, steps: int, device: str = "cpu", seeds=(0,), **options
) -> None:
    """Losses, logits and the whole state, the optimiser's included, bit for bit."""
    made, x = program(name, "host", precision, **options)
    data = draw(made, x, steps)
    every = [*seeds, *[0] * EXPERIMENTS][:EXPERIMENTS]
    simulation = tl.simulate(made, EXPERIMENTS, device, every)
    losses = [simulation.step(*batch, RATES) for batch in zip(data.x, data.y, strict=True)]
    logits = simulation.predict(data.x[0])
    state = simulation.state()
    for seed in sorted(set(every)):
        own, _ = program(name, "host", replace(precision, seed=seed), **options)
        with own.build("host") as trainer:
            for k in (k for k, other in enumerate(every) if other == seed):
                trainer.reset()
                before = trainer.save()
                expected = [
                    trainer.step(*batch, float(RATES[k]))
                    for batch in zip(data.x[:, k], data.y[:, k], strict=True)
                ]
                assert [loss[k] for loss in losses] == [np.float32(e) for e in expected]
                assert len(set(expected)) == steps and trainer.save() != before, "nothing learnt"
                found = leaves(made, simulation.save(k))
                for leaf, array in leaves(own, trainer.save()).items():
                    np.testing.assert_array_equal(found[leaf], array, err_msg=leaf)
                np.testing.assert_array_equal(logits[k], trainer.predict(data.x[0, k]))
                for leaf, array in trainer.state().items():
                    np.testing.assert_array_equal(state[leaf][k], array, err_msg=leaf)


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("gradient", INTEGERS)
@pytest.mark.parametrize("name", ["ds_cnn", "resnet8", LONG_MOBILENET, "mcunet"])
def test_integer_gradients_have_the_bits_of_the_host(name, gradient, device):
    check_equal(name, tl.Int8(gradient=gradient), 3, device)


@pytest.mark.parametrize("rounding", ["stochastic", "nearest"])
def test_each_experiment_has_a_seed(rounding):
    precision = tl.Int8(gradient="int8", extra_bits=0, rounding=rounding)
    check_equal("ds_cnn", precision, 3, seeds=SEEDS)


CHOICES = {
    "no-extra-bits": (tl.Int8(gradient="int8", extra_bits=0), {}),
    "4-bits-adam": (tl.Int8(gradient="int16", extra_bits=4), {"optimizer": tl.Adam()}),
    "momentum": (tl.Int8(gradient="int8"), {"optimizer": tl.SGD(momentum=0.9)}),
    "nearest-summed": (tl.Int8(gradient="int8", rounding="nearest"), {"accumulate": 2}),
    "adam-summed": (
        tl.Int8(gradient="int8", bias_bits=16),
        {"optimizer": tl.Adam(), "accumulate": 3},
    ),
    "rmsprop": (tl.Int8(gradient="int8"), {"optimizer": tl.RMSprop()}),
    "truncate": (tl.Int8(gradient="int16", rounding="truncate", extra_bits=0), {}),
    "int8-head": (tl.Int8(gradient="int8", float_head=False), {}),
    "smoothed": (tl.Int8(gradient="int8"), {"loss": tl.Loss("cross_entropy", 0.1)}),
    "int16-biases": (tl.Int8(gradient="int8", bias_bits=16), {}),
    "int16-head": (tl.Int8(gradient="int8", head_bits=16), {}),
    "int16-head-adam": (tl.Int8(head_bits=16), {"optimizer": tl.Adam(), "accumulate": 2}),
    "no-qas": (tl.Int8(gradient="int8", qas=False), {}),
}


@pytest.mark.parametrize("choice", CHOICES)
def test_every_choice_has_the_bits_of_the_host(choice):
    precision, options = CHOICES[choice]
    check_equal("ds_cnn", precision, 4, **options)


@pytest.mark.parametrize("gradient", INTEGERS)
def test_a_batch_of_four_has_the_bits_of_the_host(gradient):
    case = NETWORKS["lenet5"](4)
    graph = quantize_module(case.model, case.x, [NETWORKS["lenet5"](8).x.numpy()])
    precision = tl.Int8(gradient=gradient)
    made = tl.compile(graph, None, scheme_of(graph), target="host", precision=precision)
    data = draw(made, case.x.numpy(), 3)
    simulation = tl.simulate(made, EXPERIMENTS)
    losses = [simulation.step(*batch, RATES) for batch in zip(data.x, data.y, strict=True)]
    with made.build("host") as trainer:
        for k in range(EXPERIMENTS):
            trainer.reset()
            for step in range(3):
                loss = trainer.step(data.x[step, k], data.y[step, k], float(RATES[k]))
                assert losses[step][k] == np.float32(loss)
            assert simulation.save(k) == trainer.save()


@pytest.mark.parametrize("loss", ["mse", "bce_with_logits"])
def test_float_targets(loss):
    made, x = program("ds_cnn", "host", tl.Int8(gradient="int8"), loss=loss)
    data = draw(made, x, 3)
    targets = np.eye(12, dtype=np.float32)[data.y]
    simulation = tl.simulate(made, EXPERIMENTS)
    losses = [simulation.step(*batch, RATES) for batch in zip(data.x, targets, strict=True)]
    with made.build("host") as trainer:
        for k in range(EXPERIMENTS):
            trainer.reset()
            for step in range(3):
                loss = trainer.step(data.x[step, k], targets[step, k], float(RATES[k]))
                assert losses[step][k] == np.float32(loss)
            assert simulation.save(k) == trainer.save()


def close(found: np.ndarray, wanted: np.ndarray, what: str) -> None:
    """Within 1e-5 of the tensor's largest."""
    top = np.abs(wanted.astype(np.float64)).max(initial=0)
    np.testing.assert_allclose(found, wanted, rtol=0, atol=1e-5 * top, err_msg=what)


def check_gradients(made: tl.CompiledProgram, x: np.ndarray, device: str = "cpu") -> None:
    """Of one step; they are what a sum over two steps keeps until the second."""
    data = draw(made, x, 1)
    simulation = tl.simulate(made, EXPERIMENTS, device)
    losses = simulation.step(data.x[0], data.y[0])
    with made.build("host") as trainer:
        for k in range(EXPERIMENTS):
            trainer.reset()
            assert losses[k] == pytest.approx(trainer.step(data.x[0, k], data.y[0, k]), rel=1e-5)
            found = leaves(made, simulation.save(k))
            sums = {n: a for n, a in leaves(made, trainer.save()).items() if "gradient" in n}
            assert len(sums) == len(made.params) and all(a.any() for a in sums.values())
            for leaf, array in sums.items():
                close(found[leaf], array, leaf)


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("name", ["ds_cnn", "resnet8", "mobilenet_v1", "mcunet"])
def test_float32_gradients_are_close(name, device):
    made, x = program(name, "host", tl.Int8(gradient="float32"), accumulate=2)
    check_gradients(made, x, device)


@pytest.mark.parametrize("name", ["lenet5", "ds_cnn", "resnet8", "se_hardswish", "audio_conv1d"])
def test_float32_networks_are_close(name):
    case = NETWORKS[name](2)
    made = tl.compile(case.model, case.x, "full", target="host", accumulate=2)
    check_gradients(made, case.x.numpy())


@pytest.fixture(scope="module")
def small() -> tuple[tl.CompiledProgram, Data]:
    made, x = program("ds_cnn", "host", tl.Int8(gradient="int8"))
    return made, draw(made, x, 4)


def test_one_experiment_is_as_many(small):
    made, data = small
    many = tl.simulate(made, EXPERIMENTS, seeds=SEEDS)
    alone = [tl.simulate(made, 1, seeds=[seed]) for seed in SEEDS]
    for x, y in zip(data.x, data.y, strict=True):
        losses = many.step(x, y, RATES)
        for k, one in enumerate(alone):
            assert one.step(x[k : k + 1], y[k : k + 1], RATES[k]) == losses[k]
    assert [one.save(0) for one in alone] == [many.save(k) for k in range(EXPERIMENTS)]


def test_seeds_set_experiments_apart(small):
    made, data = small
    for seeds, distinct in (([1, 2, 3], 3), ([1, 1, 1], 1), (None, 1)):
        simulation = tl.simulate(made, EXPERIMENTS, seeds=seeds)
        for _ in range(2):
            simulation.step(data.x[0, :1], data.y[0, :1], 0.01)
        assert len({simulation.save(k) for k in range(EXPERIMENTS)}) == distinct


def test_many_samples_are_predicted_at_once(small):
    made, data = small
    simulation = tl.simulate(made, EXPERIMENTS, seeds=SEEDS)
    simulation.step(data.x[0], data.y[0], RATES)
    samples = data.x[:, :, 0].swapaxes(0, 1)
    own = simulation.predict(samples)
    shared = simulation.predict(samples[:1])
    assert own.shape == shared.shape == (EXPERIMENTS, len(data.x), 12)
    np.testing.assert_array_equal(own[0], shared[0])
    for k in range(EXPERIMENTS):
        for row in range(len(data.x)):
            one = simulation.predict(samples[:, row : row + 1])
            np.testing.assert_array_equal(one[k, 0], own[k, row])
            one = simulation.predict(samples[:1, row : row + 1])
            np.testing.assert_array_equal(one[k, 0], shared[k, row])
    assert not np.array_equal(shared[0], shared[1])


def test_a_batch_that_samples_do_not_fill():
    case = NETWORKS["ds_cnn"](4)
    made = tl.compile(case.model, case.x, "bias", target="host")
    simulation = tl.simulate(made, 2)
    x = np.random.default_rng(0).standard_normal((2, 6, *case.x.shape[1:]), np.float32)
    whole = simulation.predict(x)
    np.testing.assert_allclose(whole[:, :5], simulation.predict(x[:, :5]), atol=1e-5)
    np.testing.assert_allclose(whole[0], simulation.predict(x[:1])[1], atol=1e-5)


def test_a_state_moves_between_simulation_and_device(small):
    made, data = small
    simulation = tl.simulate(made, EXPERIMENTS)
    simulation.step(data.x[0], data.y[0], RATES)
    with made.build("host") as trainer:
        trainer.load(simulation.save(2))
        loss = trainer.step(data.x[1, 2], data.y[1, 2], 0.01)
        simulation.load(0, simulation.save(2))
        assert simulation.step(data.x[1, 2:], data.y[1, 2:], 0.01)[0] == np.float32(loss)
        assert simulation.save(0) == simulation.save(2) == trainer.save() != simulation.save(1)
    with pytest.raises(StateError):
        simulation.load(0, bytes(len(simulation.save(0))))
    state, blobs = simulation.state(), [simulation.save(k) for k in range(EXPERIMENTS)]
    simulation.reset()
    simulation.load_state(state)
    for name, array in simulation.state().items():
        np.testing.assert_array_equal(array, state[name])
    simulation.load_state({"fc.bias": np.zeros((EXPERIMENTS, 12))})
    assert not simulation.state()["fc.bias"].any()
    assert simulation.save(0) != blobs[0]
    for wrong in ({"fc.bias": np.zeros(12)}, {"fc.bias": np.full((EXPERIMENTS, 12), np.nan)}):
        before = simulation.save(0)
        with pytest.raises(DataError, match="fc.bias"):
            simulation.load_state(wrong)
        assert simulation.save(0) == before


@pytest.mark.parametrize("accumulate", [1, 2])
def test_a_diverged_experiment_stays_and_the_others_go_on(accumulate):
    made, x = program("ds_cnn", "host", tl.Int8(gradient="int8"), accumulate=accumulate)
    data = draw(made, x, 3)
    simulation = tl.simulate(made, EXPERIMENTS)
    weight = simulation.state()["fc.weight"]
    weight[1] = 1e38
    simulation.load_state({"fc.weight": weight})
    diverged = simulation.save(1)
    for x, y in zip(data.x, data.y, strict=True):
        with pytest.raises(ExperimentsDiverged, match="experiments 1 is not finite") as caught:
            simulation.step(x, y, 0.01)
        assert caught.value.experiments == [1] and np.isfinite(caught.value.losses[[0, 2]]).all()
    assert simulation.save(1) == diverged
    with made.build("host") as trainer:
        for k in (0, 2):
            trainer.reset()
            for step in range(3):
                trainer.step(data.x[step, k], data.y[step, k], 0.01)
            assert simulation.save(k) == trainer.save()


def test_what_cannot_be_used_is_refused(small):
    made, data = small
    simulation = tl.simulate(made, EXPERIMENTS)
    before, (x, y) = simulation.save(0), (data.x[0], data.y[0])
    for wrong, what in [
        ((x[:2], y), r"input 'x' has shape \(2, 1, 1, 49, 10\); allowed: \(1, 1, 1, 49, 10\) or"),
        ((x[..., :9], y), "input 'x' has shape"),
        ((x * np.nan, y), "NaN"),
        ((x, y[:2]), "3 rows first"),
        ((x, y + 99), "allowed: 0..11"),
        ((x, y, [0.1, 0.2]), "lr has shape"),
        ((x, y, [0.1, np.inf, 0.1]), "learning rates"),
    ]:
        with pytest.raises(DataError, match=what):
            simulation.step(*wrong)
    with pytest.raises(tl.TrainletError, match="allowed: 3 of"):
        tl.simulate(made, EXPERIMENTS, seeds=[1])
    with pytest.raises(tl.TrainletError, match="experiments=0"):
        tl.simulate(made, 0)
    assert simulation.save(0) == before


def test_constants_exist_once(small):
    made, _ = small
    simulation = tl.simulate(made, EXPERIMENTS)
    assert {len(v) for v in simulation._constants.values()} == {1}
    assert {len(v) for v in simulation._values.values()} == {EXPERIMENTS}
