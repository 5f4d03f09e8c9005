"""A strategy of Flower that sends the server's tasks and takes only what its guard accepts."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable

import numpy as np
from flwr.app import (
    Array,
    ArrayRecord,
    ConfigRecord,
    Message,
    MessageType,
    MetricRecord,
    RecordDict,
)
from flwr.serverapp import Grid
from flwr.serverapp.strategy import Strategy

from trainlet.errors import TrainletError
from trainlet.fleet.message import NOTHING
from trainlet.fleet.server import LOG, Server

TASK, UPDATE, BYTES, MODEL, RIGHT = "task", "update", "bytes", "model", "right"
WAIT = 1.0  # seconds between two looks at which nodes are connected

Tasks = Callable[[int, int], bytes]
"""device, the round whose model it has -> the task as bytes."""


class FleetStrategy(Strategy):
    """Rounds of a `Server` over a Grid.  A node's number in the fleet is given when it is first
    seen; an update that names another number is refused, so no node speaks for another."""

    def __init__(
        self, server: Server, tasks: Tasks, nodes: int, every: int = 0, patience: float = 600.0
    ) -> None:
        """tasks: makes the task of the open round
        nodes: how many must be connected before a round begins, at most `patience` seconds later
        every: after so many rounds the nodes test the model; 0 for never
        """
        self.server, self.tasks, self.nodes, self.patience = server, tasks, nodes, patience
        self.every = every
        self.number: dict[int, int] = {}
        self.base: dict[int, int] = {}

    def configure_train(
        self, server_round: int, arrays: ArrayRecord, config: ConfigRecord, grid: Grid
    ) -> Iterable[Message]:
        """A task for every connected node of the fleet."""
        messages = []
        for node in self._connected(grid):
            number = self.number.setdefault(node, len(self.number))
            if number not in self.server.guard.devices:
                continue  # more nodes than the fleet has devices
            task = self.tasks(number, self.base.get(node, NOTHING))
            record = RecordDict({TASK: ConfigRecord({BYTES: task})})
            messages.append(Message(record, node, MessageType.TRAIN))
        return messages

    def _connected(self, grid: Grid) -> list[int]:
        end = time.monotonic() + self.patience
        while len(found := sorted(grid.get_node_ids())) < self.nodes:
            if time.monotonic() > end:
                raise TrainletError(f"{len(found)} of {self.nodes} nodes are connected after "
                                    f"{self.patience:g} s; start the others")  # fmt: skip
            time.sleep(WAIT)
        return found

    def aggregate_train(
        self, server_round: int, replies: Iterable[Message]
    ) -> tuple[ArrayRecord, MetricRecord]:
        """Offer every update to the server and close the round."""
        for reply in replies:
            node = reply.metadata.src_node_id
            if reply.has_error():
                self.base.pop(node, None)  # it may have lost the model that it had
                LOG.log(logging.INFO, "round %d: node %d: %s", self.server.round + 1, node,
                        reply.error.reason)  # fmt: skip
                continue
            verdict = self.server.offer(_bytes(reply), sender=self.number.get(node))
            if verdict.accepted:
                self.base[node] = self.server.round
        taken = self.server.finish()
        return self.model(), MetricRecord({"taken": taken, "bytes-up": self.server.bytes_up})

    def model(self) -> ArrayRecord:
        """The server's vector as Flower keeps arrays."""
        return ArrayRecord({MODEL: Array(np.asarray(self.server.model))})

    def configure_evaluate(
        self, server_round: int, arrays: ArrayRecord, config: ConfigRecord, grid: Grid
    ) -> Iterable[Message]:
        """The model, to every node of the fleet, in the rounds in which it is tested."""
        if not self.every or self.server.round % self.every:
            return []
        return [
            Message(RecordDict({MODEL: arrays}), node, MessageType.EVALUATE)
            for node, number in self.number.items()
            if number in self.server.guard.devices
        ]

    def aggregate_evaluate(
        self, server_round: int, replies: Iterable[Message]
    ) -> MetricRecord | None:
        """The accuracy over the test examples of all nodes, as the nodes tell it."""
        told = [one.content.metric_records["metrics"] for one in replies if not one.has_error()]
        totals = [_count(one, "num-examples") for one in told]
        right = sum(min(_count(one, RIGHT), n) for one, n in zip(told, totals, strict=True))
        total = sum(totals)
        if not total:
            return None
        LOG.info("round %d: %d of %d test examples of %d nodes are right (%.1f %%)",
                 self.server.round, right, total, len(told), 100 * right / total)  # fmt: skip
        return MetricRecord({"accuracy": right / total, "num-examples": total})

    def summary(self) -> None:
        """Log what the fleet is."""
        LOG.info("%d devices, %d shared values, after round %d", len(self.server.guard.devices),
                 self.server.coordinates.size, self.server.round)  # fmt: skip


def _count(metrics: MetricRecord, name: str) -> int:
    """A count that a node tells; 0 for what is none."""
    value = metrics.get(name)
    return value if isinstance(value, int) and value > 0 else 0


def _bytes(reply: Message) -> bytes:
    """The update in a reply; empty where it has none, which the server refuses."""
    record = reply.content.config_records.get(UPDATE, {})
    value = record.get(BYTES, b"")
    return value if isinstance(value, bytes) else b""
