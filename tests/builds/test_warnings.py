"""A warning stops our tests, and never a user, whose compiler may warn of more than ours."""

from pathlib import Path

import pytest

from trainlet.backends.toolchain import STRICT, arm_toolchain, compile_shared
from trainlet.errors import ToolchainError
from trainlet.planning.cpu import CPUS

DOUBTFUL = "static void unused(void) {}\n"


def build(folder: Path) -> None:
    source = folder / "doubtful.c"
    source.write_text(DOUBTFUL)
    compile_shared([source], folder / "doubtful.so")
    arm_toolchain("zig").compile(CPUS["cortex-m7"], source, folder / "doubtful.o")


def test_a_user_gets_the_program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(STRICT)
    build(tmp_path)


def test_our_tests_get_an_error(tmp_path: Path) -> None:
    with pytest.raises(ToolchainError, match="unused"):
        build(tmp_path)
