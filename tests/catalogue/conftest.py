"""The kernels, compiled once per test process."""

import pytest

from catalogue.kernels import FOLDER, Library, prototypes, reference_sources
from trainlet.backends.toolchain import compile_shared


@pytest.fixture(scope="session")
def library(tmp_path_factory):
    """Every kernel, each compiled alone."""
    folder = tmp_path_factory.mktemp("kernels")
    files = reference_sources(folder)
    compile_shared(files, folder / "kernels.so", f"-I{FOLDER}")
    return Library(folder / "kernels.so", prototypes(folder, files))
