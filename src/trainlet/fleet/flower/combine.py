"""Flower's strategies as what combines the updates of a round."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from flwr.app import Array, ArrayRecord, MetricRecord, RecordDict
from flwr.serverapp.strategy import (
    FedAdam,
    FedAvg,
    FedProx,
    FedTrimmedAvg,
    Krum,
)

from trainlet.fleet.combine import Contribution, mean_change
from trainlet.fleet.setting import Setting

KEY, EXAMPLES = "change", "num-examples"
MOMENTS = ("m_t", "v_t")
"""What FedAdam remembers between rounds."""


@dataclass
class Reply:
    """What a strategy reads of a reply.  Flower's own Message can be made in a running app only."""

    content: RecordDict

    def has_error(self) -> bool:
        return False


class FlowerCombine:
    """A strategy of Flower aggregates the changes of a round.

    A strategy expects arrays of one shape.  A coordinate that a device does not train is therefore
    filled with the mean of those that do: FedAvg then averages over the contributors, and Krum and
    the trimmed mean see nothing unusual there.  Strategies get changes instead of models, which
    only shifts the origin, and keeps the digits that distances between models would lose.
    """

    def __init__(self, strategy: FedAvg) -> None:
        self.strategy = strategy

    def __call__(
        self, round: int, model: np.ndarray, contributions: Sequence[Contribution]
    ) -> np.ndarray:
        mean = mean_change(len(model), contributions)
        replies: list[Any] = []
        for one in contributions:
            change = mean.copy()
            change[one.index] = one.change
            record = RecordDict({
                "arrays": ArrayRecord({KEY: Array(change)}),
                "metrics": MetricRecord({EXAMPLES: one.examples}),
            })  # fmt: skip
            replies.append(Reply(record))
        if isinstance(self.strategy, FedAdam):  # configure_train would note these
            self.strategy.current_arrays = {KEY: np.zeros(len(model))}
        arrays, _ = self.strategy.aggregate_train(round, replies)
        assert arrays is not None
        return (model + arrays[KEY].numpy()).astype(np.float32)

    def state(self) -> dict[str, np.ndarray]:
        moments = {name: getattr(self.strategy, name, None) for name in MOMENTS}
        return {name: kept[KEY] for name, kept in moments.items() if kept}

    def load_state(self, state: dict[str, np.ndarray]) -> None:
        for name in MOMENTS:
            if name in state:
                setattr(self.strategy, name, {KEY: state[name]})


def combine_of(setting: Setting) -> FlowerCombine:
    """The strategy of a setting."""
    made = {
        "fedavg": lambda: FedAvg(),
        "fedprox": lambda: FedProx(proximal_mu=setting.proximal),
        "fedadam": lambda: FedAdam(eta=setting.server_lr),
        "krum": lambda: Krum(num_malicious_nodes=setting.attackers),
        "trimmed": lambda: FedTrimmedAvg(beta=setting.trim),
    }
    return FlowerCombine(made[setting.strategy]())
