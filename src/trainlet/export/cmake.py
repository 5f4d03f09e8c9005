"""A CMake package: add_subdirectory, FetchContent, or installed and found by find_package."""

from __future__ import annotations

from trainlet.export.package import Files, Package


def files(package: Package) -> Files:
    """CMakeLists.txt, src/, and an example that reads a sensor of Linux."""
    names = {
        "CMakeLists.txt": "CMakeLists.txt",
        "README.md": "README.md",
        "examples/sensor.c": "sensor.c",
    }
    made = {path: package.fill(f"cmake/{name}") for path, name in names.items()}
    return {**made, **package.under("src")}
