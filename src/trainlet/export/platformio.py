"""A library of PlatformIO: library.json, src/ and a project as the example."""

from __future__ import annotations

import json

from trainlet.export.package import FLAGS, Files, Package


def files(package: Package) -> Files:
    """The example is the Arduino sketch in a project of PlatformIO."""
    about, prefix = package.about, package.project.api.prefix
    manifest = {
        "name": about.name,
        "version": about.version,
        "description": about.summary,
        "keywords": ["machine learning", "neural network", "training"],
        "authors": [{"name": about.author, "maintainer": True}],
        "homepage": about.page,
        "license": "Apache-2.0",
        "frameworks": "*",
        "platforms": "*",
        "headers": [f"{prefix}.h"],
        "build": {"flags": list(FLAGS)},
        "examples": [
            {
                "name": "Sensor",
                "base": "examples/sensor",
                "files": ["platformio.ini", "src/main.cpp"],
            }
        ],
    }
    return {
        "library.json": json.dumps(manifest, indent=2) + "\n",
        "README.md": package.fill("platformio/README.md"),
        "examples/sensor/platformio.ini": package.fill("platformio/platformio.ini"),
        "examples/sensor/src/main.cpp": package.fill("platformio/main.cpp"),
        **package.under("src"),
    }
