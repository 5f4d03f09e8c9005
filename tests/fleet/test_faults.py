"""Faults of experiments, and how a fleet with faults ends."""

import numpy as np
import pytest

import trainlet as tl
from trainlet.fleet.coordinates import Coordinates
from trainlet.fleet.encoding import decoded, encoding
from trainlet.fleet.faults import POISON, Faults
from trainlet.fleet.message import Update
from trainlet.fleet.server import Server

SIZES = [3, 8]
WHOLE = Coordinates({"b": np.ones(3, bool), "w": np.ones((2, 4), bool)})


def update(device: int, round: int) -> bytes:
    payload = encoding("int8").encode(np.full(11, 0.01, np.float32), SIZES)
    return Update(round, device, 1, 5, 0.0, payload).encode()


def test_shares_of_faults_are_what_was_asked_for() -> None:
    faults = Faults(20, SIZES, dropouts=0.3, poisoned=0.1, repeated=0.5, late=0.25, seed=3)
    present = [faults.present(r) for r in range(1, 40)]
    assert {len(one) for one in present} == {14} and len({tuple(one) for one in present}) > 30
    assert len(faults.hostile) == 2
    sent = arrived = late = 0
    for round in range(1, 60):
        messages = faults.deliver(round, [update(k, round) for k in range(20)])
        rounds = [Update.decode(message).round for message in messages]
        sent, arrived, late = (
            sent + 20,
            arrived + len(rounds),
            late + sum(r < round for r in rounds),
        )
    assert arrived / sent == pytest.approx(1 + 0.75 * 0.5, abs=0.08)
    assert late / sent == pytest.approx(0.25, abs=0.05)
    with pytest.raises(tl.errors.DataError, match=r"dropouts=1\.5"):
        Faults(20, SIZES, dropouts=1.5)


def test_hostile_updates_are_scaled_or_hold_nan() -> None:
    faults, scaled, broken = Faults(4, SIZES, poisoned=0.5), 0, 0
    for round in range(20):
        for message in faults.deliver(round, [update(k, round) for k in range(4)]):
            one = Update.decode(message)
            if one.device not in faults.hostile:
                assert message == update(one.device, round)
                continue
            try:
                values = decoded(one.payload, SIZES)
                scaled += np.allclose(values, 0.01 * POISON, rtol=0.02)
            except tl.errors.StateError:
                broken += 1
    assert scaled + broken == 40 and scaled > 5 and broken > 5


def test_a_fleet_with_every_fault_moves_as_it_should() -> None:
    """Every honest device wants +0.01 in each round."""
    faults = Faults(20, SIZES, dropouts=0.3, poisoned=0.1, repeated=0.3, late=0.2)
    server = Server(WHOLE, np.zeros(11), {1: WHOLE}, range(20), encoding("int8"))
    for round in range(1, 31):
        for message in faults.deliver(round, [update(k, round) for k in faults.present(round)]):
            server.offer(message)
        server.finish()
    assert np.all(server.model > 0.22) and np.all(server.model <= 0.301)
    reasons = {verdict.reason.split(":")[0] for verdict in server.verdicts if verdict.reason}
    assert {"it is late", "it is repeated"} <= reasons
    assert any("larger than" in reason for reason in reasons)
    assert any("damaged" in reason for reason in reasons)
