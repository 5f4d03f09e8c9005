"""A Flower app of a setting: a folder that `flwr run` takes."""

from __future__ import annotations

import json
from pathlib import Path

from trainlet.files import filling
from trainlet.fleet.setting import Setting

CODE = '''"""The apps of the fleet, where Flower looks for them."""

from trainlet.fleet.flower.client import app as client
from trainlet.fleet.flower.server import app as server

__all__ = ["client", "server"]
'''
PROJECT = """[project]
name = "fleet"
version = "1.0.0"
description = "A fleet of compiled trainers"
license = "Apache-2.0"
dependencies = []

[tool.flwr.app]
publisher = "trainlet"

[tool.flwr.app.components]
serverapp = "fleet_app:server"
clientapp = "fleet_app:client"

[tool.flwr.app.config]
fleet = {fleet}
output = {output}
nodes = {nodes}
timeout = 3600.0
"""


def write_app(folder: Path, setting: Setting, nodes: int) -> None:
    """Write pyproject.toml, fleet.toml and fleet_app.py; all of them, or none.

    nodes: how many devices the server waits for
    Paths in the setting become absolute, because Flower runs an app in a folder of its own.
    Raises FileError.
    """
    folder = folder.resolve()
    values = setting.values()
    for name in ("net", "data", "calibration", "scheme"):
        if values[name] and Path(values[name]).exists():
            values[name] = str(Path(values[name]).resolve())
    lines = [f"{name} = {_toml(value)}\n" for name, value in values.items()]
    fleet, output = _toml(str(folder / "fleet.toml")), _toml(str(folder))
    with filling(folder) as new:
        (new / "fleet.toml").write_text("".join(lines), encoding="utf-8")
        (new / "fleet_app.py").write_text(CODE, encoding="utf-8")
        project = PROJECT.format(fleet=fleet, output=output, nodes=nodes)
        (new / "pyproject.toml").write_text(project, encoding="utf-8")


def _toml(value: str | int | float | bool) -> str:
    """A value as TOML: JSON's strings, numbers and truth values are TOML's."""
    return json.dumps(value)
