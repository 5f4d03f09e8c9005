"""Chains of buffers, each of which partly overlaps the next in memory."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeVar

T = TypeVar("T")


def chains(slack: Mapping[tuple[T, T], int]) -> list[dict[T, int]]:
    """Each chain with the lowest byte that each of its buffers can begin at, from the last back.

    slack: how far behind the first buffer's beginning the second may begin; each buffer is first
    in one pair at most, and second in one.
    """
    following = {source: (result, most) for (source, result), most in slack.items()}
    results = {result for _, result in slack}
    found = []
    for head in following:
        if head not in results:
            chain = [head]
            while chain[-1] in following:
                chain.append(following[chain[-1]][0])
            place = {chain[-1]: 0}
            for b in reversed(chain[:-1]):
                result, most = following[b]
                place[b] = max(0, place[result] - most)
            found.append(place)
    return found
