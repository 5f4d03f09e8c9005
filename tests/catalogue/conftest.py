"""The kernels, compiled once per test process."""

import pytest

from catalogue.kernels import SOURCES, Library, prototypes
from trainlet.backends.toolchain import compile_shared


@pytest.fixture(scope="session")
def library(tmp_path_factory):
    """Every kernel, each compiled alone."""
    folder = tmp_path_factory.mktemp("kernels")
    compile_shared(SOURCES, folder / "kernels.so")
    return Library(folder / "kernels.so", prototypes(folder))
