"""A library of the Arduino IDE, in the layout of its library specification (rev. 2.2)."""

from __future__ import annotations

from trainlet.export.package import Files, Package


def files(package: Package) -> Files:
    """library.properties, src/ and one example."""
    return {
        "library.properties": package.fill("arduino/library.properties"),
        "README.md": package.fill("arduino/README.md"),
        "examples/Sensor/Sensor.ino": package.fill("arduino/sketch"),
        **package.under("src"),
    }
