"""What holds for all tests, and what the summary of a run says of this machine."""

import os

import pytest

from simulation.devices import HAS_GPU
from trainlet.backends.toolchain import STRICT

os.environ[STRICT] = "1"  # C that the tests build has no warnings


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if not HAS_GPU:
        terminalreporter.write_line("no CUDA device: no case of tests/simulation is made for one")
