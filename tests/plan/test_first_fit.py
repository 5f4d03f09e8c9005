"""Fitting gives the addresses of the plain method: each block against every block placed before."""

from __future__ import annotations

import random
from itertools import combinations, islice

import pytest

from trainlet.ops.op import float32, leaf
from trainlet.planning.packing import first_fit
from trainlet.planning.packing.blocks import Addresses, Block, Slack, count_pairs, height
from trainlet.planning.packing.first_fit import Fitting
from trainlet.planning.undo import place_between

NODE = leaf("input", "x", float32(1))


def drawn(rng: random.Random, count: int, moments: int) -> list[Block]:
    """Short and long lives, sizes of which some are equal."""
    blocks = []
    for _ in range(count):
        born = rng.randrange(-1, moments)
        length = rng.choice((0, 1, 3, moments))
        size = rng.choice((8, 64, 8 * rng.randrange(1, 100)))
        blocks.append(Block(NODE, size, (born, min(born + length, moments))))
    return blocks


def some_slack(rng: random.Random, blocks: list[Block]) -> Slack:
    """Pairs in which the second block is born as the first dies, each block in one at most."""
    free, slack = set(blocks), {}
    for a, b in combinations(blocks, 2):
        if {a, b} <= free and a.span[1] == b.span[0] and rng.random() < 0.2:
            slack[a, b] = 8 * rng.randrange(-20, 20)
            free -= {a, b}
    return slack


def together(a: Block, b: Block) -> bool:
    return a.span[0] <= b.span[1] and b.span[0] <= a.span[1]


def plainly(order: list[Block], slack: Slack, tightest: bool) -> Addresses:
    """All placed blocks that are alive with a block, sorted by address, then the gaps between."""
    at: Addresses = {}
    for b in order:
        taken = []
        for other, start in at.items():
            end = start + other.size
            if (other, b) in slack:
                start = min(end, start + slack[other, b] + b.size)
            elif (b, other) in slack:
                end = start - slack[b, other]
            if together(b, other):
                taken.append((start, end))
        here, gaps = 0, []
        for start, end in sorted(taken):
            if here + b.size <= start:
                gaps.append((start - here, here))
            here = max(here, end)
        chosen = min(gaps[:1] if not tightest else gaps, default=(0, here))
        at[b] = chosen[1]
    return at


@pytest.mark.parametrize("seed", range(60))
@pytest.mark.parametrize("tightest", [False, True])
def test_the_addresses_are_those_of_the_plain_method(seed, tightest):
    rng = random.Random(seed)
    blocks = drawn(rng, rng.randrange(1, 60), moments=rng.choice((3, 20, 100)))
    slack = some_slack(rng, blocks) if seed % 2 else {}
    assert first_fit._fitted(blocks, slack, tightest) == plainly(blocks, slack, tightest)


@pytest.mark.parametrize("seed", range(20))
def test_new_blocks_lie_in_the_gaps(seed):
    """Each of the orders that are tried gives what the plain method gives; nothing moves."""
    rng = random.Random(seed)
    blocks = drawn(rng, 30, moments=20)
    placed = plainly(blocks[:20], {}, tightest=False)
    found = place_between(placed, blocks[20:])
    assert {b: found[b] for b in placed} == placed
    assert found.keys() == set(blocks)
    for a, b in combinations(blocks, 2):
        assert not together(a, b) or found[a] + a.size <= found[b] or found[b] + b.size <= found[a]


@pytest.mark.parametrize("seed", range(20))
def test_pairs_are_counted(seed):
    blocks = drawn(random.Random(seed), 40, moments=20)
    assert count_pairs(blocks) == sum(together(a, b) for a, b in combinations(blocks, 2))


def counted_tries(monkeypatch) -> list[int]:
    """One entry for each try that is made from now on."""
    fitted, made = first_fit._fitted, []

    def counting(order, slack, tightest):
        made.append(1)
        return fitted(order, slack, tightest)

    monkeypatch.setattr(first_fit, "_fitted", counting)
    return made


def test_no_try_is_made_twice(monkeypatch):
    """A second search goes on where the first stopped, and gives what one long search gives."""
    made = counted_tries(monkeypatch)
    blocks = drawn(random.Random(1), 40, moments=20)
    search = Fitting(blocks, {})
    first = height(search.run(0, 0, 8))
    assert len(made) == 8 and height(search.run(0, 0, 40)) <= first
    assert len(made) == 40
    assert height(search.best) == min(map(height, islice(first_fit._tries(blocks, {}), 40)))


def test_a_search_ends_with_the_first_placement_that_is_good_enough(monkeypatch):
    made = counted_tries(monkeypatch)
    blocks = [Block(NODE, 8, (0, 3)), Block(NODE, 8, (2, 4))]
    search = Fitting(blocks, {})
    assert height(search.run(16, 1000, 8)) == 16 and height(search.run(16, 1000, 8)) == 16
    assert len(made) == 1
