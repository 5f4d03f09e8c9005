"""Bad data, bad states and divergence, on every device: an error, and nothing has changed."""

import math
from functools import cache

import numpy as np
import pytest

import trainlet as tl
from errors.small import CLASSES, SHAPE, compiled, example, small
from trainlet.compiled import CompiledProgram
from trainlet.errors import DataError, DivergedError, StateError
from trainlet.run.simulated import ArenaDevice, OracleDevice
from trainlet.run.trainer import model_inputs

DEVICES = ("host", "unicorn", "oracle", "arena")
EACH = pytest.mark.parametrize("device", DEVICES)
REAL = pytest.mark.parametrize("device", DEVICES[:2])


@cache
def program(**options) -> CompiledProgram:
    return compiled(target="cortex-m4", **options)


def start(device: str, **options) -> tl.Trainer:
    """One step on, so that the state is not the initial one."""
    made = program(**options)
    simulated = {"oracle": OracleDevice, "arena": ArenaDevice}.get(device)
    trainer = tl.Trainer(made, simulated(made)) if simulated else made.build(device, count=False)
    trainer.step(example(), [0] if "loss" not in options else np.zeros((1, CLASSES)))
    return trainer


@pytest.mark.parametrize("options", [{}, {"accumulate": 3}], ids=["each step", "every third"])
@EACH
def test_python_refuses_and_nothing_changes(device, options):
    with start(device, **options) as trainer:
        before = trainer.save()
        bad = example()
        bad[0, 1, 2, 3] = np.nan
        for value in (bad, bad * np.inf, np.full(SHAPE, -np.inf)):
            with pytest.raises(DataError, match="holds NaN or infinity"):
                trainer.step(value, [0])
            with pytest.raises(DataError, match="holds NaN or infinity"):
                trainer.predict(value)
        for label in ([-1], [CLASSES], [2**31], [-(2**40)]):
            with pytest.raises(DataError, match=r"labels in .*; allowed: 0\.\.2"):
                trainer.step(example(), label)
        with pytest.raises(DataError, match="labels are float64; allowed: integers"):
            trainer.step(example(), [1.0])
        with pytest.raises(DataError, match="the target has 2 values; allowed: 1"):
            trainer.step(example(), [0, 1])
        with pytest.raises(DataError, match=r"shape \(1, 2, 6, 5\); allowed: \(1, 2, 6, 6\)"):
            trainer.step(example()[..., :5], [0])
        with pytest.raises(DataError, match=r"shape \(1, 6, 6, 2\)"):
            trainer.step(example().transpose(0, 2, 3, 1), [0])
        with pytest.raises(DataError, match=r"takes the inputs \['x'\], found \['y'\]"):
            trainer.step({"y": example()}, [0])
        with pytest.raises(DataError, match="allowed: numbers"):
            trainer.step(np.full(SHAPE, "one"), [0])
        for rate in (math.nan, math.inf):
            with pytest.raises(DataError, match="learning rate is .*; allowed: a finite number"):
                trainer.step(example(), [0], lr=rate)
        assert trainer.save() == before
        trainer.step(example(), [0])
        assert trainer.save() != before


@REAL
def test_the_device_refuses_by_itself(device):
    """Below Python's checks: the C code returns an error and leaves the state alone."""
    with start(device) as trainer:
        before, good = trainer.save(), model_inputs(program(), example())
        for label in (-1, CLASSES, 2**31 - 1, -(2**31)):
            with pytest.raises(DataError, match="step returned -2: the label is not a class"):
                trainer.device.step(good, np.array([label], np.int32), 0.1)
        for value in (np.nan, np.inf, -np.inf):
            for at in (0, -1):
                bad = {name: array.copy() for name, array in good.items()}
                bad["x"].reshape(-1)[at] = value
                with pytest.raises(DataError, match="step returned -1: .*not a finite number"):
                    trainer.device.step(bad, np.array([0], np.int32), 0.1)
                with pytest.raises(DataError, match="predict returned -1"):
                    trainer.device.predict(bad)
        assert trainer.save() == before
        trainer.device.step(good, np.array([0], np.int32), 0.1)
        assert trainer.save() != before


@REAL
def test_targets_that_are_no_numbers(device):
    with start(device, loss="mse") as trainer:
        before, good = trainer.save(), model_inputs(program(loss="mse"), example())
        wrong = np.array([[0, np.nan, 0]], np.float32)
        with pytest.raises(DataError, match="the target holds NaN or infinity"):
            trainer.step(example(), wrong)
        with pytest.raises(DataError, match="step returned -2: .*the target is not finite"):
            trainer.device.step(good, wrong, 0.1)
        assert trainer.save() == before


@pytest.mark.parametrize(
    "options",
    [{}, {"optimizer": tl.SGD(0.1, momentum=0.9)}, {"optimizer": tl.Adam(0.1)}, {"accumulate": 2}],
    ids=["sgd", "momentum", "adam", "every second"],
)
@EACH
def test_divergence_changes_nothing(device, options):
    """A huge step makes the next loss infinite or NaN: that one is refused, state untouched."""
    with start(device, loss="mse", **options) as trainer:
        target = np.zeros((1, CLASSES))
        with pytest.raises(DivergedError, match="not finite.*|overflows; nothing was updated"):
            for _ in range(50):
                before = trainer.save()
                trainer.step(example() * 100, target, lr=1e30)
        assert trainer.save() == before
        trainer.reset()
        assert math.isfinite(trainer.step(example(), target, lr=0.01))


@EACH
def test_overflowing_logits(device):
    """Inputs that are finite, and too large for float32's range inside."""
    with start(device) as trainer:
        before = trainer.save()
        with pytest.raises(DivergedError, match="not finite"):
            trainer.step(np.full(SHAPE, 3e38, np.float32), [0])
        assert trainer.save() == before


def other_weights() -> CompiledProgram:
    """The same graph; one frozen weight is another."""
    model = small()
    model.fc.weight.data[0, 0] += 1e-3
    return compiled(model, target="cortex-m4")


@pytest.mark.parametrize(
    "other",
    [
        lambda: program(optimizer=tl.SGD(0.1, momentum=0.9)),
        lambda: compiled(scheme={"conv.weight": 1, "fc.bias": 1}, target="cortex-m4"),
        lambda: compiled(scheme={"fc.bias": 1}, target="cortex-m4"),
    ],
    ids=["other optimiser", "other share", "other parameters"],
)
@EACH
def test_the_state_of_another_program(device, other):
    foreign = tl.Trainer(other(), OracleDevice(other())).save()
    with start(device) as trainer:
        before = trainer.save()
        with pytest.raises(StateError):
            trainer.load(foreign)
        assert trainer.save() == before


@pytest.mark.parametrize(
    "other",
    [other_weights, lambda: program(loss=tl.Loss("cross_entropy", label_smoothing=0.1))],
    ids=["other frozen weights", "other loss"],
)
@EACH
def test_the_state_survives_a_new_program(device, other):
    """What is trained, its types and its optimiser are the same: the state is too."""
    old = tl.Trainer(other(), OracleDevice(other()))
    old.step(example(), [1])
    with start(device) as trainer:
        trainer.load(old.save())
        assert trainer.save() == old.save()


@EACH
def test_a_damaged_state(device):
    with start(device) as trainer:
        before = trainer.save()
        trainer.step(example(), [1])
        after = trainer.save()
        for at in [*range(0, len(before), 97), *range(20), len(before) - 1]:
            damaged = bytearray(before)
            damaged[at] ^= 1 << at % 8
            with pytest.raises(StateError):
                trainer.load(bytes(damaged))
        for size in (0, 1, 16, len(before) - 1, len(before) + 1):
            with pytest.raises(StateError, match=f"has {size} bytes, this program's has"):
                trainer.load((before + b"\0")[:size])
        assert trainer.save() == after
        trainer.load(before)
        assert trainer.save() == before


@pytest.mark.parametrize(
    ("state", "message"),
    [
        (
            {"fc.weight": np.zeros((3, 4))},
            "'fc.weight' is not trained; trained: conv.weight, fc.bi",
        ),
        ({"fc.bias": np.zeros(4)}, r"'fc.bias' has shape \(4,\); allowed: \(3,\)"),
        ({"fc.bias": np.full(3, np.nan)}, "'fc.bias' holds NaN or infinity"),
        ({"fc.bias": np.ones(3), "conv.weight": np.full((4, 2, 3, 3), 1e39)}, "holds NaN or inf"),
    ],
)
@EACH
def test_load_state(device, state, message):
    with start(device) as trainer:
        before = trainer.save()
        with np.errstate(over="ignore"), pytest.raises(DataError, match=message):
            trainer.load_state(state)
        assert trainer.save() == before
        trainer.load_state({"fc.bias": np.arange(3)})
        assert trainer.state()["fc.bias"].tolist() == [0, 1, 2]
        trainer.load_state(trainer.state())
        trainer.reset()
        assert trainer.state()["fc.bias"].tolist() != [0, 1, 2]
