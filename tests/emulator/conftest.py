"""Firmware is built once a session, and only what a test asks for."""

from collections.abc import Callable, Iterator
from functools import cache

import pytest

from emulator.project import HAS_GCC, HAS_QEMU, INTERFACE, LINEAR, Run, run
from trainlet.backends.firmware import Firmware, build_firmware
from trainlet.planning.target import Target
from trainlet.run.native import NativeDevice


@pytest.fixture(autouse=True)
def needed_tools(request: pytest.FixtureRequest) -> None:
    """Tests with a parameter compiler="gcc", or marked qemu, skip where these are absent."""
    parameters = getattr(request.node, "callspec", None)
    if parameters and parameters.params.get("compiler") == "gcc" and not HAS_GCC:
        pytest.skip("arm-none-eabi-gcc is not installed")
    if request.node.get_closest_marker("qemu") and not HAS_QEMU:
        pytest.skip("qemu-system-arm is not installed")


@pytest.fixture(scope="session")
def firmware(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str, str], Firmware]:
    """(core, compiler) -> the sound project's firmware."""

    @cache
    def build(core: str, compiler: str) -> Firmware:
        folder = tmp_path_factory.mktemp(f"{core}-{compiler}")
        return build_firmware(LINEAR, INTERFACE, Target.preset(core), folder, compiler)

    return build


@pytest.fixture(scope="session")
def expected() -> Iterator[Run]:
    """What the host gives."""
    with NativeDevice(LINEAR, INTERFACE) as device:
        yield run(device)
