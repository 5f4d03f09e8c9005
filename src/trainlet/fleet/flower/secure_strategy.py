"""Rounds over Flower in which the server learns the sum of the updates and no single one.

Flower 1.42 has SecAgg+ for its earlier API alone: it masks the results of NumPy clients.  The
messages here are those of `trainlet.fleet.secure`, over the message API of all other rounds.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np
from flwr.app import ArrayRecord, ConfigRecord, Message, MessageType, MetricRecord, RecordDict
from flwr.serverapp import Grid

from trainlet.errors import StateError
from trainlet.fleet.flower.secure_client import (
    NUMBER,
    ROUND,
    SECURE,
    as_values,
    paired,
    pairs,
    public_keys,
)
from trainlet.fleet.flower.strategy import BYTES, FleetStrategy
from trainlet.fleet.secure.keys import PublicKeys
from trainlet.fleet.secure.protocol import Revealed, unmask
from trainlet.fleet.secure.round import SecureAggregation, bytes_told
from trainlet.fleet.server import LOG


class SecureStrategy(FleetStrategy):
    """A FleetStrategy whose nodes exchange keys before they train, and reveal masks after it."""

    def __init__(self, *given: Any, timeout: float = 3600.0, **more: Any) -> None:
        """timeout: seconds for the answers to one of the four messages; else as FleetStrategy."""
        super().__init__(*given, **more)
        self.secure, self.timeout = SecureAggregation(), timeout
        self.points = self.secure.fixed_point(self.nodes)
        self._grid: Grid | None = None
        self._keys: dict[int, PublicKeys] = {}
        self._shares: dict[int, dict[int, bytes]] = {}

    def configure_train(
        self, server_round: int, arrays: ArrayRecord, config: ConfigRecord, grid: Grid
    ) -> Iterable[Message]:
        """Messages 1 and 2, then the tasks with the shares, to the nodes that answered both."""
        self._grid, round = grid, self.server.round + 1
        tasks = {
            self.number[one.metadata.dst_node_id]: one
            for one in super().configure_train(server_round, arrays, config, grid)
        }
        self._keys = public_keys(self._asked(
            "query.keys", {n: ConfigRecord({NUMBER: n, ROUND: round}) for n in tasks},
            lambda record: _bytes(record.get(BYTES)),
        ))  # fmt: skip
        told = {n: key.sealing + key.masking for n, key in self._keys.items()}
        self._shares = self._asked(
            "query.shares", {n: paired(told, round=round) for n in self._keys},
            lambda record: self._for_others(pairs(record)),
        ) if self._enough(len(told)) else {}  # fmt: skip
        if not self._enough(len(self._shares)):
            return []
        messages = []
        for number in self._shares:
            to_it = {other: texts[number] for other, texts in self._shares.items()
                     if other != number}  # fmt: skip
            record = RecordDict({**tasks[number].content, SECURE: paired(to_it)})
            node = tasks[number].metadata.dst_node_id
            messages.append(Message(record, node, f"{MessageType.TRAIN}.masked"))
        return messages

    def aggregate_train(
        self, server_round: int, replies: Iterable[Message]
    ) -> tuple[ArrayRecord, MetricRecord]:
        """Message 4, and the mean to the server.  With too few nodes the model stays."""
        size = self.server.coordinates.size + 1  # the last is the number of examples
        hidden = self._read(replies, lambda record: as_values(record.get(BYTES), size))
        for node, number in self.number.items():
            if number in hidden:
                self.base[node] = self.server.round
            else:
                self.base.pop(node, None)  # it may have lost the model that it had
        taken = 0
        if self._enough(len(hidden)):
            try:
                self._add(hidden)
                taken = len(hidden)
            except StateError as error:
                LOG.info("round %d: %s", self.server.round + 1, error)
        self.server.finish()
        return self.model(), MetricRecord({"taken": taken, "bytes-up": self.server.bytes_up})

    def _add(self, hidden: Mapping[int, np.ndarray]) -> None:
        """Ask for the masks, and give the server the mean.  Raises StateError."""
        arrived = dict.fromkeys(hidden, b"")
        record = {n: paired(arrived, round=self.server.round + 1) for n in hidden}
        revealed = self._asked("query.reveal", record, _revealed)
        threshold = self.secure.threshold(len(self._keys))
        begun = frozenset(self._shares)
        total = unmask(hidden, revealed, self._keys, begun, threshold)
        told = bytes_told(self._keys, self._shares, hidden, revealed)
        self.server.offer_mean(*self.points.mean(total), told)

    def _enough(self, count: int) -> bool:
        needed = self.secure.threshold(len(self._keys))
        if count < needed:
            LOG.info("round %d: %d devices take part; secure aggregation needs %d",
                     self.server.round + 1, count, needed)  # fmt: skip
        return count >= needed

    def _for_others(self, texts: dict[int, bytes]) -> dict[int, bytes]:
        if len(texts) != len(self._keys) - 1 or not set(texts) <= set(self._keys):
            raise StateError("it has not sent a share for each other device")
        return texts

    def _asked(self, kind: str, records: Mapping[int, ConfigRecord], read: Read) -> dict[int, Any]:
        """What each device answers to its record, as `read` reads it."""
        assert self._grid is not None
        nodes = {number: node for node, number in self.number.items()}
        messages = [
            Message(RecordDict({SECURE: record}), nodes[number], kind)
            for number, record in records.items()
        ]
        return self._read(self._grid.send_and_receive(messages, timeout=self.timeout), read)

    def _read(self, replies: Iterable[Message], read: Read) -> dict[int, Any]:
        """By device, without those whose answer is an error or cannot be read; the log says why."""
        found = {}
        for reply in replies:
            number = self.number.get(reply.metadata.src_node_id)
            try:
                if reply.has_error():
                    raise StateError(reply.error.reason)
                value = read(reply.content.config_records.get(SECURE, ConfigRecord()))
            except StateError as error:
                LOG.info("round %d: device %s: %s", self.server.round + 1, number, error)
                continue
            if number is not None:
                found[number] = value
        return found


Read = Callable[[ConfigRecord], Any]


def _bytes(value: object) -> bytes:
    return value if isinstance(value, bytes) else b""


def _revealed(record: ConfigRecord) -> Revealed:
    """The answer to message 4: first the shares of seeds, then those of keys."""
    every, count = list(pairs(record).items()), record.get("seeds")
    if not isinstance(count, int):
        raise StateError("it does not say which shares are of seeds")
    return Revealed(dict(every[:count]), dict(every[count:]))
