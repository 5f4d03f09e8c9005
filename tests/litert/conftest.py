"""The kernels, compiled once per test process, and a way to open files written here."""

import pytest

from catalogue.conftest import library  # noqa: F401  a fixture


@pytest.fixture
def opened(tmp_path):
    """Imports the bytes of a file."""
    from trainlet.frontends.tflite import import_tflite

    def read(content):
        path = tmp_path / "network.tflite"
        path.write_bytes(content)
        return import_tflite(path)

    return read
