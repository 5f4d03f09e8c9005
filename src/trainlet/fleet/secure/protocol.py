"""The four messages of secure aggregation (Bonawitz et al., CCS 2017, figure 4, for a server that
follows the protocol).

    1. each device tells its public keys
    2. each device gives every other one a share of its two secrets, sealed
    3. each device sends its values under masks: one for each other device, which cancels in the
       sum, and one of its own
    4. each device of which the values arrived reveals its shares: of the own mask of every device
       whose values arrived, of the key of every device whose values did not

Of no device both secrets are revealed, so no single update is.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from trainlet.errors import StateError
from trainlet.fleet.secure.keys import (
    KEY_BYTES,
    PublicKeys,
    agreed,
    mask,
    new_key,
    opened,
    public,
    sealed,
)
from trainlet.fleet.secure.shares import SHARE_BYTES, join_secret, split_secret


@dataclass(frozen=True)
class Revealed:
    """The shares that a device reveals, by the device whose secret they are of."""

    seeds: Mapping[int, bytes]
    keys: Mapping[int, bytes]


def _seed() -> bytes:
    return secrets.token_bytes(KEY_BYTES)


@dataclass
class Participant:
    """A device's side of one round.  Plain values, so that a device can keep it between messages.

    number: of the device
    sealing, masking, seed: its secrets
    threshold: how many devices have to stay until the end, from message 2 on
    keys: of all devices; held: the shares of their secrets, by device
    masked, revealed: whether it has sent the messages 3 and 4
    """

    number: int
    sealing: bytes = field(default_factory=new_key, repr=False)
    masking: bytes = field(default_factory=new_key, repr=False)
    seed: bytes = field(default_factory=_seed, repr=False)
    threshold: int = 2
    keys: Mapping[int, PublicKeys] = field(default_factory=dict)
    held: dict[int, bytes] = field(default_factory=dict, repr=False)
    masked: bool = False
    revealed: bool = False

    def advertise(self) -> PublicKeys:
        """Message 1."""
        return PublicKeys(public(self.sealing), public(self.masking))

    def share(self, keys: Mapping[int, PublicKeys], threshold: int) -> dict[int, bytes]:
        """Message 2: what the server passes on to each other device, from the keys of all.

        threshold: at least 2
        Raises StateError for fewer devices than the threshold, for two equal keys, and when it was
        called before.
        """
        if self.keys:
            raise StateError("a device shares its secrets once")
        every = [key for one in keys.values() for key in (one.sealing, one.masking)]
        if len(set(every)) < len(every) or keys.get(self.number) != self.advertise():
            raise StateError("the keys of the round are not those that the devices told")
        _enough(len(keys), threshold)
        self.keys, self.threshold = dict(keys), threshold
        holders = sorted(keys)
        seeds = split_secret(self.seed, threshold, holders)
        masking = split_secret(self.masking, threshold, holders)
        self.held[self.number] = seeds[self.number] + masking[self.number]
        return {
            one: sealed(self._common(one), self.number, one, seeds[one] + masking[one])
            for one in holders
            if one != self.number
        }

    def _common(self, other: int) -> bytes:
        return agreed(self.sealing, self.keys[other].sealing, b"shares")

    def mask(self, values: np.ndarray, shares: Mapping[int, bytes]) -> np.ndarray:
        """Message 3: uint32 [n], the values under the masks.

        values: uint32 [n]; shares: what the other devices sent this one in message 2
        Raises StateError for shares that are not theirs, or of fewer devices than the threshold,
        and when it was called before: two messages under the same masks tell their difference.
        """
        _enough(len(shares) + 1, self.threshold)
        if self.masked or not set(shares) <= set(self.keys) - {self.number}:
            raise StateError("a device sends values once, for devices that told a key")
        for one, message in shares.items():
            self.held[one] = opened(self._common(one), one, self.number, message)
        self.masked = True
        hidden = values.astype(np.uint32) + mask(self.seed, len(values))
        for one in shares:
            seed = agreed(self.masking, self.keys[one].masking, b"mask")
            hidden = _with_mask(hidden, seed, self.number < one)
        return hidden

    def reveal(self, arrived: frozenset[int]) -> Revealed:
        """Message 4.  arrived: the devices whose masked values the server has.

        Raises StateError for fewer devices than the threshold, for one that shared nothing, and
        when it was called before: two answers could reveal both secrets of a device.
        """
        _enough(len(arrived), self.threshold)
        if self.revealed or not arrived <= set(self.held) or self.number not in arrived:
            raise StateError("a device reveals its shares once, for devices that gave it shares")
        self.revealed = True
        return Revealed(
            {one: self.held[one][:SHARE_BYTES] for one in arrived},
            {one: self.held[one][SHARE_BYTES:] for one in set(self.held) - arrived},
        )


def unmask(
    masked: Mapping[int, np.ndarray],
    revealed: Mapping[int, Revealed],
    keys: Mapping[int, PublicKeys],
    shared: frozenset[int],
    threshold: int,
) -> np.ndarray:
    """The server's side: the sum uint32 [n] of the values, from the messages 3 and 4.

    masked: by device; revealed: of at least `threshold` devices; keys: of message 1
    shared: the devices whose message 2 was passed on
    Raises StateError if too few devices answered, or if their shares do not belong together.
    """
    size = len(next(iter(masked.values())))
    total = np.zeros(size, np.uint32)
    for values in masked.values():
        total = total + values
    for one in masked:
        shares = {holder: said.seeds[one] for holder, said in revealed.items()}
        total = total - mask(join_secret(shares, threshold, KEY_BYTES), size)
    for lost in shared - set(masked):
        shares = {holder: said.keys[lost] for holder, said in revealed.items()}
        key = join_secret(shares, threshold, KEY_BYTES)
        if public(key) != keys[lost].masking:
            raise StateError(f"the shares of device {lost}'s key do not belong together")
        for one in masked:
            total = _with_mask(total, agreed(key, keys[one].masking, b"mask"), lost < one)
    return total


def _with_mask(values: np.ndarray, seed: bytes, added: bool) -> np.ndarray:
    """Of two devices the one with the smaller number adds their mask, the other subtracts it."""
    one = mask(seed, len(values))
    return values + one if added else values - one


def _enough(found: int, threshold: int) -> None:
    if found < threshold:
        raise StateError(f"{found} devices take part; secure aggregation needs {threshold}")
