"""Secure aggregation: the sum is exact, single updates stay hidden, lost devices are survived."""

from itertools import combinations

import numpy as np
import pytest

from trainlet.errors import StateError, TrainletError
from trainlet.fleet.secure.fixed_point import FixedPoint
from trainlet.fleet.secure.protocol import Participant, unmask
from trainlet.fleet.secure.round import SecureAggregation
from trainlet.fleet.secure.shares import join_secret, split_secret

RNG = np.random.default_rng(3)
VALUES = {one: RNG.integers(0, 2**32, 50, np.uint32) for one in (0, 1, 4, 7, 9)}


def total(values) -> list[int]:
    added = np.zeros(50, np.uint32)
    for value in values.values():
        added = added + value
    return added.tolist()


def test_any_threshold_of_shares_is_the_secret_and_fewer_are_not() -> None:
    secret = bytes(range(32))
    shares = split_secret(secret, 3, [0, 2, 5, 6])
    for chosen in combinations(shares, 3):
        assert join_secret({one: shares[one] for one in chosen}, 3, 32) == secret
    two = {0: shares[0], 2: shares[2]}
    with pytest.raises(StateError, match="2 devices sent a share of a secret; 3 are needed"):
        join_secret(two, 3, 32)
    with pytest.raises(StateError, match="do not belong together"):
        join_secret(two, 2, 32)


@pytest.mark.parametrize("lost", [(), (4,), (0, 9)])
def test_the_sum_is_that_of_the_devices_that_stay(lost) -> None:
    left = {one: value for one, value in VALUES.items() if one not in lost}
    found = SecureAggregation(share=0.6).add(frozenset(VALUES), left)
    assert found.total.tolist() == total(left)
    assert found.devices == len(left)


def test_too_few_devices_give_no_sum() -> None:
    with pytest.raises(StateError, match="2 of 5 devices finished the round.* needs 4"):
        SecureAggregation().add(frozenset(VALUES), {one: VALUES[one] for one in (0, 1)})


def begun() -> tuple[dict[int, Participant], dict, dict]:
    people = {one: Participant(one) for one in VALUES}
    keys = {one: person.advertise() for one, person in people.items()}
    sent = {one: person.share(keys, 3) for one, person in people.items()}
    return people, keys, sent


def to(sent, one) -> dict[int, bytes]:
    return {other: messages[one] for other, messages in sent.items() if other != one}


def test_masked_values_tell_nothing_of_one_device() -> None:
    """The same values twice are two messages that have nothing in common."""
    messages = []
    for _ in range(2):
        people, _, sent = begun()
        messages.append(people[4].mask(np.zeros(1000, np.uint32), to(sent, 4)))
    assert (messages[0] != messages[1]).mean() > 0.99
    bits = np.unpackbits(messages[0].view(np.uint8))
    assert 0.48 < bits.mean() < 0.52


def test_a_device_reveals_once_and_never_both_secrets() -> None:
    people, _, sent = begun()
    for one in VALUES:
        people[one].mask(VALUES[one], to(sent, one))
    said = people[0].reveal(frozenset({0, 1, 4}))
    assert set(said.seeds) == {0, 1, 4} and set(said.keys) == {7, 9}
    with pytest.raises(StateError, match="once"):
        people[0].reveal(frozenset({0, 1, 7}))
    with pytest.raises(StateError, match="2 devices take part"):
        people[1].reveal(frozenset({1, 0}))


def test_a_server_that_changes_a_message_is_found_out() -> None:
    people, keys, sent = begun()
    damaged = to(sent, 0) | {1: bytes([sent[1][0][0] ^ 1]) + sent[1][0][1:]}
    with pytest.raises(StateError, match="shares from device 1 for device 0 are not authentic"):
        people[0].mask(VALUES[0], damaged)
    with pytest.raises(StateError, match="not those that the devices told"):
        Participant(0).share(keys, 3)
    with pytest.raises(StateError, match="not those that the devices told"):
        fresh = Participant(0)
        fresh.share({**keys, 0: fresh.advertise(), 1: keys[4]}, 3)


def test_a_device_sends_values_under_its_masks_once() -> None:
    """Two messages under the same masks would tell the difference of the values."""
    people, keys, sent = begun()
    people[0].mask(VALUES[0], to(sent, 0))
    with pytest.raises(StateError, match="sends values once"):
        people[0].mask(VALUES[1], to(sent, 0))
    with pytest.raises(StateError, match="shares its secrets once"):
        people[0].share(keys, 3)


def test_shares_of_another_round_do_not_unmask() -> None:
    hidden, revealed, others, keys = {}, {}, {}, {}
    for _ in range(2):
        people, keys, sent = begun()
        hidden = {one: people[one].mask(VALUES[one], to(sent, one)) for one in (0, 1, 4, 7)}
        others, revealed = revealed, {one: people[one].reveal(frozenset(hidden)) for one in hidden}
    found = unmask(hidden, revealed, keys, frozenset(VALUES), 3)
    assert found.tolist() == total({one: VALUES[one] for one in hidden})
    with pytest.raises(StateError, match="do not belong together"):
        unmask(hidden, others, keys, frozenset(VALUES), 3)


def test_fixed_point_values_add_up_to_the_weighted_mean() -> None:
    exact = FixedPoint(devices=3, examples=100, largest=0.5)
    changes = RNG.normal(0, 0.1, (3, 200)).astype(np.float32).clip(-0.5, 0.5)
    weights = np.array([100, 7, 31])
    encoded = [exact.encode(c, int(w)) for c, w in zip(changes, weights, strict=True)]
    added = np.stack(encoded).sum(axis=0, dtype=np.uint32)
    mean, weight = exact.mean(added)
    assert weight == 138
    wanted = (weights[:, None] * changes).sum(0) / 138
    assert np.abs(mean - wanted).max() <= 0.5 / exact.levels
    largest, _ = exact.mean(exact.encode(np.full(4, 9.0, np.float32), 100))
    assert np.allclose(largest, 0.5)
    with pytest.raises(TrainletError, match="leave 214 steps"):
        FixedPoint(devices=1000, examples=10_000)
