"""The same fleet through Flower 1.42: its message API, its strategies, its processes.

Importing this needs flwr, which wants other versions of rich, typer and protobuf than many
environments have: docs/fleet.md says how to install it.
"""

from __future__ import annotations

from importlib.util import find_spec

from trainlet.errors import TrainletError

ALLOWED = "flwr 1.42 (pip install 'trainlet[fleet]', in an environment of its own)"

if find_spec("flwr") is None:
    raise TrainletError(f"Flower is not installed; needed: {ALLOWED}")
