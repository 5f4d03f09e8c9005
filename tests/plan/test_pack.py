"""Placements by fitting, by backtracking and by a constraint programme: apart, and tight."""

from __future__ import annotations

import random
from itertools import combinations

import pytest

import trainlet as tl
from int8.networks import program, roomy
from networks.schemes import scheme
from trainlet import Int8
from trainlet.ops.op import float32, leaf
from trainlet.planning.order.best_order import find_order
from trainlet.planning.packing import constraint_place
from trainlet.planning.packing.blocks import Addresses, Block, Slack, height
from trainlet.planning.packing.first_fit import Fitting
from trainlet.planning.packing.pack import pack
from trainlet.planning.tiles.tiled import plan_in_tiles
from zoo import NETWORKS

NODE = leaf("input", "x", float32(1))


def sliced(seed: int, tall: int = 4096, moments: int = 24) -> list[Block]:
    """A full rectangle of moments and bytes cut into blocks, so that no byte is to spare."""
    rng = random.Random(seed)
    pieces = [(0, moments, 0, tall)]
    for _ in range(40):
        pieces.sort(key=lambda p: (p[1] - p[0]) * (p[3] - p[2]))
        born, dies, low, high = pieces.pop()
        if rng.random() < 0.5 and dies - born > 1:
            cut = rng.randrange(born + 1, dies)
            pieces += [(born, cut, low, high), (cut, dies, low, high)]
        elif high - low > 8:
            cut = rng.randrange(low + 8, high, 8)
            pieces += [(born, dies, low, cut), (born, dies, cut, high)]
        else:
            pieces.append((born, dies, low, high))
    blocks = [Block(NODE, high - low, (born, dies - 1)) for born, dies, low, high in pieces]
    rng.shuffle(blocks)
    return blocks


def apart(at: Addresses, slack: Slack) -> bool:
    """No two blocks lie on each other, but for those that may."""
    for a, b in combinations(at, 2):
        together = a.span[0] <= b.span[1] and b.span[0] <= a.span[1]
        clear = at[a] + a.size <= at[b] or at[b] + b.size <= at[a]
        for source, result in ((a, b), (b, a)):
            if (source, result) in slack:
                clear = clear or at[result] <= at[source] + slack[source, result]
        if together and not clear:
            return False
    return all(start >= 0 and start % 8 == 0 for start in at.values())


@pytest.mark.parametrize("seed", range(8))
def test_fitting_is_right_and_not_far_off(seed):
    at = Fitting(sliced(seed), {}).run(4096, pairs=50_000, least=8)
    assert apart(at, {}) and 4096 <= height(at) <= 1.25 * 4096


def test_packing_is_right_and_tighter():
    found = [pack(sliced(seed), {}, 4096 + 4096 // 20) for seed in range(8)]
    packed = [at for at in found if at is not None]
    assert len(packed) >= 4
    assert all(apart(at, {}) and height(at) <= 4300 for at in packed)


def test_what_cannot_be_packed_is_not():
    assert pack(sliced(0), {}, 4088) is None


@pytest.mark.parametrize("seed", range(4))
def test_a_constraint_programme_packs_without_a_gap(seed):
    pytest.importorskip("ortools")
    at = constraint_place.place(sliced(seed), {}, 4096)
    assert at is not None and apart(at, {}) and height(at) == 4096
    assert constraint_place.place(sliced(seed), {}, 4088) is None
    assert list(constraint_place.place(sliced(seed), {}, 4096).values()) == list(at.values())


@pytest.mark.parametrize("slack", [-512, 0, 64, 256])
def test_blocks_that_may_overlap(slack):
    """The source dies when the result is born; a third is there at that moment too."""
    source, result = Block(NODE, 1024, (0, 3)), Block(NODE, 768, (3, 5))
    blocks = [source, result, Block(NODE, 128, (3, 3)), Block(NODE, 256, (2, 6))]
    allowed = {(source, result): slack}
    needed = 256 + 128 + 1024 - min(slack, 0)
    at = pack(blocks, allowed, needed)
    assert at is not None and apart(at, allowed) and height(at) <= needed
    assert pack(blocks, allowed, needed - 8) is None
    pytest.importorskip("ortools")
    at = constraint_place.place(blocks, allowed, needed)
    assert at is not None and apart(at, allowed)
    assert constraint_place.place(blocks, allowed, needed - 8) is None


@pytest.mark.parametrize("name", NETWORKS)
def test_tiled_arenas_are_within_a_hundredth(name):
    case = NETWORKS[name](1)
    chosen = scheme(name, "last", case.model)
    step = tl.train(tl.prepare(case.model, case.x, check=False), chosen).step
    graph = tl.Target.preset("cortex-m7").lower(step)[0]
    found = find_order(graph)
    plan = plan_in_tiles(graph, found.order, every_order=found.bound)
    assert plan.lower_bound <= plan.arena <= 1.01 * plan.lower_bound
    assert (plan.every_order is None) == bool(plan.tiles)


def test_the_published_network():
    made, _ = program("mcunet", roomy("cortex-m7"), Int8(gradient="int16"))
    assert made.plan.lower_bound <= 75_416
    assert made.plan.arena <= 1.01 * made.plan.lower_bound
