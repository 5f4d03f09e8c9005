"""The program and its command loop as a process of this machine, under the sanitizers.

Slower than `NativeDevice`, but a bad access or undefined behaviour becomes a DeviceFault.
"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from trainlet.backends.firmware import SOURCES, render
from trainlet.backends.interface import Interface
from trainlet.backends.toolchain import compile_sanitized
from trainlet.run.commands import CommandDevice
from trainlet.run.process import ProcessLink


class SanitizedDevice(CommandDevice):
    """AddressSanitizer and UndefinedBehaviorSanitizer watch every call."""

    def __init__(self, project: Path | str, interface: Interface, timeout: float = 600) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="trainlet-")
        folder, project = Path(self._folder.name), Path(project)
        main = render("main.c.jinja", folder, interface=interface)
        sources = [main, SOURCES / "board_host.c", project / f"{interface.prefix}.c"]
        program = folder / interface.prefix
        compile_sanitized(sources, program, f"-I{SOURCES}", f"-I{project}")
        environment = {**os.environ, "ASAN_OPTIONS": "detect_leaks=0"}
        super().__init__(ProcessLink([str(program)], timeout, None, environment), interface)

    def close(self) -> None:
        super().close()
        self._folder.cleanup()
