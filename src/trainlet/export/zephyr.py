"""A module of Zephyr with a Kconfig option and a sample."""

from __future__ import annotations

from trainlet.export.package import Files, Package


def files(package: Package) -> Files:
    """zephyr/module.yml and its build files, src/, and samples/sensor."""
    option = package.about.name.upper().replace("-", "_")
    names = {
        "zephyr/module.yml": "module.yml",
        "zephyr/Kconfig": "Kconfig",
        "zephyr/CMakeLists.txt": "CMakeLists.txt",
        "README.md": "README.md",
        "samples/sensor/CMakeLists.txt": "sample.cmake",
        "samples/sensor/prj.conf": "prj.conf",
        "samples/sensor/sample.yaml": "sample.yaml",
        "samples/sensor/src/main.c": "main.c",
    }
    made = {path: package.fill(f"zephyr/{name}", option=option) for path, name in names.items()}
    return {**made, **package.under("src")}
