"""Int8 with float32 gradients: the same bits on the host and on every core; close to the oracle."""

import numpy as np
import pytest

import trainlet as tl
from int8.networks import program, roomy
from trainlet.compiled import CompiledProgram
from trainlet.run.simulated import ArenaDevice, OracleDevice
from trainlet.run.trainer import split_blob

NETWORKS = ("ds_cnn", "resnet8", "mobilenet_v1", "mcunet")
STEPS = 10


def lesson(trainer: tl.Trainer, x: np.ndarray, steps: int = STEPS) -> tuple[list[float], bytes]:
    """Losses over steps on jittered inputs, then logits and the state as bytes."""
    rng = np.random.default_rng(1)
    losses = []
    for step in range(steps):
        seen = (x + 0.05 * rng.standard_normal(x.shape)).astype(np.float32)
        losses.append(trainer.step(seen, [step % 2], 0.01))
    return losses, trainer.predict(x).tobytes() + trainer.save()


def same_steps(
    made: CompiledProgram, x: np.ndarray, blob: bytes, host: tl.Trainer, other: tl.Trainer
) -> bytes:
    """The state after three steps from a saved one, which two trainers and the simulation share."""
    simulation = tl.simulate(made, 1)
    simulation.load(0, blob)
    for trainer in (host, other):
        trainer.load(blob)
    for step in range(3):
        losses = [trainer.step(x, [step % 2], 0.3) for trainer in (host, other)]
        assert losses[0] == losses[1] == simulation.step(x[None], [[step % 2]], 0.3)[0]
    state = host.save()
    assert state == other.save() == simulation.save(0)
    return state


@pytest.mark.parametrize("core", [pytest.param("cortex-m4", marks=pytest.mark.long), "cortex-m7"])
@pytest.mark.parametrize("name", NETWORKS)
def test_emulated_equals_host_bit_for_bit(name: str, core: str) -> None:
    made, x = program(name, roomy(core))
    with made.build("host") as host, made.build("unicorn", count=False) as device:
        assert lesson(host, x) == lesson(device, x)


def test_qemu_equals_host() -> None:
    made, x = program("ds_cnn", roomy("cortex-m7"))
    with made.build("host") as host, made.build("qemu") as device:
        assert lesson(host, x) == lesson(device, x)


def test_a_core_without_fpu_equals_host() -> None:
    made, x = program("ds_cnn", roomy("cortex-m0plus"))
    with made.build("host") as host, made.build("unicorn", count=False) as device:
        assert lesson(host, x, 2) == lesson(device, x, 2)


@pytest.mark.parametrize("name", NETWORKS)
def test_sanitised_and_deterministic(name: str) -> None:
    made, x = program(name)
    with made.build("host") as host, made.build("sanitized") as checked:
        first = lesson(host, x)
        assert first == lesson(checked, x)
        host.reset()
        assert first == lesson(host, x)


@pytest.mark.parametrize("bits", [0, 4, 8])
@pytest.mark.parametrize("name", NETWORKS)
def test_the_oracle_is_close_and_the_arena_equals_it(name: str, bits: int) -> None:
    made, x = program(name, precision=tl.Int8(extra_bits=bits))
    oracle, arena = (tl.Trainer(made, kind(made)) for kind in (OracleDevice, ArenaDevice))
    assert lesson(oracle, x) == lesson(arena, x)
    oracle.reset()
    with made.build("host") as host:
        logits = [trainer.predict(x) for trainer in (host, oracle)]
        assert np.allclose(*logits, rtol=1e-5, atol=1e-6)
        losses = [trainer.step(x, [1]) for trainer in (host, oracle)]
        assert losses[0] == pytest.approx(losses[1], rel=1e-5)
        states = [split_blob(made, trainer.save()) for trainer in (host, oracle)]
    for leaf, values in states[0].items():
        if values.dtype.kind == "f":
            assert np.allclose(values, states[1][leaf], rtol=1e-5, atol=1e-6), leaf
        else:  # a rounded step may fall on the other side, rarely
            apart = np.abs(values.astype(np.int64) - states[1][leaf])
            assert apart.max() <= 1 and apart.sum() <= max(1, 0.01 * apart.size), leaf


@pytest.mark.parametrize(
    "options",
    [
        {"optimizer": tl.SGD(lr=0.01, momentum=0.9)},
        {"optimizer": tl.Adam(lr=0.001)},
        {"accumulate": 3},
    ],
    ids=["momentum", "adam", "accumulate"],
)
def test_other_updates(options: dict) -> None:
    made, x = program("ds_cnn", roomy("cortex-m7"), **options)
    with made.build("host") as host, made.build("unicorn", count=False) as device:
        losses, blob = lesson(host, x)
        assert (losses, blob) == lesson(device, x)
    assert losses[-1] < losses[0]


def test_saving_and_loading_goes_on_with_the_same_bits() -> None:
    made, x = program("ds_cnn", precision=tl.Int8(extra_bits=0))
    with made.build("host") as one, made.build("host") as other:
        lesson(one, x, 3)
        other.load(one.save())
        assert lesson(one, x, 3) == lesson(other, x, 3)


def test_a_state_in_real_units_goes_back_and_forth() -> None:
    made, x = program("ds_cnn")
    with made.build("host") as trainer:
        lesson(trainer, x, 3)
        state, blob = trainer.state(), trainer.save()
        trainer.reset()
        trainer.load_state(state)
        again = split_blob(made, trainer.save())
        for name, values in split_blob(made, blob).items():
            if name in state:
                assert (values == again[name]).all(), name


def test_a_smaller_trainer_than_float32() -> None:
    made, _ = program("ds_cnn", roomy("cortex-m7"))
    assert made.arena_bytes < 100_000
    assert made.constant_bytes < 30_000
