"""Host, Unicorn and QEMU give the same bits; the emulators also count the same instructions."""

import numpy as np
import pytest

from emulator.project import HAS_CC, INTERFACE, LINEAR, SAMPLE, run
from trainlet.errors import DataError, DeviceFault, StateError, TargetError
from trainlet.planning.cpu import CPUS
from trainlet.run.device import Device
from trainlet.run.native import NativeDevice
from trainlet.run.qemu_device import QemuDevice
from trainlet.run.sanitized import SanitizedDevice
from trainlet.run.unicorn_device import UnicornDevice

COMPILERS = ("zig", "gcc")
IN_UNICORN = [cpu.name for cpu in CPUS.values() if cpu.unicorn]


@pytest.mark.parametrize("compiler", COMPILERS)
@pytest.mark.parametrize("core", IN_UNICORN)
def test_unicorn_equals_the_host(core, compiler, firmware, expected):
    with UnicornDevice(firmware(core, compiler)) as device:
        assert run(device).results == expected.results


@pytest.mark.qemu
@pytest.mark.parametrize("compiler", COMPILERS)
@pytest.mark.parametrize("core", [core for core in IN_UNICORN if CPUS[core].board])
def test_qemu_equals_unicorn(core, compiler, firmware, expected):
    with QemuDevice(firmware(core, compiler)) as device:
        there = run(device)
    with UnicornDevice(firmware(core, compiler)) as device:
        assert run(device) == there
    assert there.results == expected.results
    assert all(count and 50 < count < 20_000 for count in there.instructions)


@pytest.mark.qemu
@pytest.mark.parametrize("compiler", COMPILERS)
def test_cortex_m55_runs_in_qemu(compiler, firmware, expected):
    with QemuDevice(firmware("cortex-m55", compiler)) as device:
        first = run(device)
    assert first.results == expected.results
    with QemuDevice(firmware("cortex-m55", compiler)) as device:
        assert run(device) == first


@pytest.mark.qemu
def test_without_counting(firmware, expected):
    for kind in (UnicornDevice, QemuDevice):
        with kind(firmware("cortex-m7", "zig"), count=False) as device:
            measured = run(device)
        assert measured.results == expected.results
        assert set(measured.instructions) == {None}


def test_the_python_counter_agrees(firmware, monkeypatch):
    with UnicornDevice(firmware("cortex-m7", "zig")) as device:
        compiled = run(device)
    monkeypatch.setattr("trainlet.run.counter.Counter._hook_compiled", lambda self: False)
    with UnicornDevice(firmware("cortex-m7", "zig")) as device:
        assert run(device) == compiled


@pytest.mark.skipif(not HAS_CC, reason="the sanitizers need gcc or clang")
def test_the_sanitizers_find_nothing(expected):
    with SanitizedDevice(LINEAR, INTERFACE) as device:
        assert run(device).results == expected.results


def test_each_native_device_has_its_own_state():
    with NativeDevice(LINEAR, INTERFACE) as one, NativeDevice(LINEAR, INTERFACE) as other:
        before = other.predict(SAMPLE)
        one.step(SAMPLE, 1, 0.1)
        assert np.array_equal(other.predict(SAMPLE), before)
        assert not np.array_equal(one.predict(SAMPLE), before)


def refuses(device: Device) -> None:
    """Bad arguments and bad states are refused, and change nothing."""
    blob = device.save()
    damaged = bytearray(blob)
    damaged[20] ^= 4
    with pytest.raises(StateError, match="damaged"):
        device.load(bytes(damaged))
    with pytest.raises(StateError, match="67 bytes, this program's has 68"):
        device.load(blob[:-1])
    with pytest.raises(DataError, match="finite"):
        device.predict(SAMPLE | {"x": [1, 2, np.nan, 4]})
    with pytest.raises(DataError, match="label"):
        device.step(SAMPLE, 3, 0.1)
    with pytest.raises(DataError, match="learning rate is inf"):
        device.step(SAMPLE, 1, np.inf)
    with pytest.raises(DataError, match="takes integers"):
        device.step(SAMPLE, 0.5, 0.1)
    with pytest.raises(DataError, match="'x' has 3 values"):
        device.predict(SAMPLE | {"x": [1, 2, 3]})
    with pytest.raises(DataError, match="takes \\['gain', 'x'\\]"):
        device.predict({"x": SAMPLE["x"]})
    assert device.save() == blob
    device.close()
    device.close()
    with pytest.raises(DeviceFault, match="closed"):
        device.predict(SAMPLE)


def test_refusals_on_the_host():
    refuses(NativeDevice(LINEAR, INTERFACE))


def test_refusals_under_unicorn(firmware):
    refuses(UnicornDevice(firmware("cortex-m4", "zig")))


@pytest.mark.qemu
def test_refusals_in_qemu(firmware):
    refuses(QemuDevice(firmware("cortex-m4", "zig")))


def test_cores_that_an_emulator_lacks(firmware):
    with pytest.raises(TargetError, match="use QEMU"):
        UnicornDevice(firmware("cortex-m55", "zig"))
    with pytest.raises(TargetError, match="use Unicorn"):
        QemuDevice(firmware("cortex-m0plus", "zig"))
