"""The reference kernels on this machine."""

import pytest

from catalogue.kernels import Library, prototypes
from kernels.shadows import REFERENCE, folder, made, sources
from trainlet.backends.toolchain import compile_shared


@pytest.fixture(scope="session")
def reference(tmp_path_factory: pytest.TempPathFactory) -> Library:
    work = tmp_path_factory.mktemp("reference")
    files = [*sources([REFERENCE]), *made(work)]
    compile_shared(files, work / "kernels.so", f"-I{folder(REFERENCE)}")
    return Library(work / "kernels.so", prototypes(work, files))
