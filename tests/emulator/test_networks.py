"""Whole networks on emulated Cortex-M cores: the bits of the host, step for step."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cache

import pytest

import trainlet as tl
from emulator.project import HAS_CC
from networks.schemes import scheme
from trainlet.backends.firmware import Firmware, build_firmware
from trainlet.backends.interface import interface_of
from trainlet.compiled import CompiledProgram
from trainlet.planning.cpu import CPUS
from trainlet.run.qemu_device import QemuDevice
from trainlet.run.simulated import ArenaDevice, OracleDevice
from trainlet.run.unicorn_device import UnicornDevice
from zoo import NETWORKS

MEGABYTE = 1 << 20
STEPS = 2
TRAINED = {
    "mlp": "full",
    "lenet5": "full",
    "ds_cnn": "full",
    "resnet8": "full",
    "se_hardswish": "sparse",
    "audio_conv1d": "full",
    "cct2": "sparse",
    "recurrent": "full",
}
EMULATORS = pytest.mark.parametrize(
    "emulator", [UnicornDevice, pytest.param(QemuDevice, marks=pytest.mark.qemu)]
)
COMPILERS = pytest.mark.parametrize("compiler", ["zig", "gcc"])


@dataclass(frozen=True)
class Results:
    """What must be equal on every device, bit for bit."""

    losses: tuple[float, ...]
    logits: tuple[bytes, ...]
    states: tuple[bytes, ...]


def run(trainer: tl.Trainer, network: str, steps: int = STEPS) -> Results:
    case = NETWORKS[network](1)
    losses, logits, states = [], [trainer.predict(case.x).tobytes()], []
    for _ in range(steps):
        losses.append(trainer.step(case.x, case.y))
        logits.append(trainer.predict(case.x).tobytes())
        states.append(trainer.save())
    assert len(set(states)) == steps and len(set(logits)) == steps + 1, "the state did not change"
    return Results(tuple(losses), tuple(logits), tuple(states))


@cache
def compiled(network: str, core: str, kind: str) -> CompiledProgram:
    """For the core, with more memory than there is on the chip."""
    flash = (2 if core == "cortex-m55" else 4) * MEGABYTE
    target = replace(tl.Target.preset(core), ram=4 * MEGABYTE, flash=flash)
    case = NETWORKS[network](1)
    return tl.compile(case.model, case.x, scheme(network, kind, case.model), target=target)


@cache
def host(network: str, kind: str, steps: int = STEPS) -> Results:
    with compiled(network, "cortex-m7", kind).build("host") as trainer:
        return run(trainer, network, steps)


@pytest.fixture(scope="session")
def built(tmp_path_factory) -> Callable[..., Firmware]:
    """(network, core, kind, compiler) -> its firmware, made once."""

    @cache
    def build(network: str, core: str, kind: str, compiler: str) -> Firmware:
        program = compiled(network, core, kind)
        folder = tmp_path_factory.mktemp(f"{network}-{core}")
        program.write(folder / "project")
        return build_firmware(
            folder / "project", interface_of(program), program.target, folder, compiler
        )

    return build


@EMULATORS
@COMPILERS
@pytest.mark.parametrize("network", TRAINED)
def test_cortex_m7_equals_the_host(network, compiler, emulator, built):
    kind = TRAINED[network]
    made = built(network, "cortex-m7", kind, compiler)
    with tl.Trainer(compiled(network, "cortex-m7", kind), emulator(made, count=False)) as trainer:
        assert run(trainer, network) == host(network, kind)
        assert 0 < trainer.device.stack_used() <= made.stack_bytes


@EMULATORS
@COMPILERS
@pytest.mark.parametrize("core", [core for core in CPUS if core != "cortex-m7"])
@pytest.mark.parametrize(
    ("network", "steps"), [("mlp", 3), pytest.param("ds_cnn", 1, marks=pytest.mark.long)]
)
def test_other_cores_equal_the_host(network, steps, core, compiler, emulator, built):
    known = CPUS[core].unicorn if emulator is UnicornDevice else CPUS[core].board
    if known is None:
        pytest.skip("this emulator does not know the core")
    made = built(network, core, "sparse", compiler)
    with tl.Trainer(compiled(network, core, "sparse"), emulator(made, count=False)) as trainer:
        assert run(trainer, network, steps) == host(network, "sparse", steps)


@pytest.mark.skipif(not HAS_CC, reason="the sanitizers need gcc or clang")
@pytest.mark.parametrize("network", NETWORKS)
def test_the_sanitizers_find_nothing(network):
    case = NETWORKS[network](1)
    chosen = scheme(network, "sparse", case.model)
    program = tl.compile(case.model, case.x, chosen, target="host")
    with program.build("sanitized") as watched, program.build("host") as trainer:
        assert run(watched, network) == run(trainer, network)
        watched.reset()
        watched.load(trainer.save())
        assert watched.save() == trainer.save()


OPTIONS = {
    "sgd": {"optimizer": tl.SGD(0.01)},
    "momentum": {"optimizer": tl.SGD(0.01, momentum=0.9)},
    "adam": {"optimizer": tl.Adam(0.001)},
    "sgd of 3": {"accumulate": 3},
    "momentum of 3": {"accumulate": 3, "optimizer": tl.SGD(0.01, momentum=0.9)},
    "adam of 3": {"accumulate": 3, "optimizer": tl.Adam(0.001)},
}


@contextmanager
def everywhere(program: CompiledProgram, names: list[str]) -> Iterator[dict[str, tl.Trainer]]:
    trainers = {name: program.build(name, count=False) for name in names}
    trainers["oracle"] = tl.Trainer(program, OracleDevice(program))
    trainers["arena"] = tl.Trainer(program, ArenaDevice(program))
    try:
        yield trainers
    finally:
        for trainer in trainers.values():
            trainer.close()


def train(trainer: tl.Trainer, steps: int) -> list[float]:
    case = NETWORKS["audio_conv1d"](1)
    return [trainer.step(case.x, case.y) for _ in range(steps)]


@pytest.mark.qemu
@pytest.mark.skipif(not HAS_CC, reason="the sanitizers need gcc or clang")
@pytest.mark.parametrize("options", OPTIONS.values(), ids=OPTIONS)
def test_every_optimizer_on_every_device(options):
    """Five steps: with accumulate=3, one application and two gradients that wait in the blob."""
    case = NETWORKS["audio_conv1d"](1)
    chosen = scheme("audio_conv1d", "sparse", case.model)
    program = tl.compile(case.model, case.x, chosen, target="cortex-m7", **options)
    with everywhere(program, ["host", "sanitized", "unicorn", "qemu"]) as trainers:
        losses = {name: train(trainer, 5) for name, trainer in trainers.items()}
        blobs = {name: trainer.save() for name, trainer in trainers.items()}
        for name in ("sanitized", "unicorn", "qemu"):
            assert losses[name] == losses["host"], name
            assert blobs[name] == blobs["host"], name
        assert losses["arena"] == losses["oracle"] and blobs["arena"] == blobs["oracle"]
        assert losses["host"] == pytest.approx(losses["oracle"], rel=1e-5)
        changed = len(set(losses["host"]))
        assert changed == (2 if "accumulate" in options else 5)

        trainers["oracle"].load(blobs["host"])  # each goes on from where the host is
        trainers["unicorn"].reset()
        trainers["unicorn"].load(blobs["host"])
        following = train(trainers["host"], 4)
        assert train(trainers["unicorn"], 4) == following
        assert train(trainers["oracle"], 4) == pytest.approx(following, rel=1e-5)
