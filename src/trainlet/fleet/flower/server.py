"""The ServerApp: the fleet's server over Flower's Grid."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from flwr.app import Context
from flwr.serverapp import Grid, ServerApp

from trainlet.errors import TrainletError
from trainlet.files import replacing
from trainlet.fleet.flower.combine import combine_of
from trainlet.fleet.flower.secure_strategy import SecureStrategy
from trainlet.fleet.flower.strategy import FleetStrategy
from trainlet.fleet.member import Recipe
from trainlet.fleet.server import LOG, Server
from trainlet.fleet.setting import Setting
from trainlet.fleet.simulation import order_of

app = ServerApp()


@app.main()
def main(grid: Grid, context: Context) -> None:
    """Rounds until the setting's number is reached, also where an earlier server was killed."""
    setting = Setting.load(str(context.run_config["fleet"]))
    recipe = setting.recipe()
    nodes = context.run_config["nodes"]
    if not isinstance(nodes, int) or nodes < 1:
        raise TrainletError(f"nodes = {nodes!r}; allowed: a number of devices, at least 1")
    folder = Path(str(context.run_config["output"]))
    server = Server(
        recipe.shared, recipe.start, {recipe.fingerprint: recipe.shared}, range(nodes),
        recipe.encoding.of_models, combine=combine_of(setting), journal=folder / "journal.npz",
    )  # fmt: skip

    def task(device: int, base: int) -> bytes:
        order = order_of(setting.seed, server.round, device)
        return server.task(device, base, setting.epochs, order, setting.lr)

    timeout = float(str(context.run_config.get("timeout", 3600.0)))
    given = server, task, nodes, setting.evaluate
    secure = setting.secure_aggregation
    strategy = SecureStrategy(*given, timeout=timeout) if secure else FleetStrategy(*given)
    left = setting.rounds - server.round
    if left > 0:
        LOG.info("round %d of %d is next", server.round + 1, setting.rounds)
        strategy.start(grid, strategy.model(), left, timeout)
    _write(server, recipe, folder / "model.npz")


def _write(server: Server, recipe: Recipe, path: Path) -> None:
    """The model that the fleet has learnt: its parameters, in the layout of the user's model."""
    with recipe.program.build("host") as trainer:
        state = recipe.shared.put(server.model, trainer.state())
    with replacing(path) as part:
        np.savez(part, **{name: state[name] for name in recipe.shared.names})  # type: ignore[arg-type]
