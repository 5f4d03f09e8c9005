"""A component of ESP-IDF with an example project."""

from __future__ import annotations

from trainlet.export.package import Files, Package

NEEDS = {"esp-idf": "nvs_flash", "posix": "vfs"}
"""The components of ESP-IDF that the drivers use."""


def files(package: Package) -> Files:
    """idf_component.yml, CMakeLists.txt, src/, and examples/sensor."""
    needs = [NEEDS[part] for part in package.parts if part in NEEDS]
    names = {
        "idf_component.yml": "idf_component.yml",
        "CMakeLists.txt": "CMakeLists.txt",
        "README.md": "README.md",
        "examples/sensor/CMakeLists.txt": "example.cmake",
        "examples/sensor/main/CMakeLists.txt": "main.cmake",
        "examples/sensor/main/idf_component.yml": "main.yml",
        "examples/sensor/main/main.c": "main.c",
    }
    made = {path: package.fill(f"esp_idf/{name}", needs=needs) for path, name in names.items()}
    return {**made, **package.under("src")}
