"""A secret in shares, of which a number is enough to know it (Shamir, CACM 1979)."""

from __future__ import annotations

import secrets
from collections.abc import Mapping

from trainlet.errors import StateError

PRIME = 2**521 - 1
"""The field of the shares: a prime above every secret of 64 bytes."""
SHARE_BYTES = 66


def split_secret(secret: bytes, threshold: int, holders: list[int]) -> dict[int, bytes]:
    """A share [66 bytes] for each holder.  Any `threshold` of them are the secret, fewer are
    nothing.

    secret: at most 64 bytes; holders: their numbers, from 0
    """
    powers = [int.from_bytes(secret, "big")]
    powers += [secrets.randbelow(PRIME) for _ in range(threshold - 1)]
    return {one: _polynomial(powers, one + 1).to_bytes(SHARE_BYTES, "big") for one in holders}


def _polynomial(powers: list[int], x: int) -> int:
    value = 0
    for power in reversed(powers):
        value = (value * x + power) % PRIME
    return value


def join_secret(shares: Mapping[int, bytes], threshold: int, size: int) -> bytes:
    """The secret of `size` bytes, from shares by holder.

    Raises StateError for fewer than `threshold` shares, or for shares that are of no such secret.
    """
    if len(shares) < threshold:
        raise StateError(f"{len(shares)} devices sent a share of a secret; {threshold} are needed")
    points = [(one + 1, int.from_bytes(shares[one], "big")) for one in sorted(shares)[:threshold]]
    secret = 0
    for x, share in points:
        above = below = 1
        for other, _ in points:
            if other != x:
                above, below = above * other % PRIME, below * (other - x) % PRIME
        secret = (secret + share * above * pow(below, -1, PRIME)) % PRIME
    if secret >= 256**size:
        raise StateError("the shares of a secret do not belong together")
    return secret.to_bytes(size, "big")
