"""The chain's optimum against every possibility, and on MobileNetV2 against equal segments."""

import random
from functools import cache
from itertools import product

import pytest

from plan.chains import mobilenet_v2, textbook, textbook_optimum
from trainlet.errors import PlanError
from trainlet.planning.recompute.checkpoint import (
    ChainStage,
    Checkpoints,
    cheapest,
    measure,
    smallest,
    uniform,
)

KEPT, FIRST, MORE = "kept", "first of a segment", "more of it"


def random_chain(length: int, seed: int) -> list[ChainStage]:
    rng = random.Random(seed)
    sizes = [rng.choice((3, 8, 20, 41)) * rng.randint(1, 9) for _ in range(length)]
    chain = []
    for size in sizes:
        shared = rng.choice((0, size))
        saved = shared + rng.choice((0, rng.randint(1, 30)))
        chain.append(ChainStage(rng.randint(0, 50), size, saved, shared, rng.choice((0, 0, 25))))
    return chain


def replay(chain: list[ChainStage], roles: tuple[str, ...]) -> tuple[int, int]:
    """Peak and extra work, by walking through the step with everything that is alive in a dict."""
    held: dict[object, int] = {}
    peak = extra = 0

    def note(more: int = 0) -> None:
        nonlocal peak
        peak = max(peak, sum(held.values()) + more)

    parts: list[list[int]] = []
    for k, role in enumerate(roles):
        if role == MORE:
            parts[-1].append(k)
        else:
            parts.append([k])
    for part in parts:  # forwards
        again = roles[part[0]] == FIRST
        if again:
            held["input", part[0]] = chain[part[0]].input
        for k in part:
            if not again:
                held["saved", k] = chain[k].saved
            note(chain[k].work)
    for part in reversed(parts):  # backwards
        if roles[part[0]] == FIRST:
            for k in part:
                given = chain[k].shared if k == part[0] else 0
                held["saved", k] = chain[k].saved - given
                note(chain[k].work)
                extra += chain[k].macs
        for k in reversed(part):
            note(chain[k].work)
            del held["saved", k]
        held.pop(("input", part[0]), None)
    assert not held
    return peak, extra


def every_plan(chain: list[ChainStage]) -> list[tuple[int, int]]:
    plans = set()
    for roles in product((KEPT, FIRST, MORE), repeat=len(chain)):
        follows = zip((KEPT, *roles), roles, strict=False)
        if all(not (role == MORE and before == KEPT) for before, role in follows):
            plans.add(replay(chain, roles))
    return sorted(plans)


@pytest.mark.parametrize(("length", "seeds"), [(1, 4), (3, 20), (5, 20), (7, 6), (9, 1)])
def test_no_plan_is_better(length, seeds):
    for seed in range(seeds):
        check(random_chain(length, seed))


@pytest.mark.long
@pytest.mark.parametrize("length", [10, 12])
def test_no_plan_of_a_longer_chain_is_better(length):
    check(random_chain(length, seed=length))


def check(chain: list[ChainStage]) -> None:
    """Every budget that makes a difference, and every limit of work."""
    plans = every_plan(chain)
    least = plans[0][0]
    assert cheapest(chain, least - 1) is None
    for budget in {p for p, _ in plans if p <= 2 * least} | {measure(chain, ()).peak}:
        found = cheapest(chain, budget)
        assert found and found.peak <= budget
        assert found.extra == min(extra for peak, extra in plans if peak <= budget)
    for limit in sorted({extra for _, extra in plans})[:20]:
        found = smallest(chain, limit)
        assert found.extra <= limit
        assert found.peak == min(peak for peak, extra in plans if extra <= limit)


def test_what_is_returned_is_what_it_says():
    chain = random_chain(7, 3)
    found = smallest(chain, 10**9)
    roles = [KEPT] * len(chain)
    for first, end in found.segments:
        roles[first:end] = [FIRST] + [MORE] * (end - first - 1)
    assert replay(chain, tuple(roles)) == (found.peak, found.extra)
    assert found == measure(chain, found.segments)


def test_equal_layers_want_square_root_segments():
    """16 equal layers: 4 inputs and 4 layers alive; the last segment need not run twice."""
    chain = [ChainStage(1, 1, 1, 1)] * 16
    assert measure(chain, uniform(16, 4)) == Checkpoints(((0, 4), (4, 8), (8, 12)), 7, 12)
    assert smallest(chain, 16).peak <= 7 and smallest(chain, 0).peak == 16


def test_less_than_no_extra_work_is_refused():
    with pytest.raises(PlanError, match="-1 extra"):
        smallest(random_chain(3, 0), -1)


@cache
def network() -> tuple[list[ChainStage], int, int]:
    chain = mobilenet_v2()
    return chain, sum(k.saved for k in chain), sum(k.macs for k in chain)


def test_mobilenet_v2_as_a_chain():
    """140 layers that save 54.5 MB: inputs of convolutions and norms, and bits of ReLUs."""
    chain, saved, macs = network()
    assert len(chain) == 140
    assert saved == 54_544_472
    assert macs == 300_774_272


def test_mobilenet_v2_with_equal_segments():
    """sqrt(140) segments, counted as usual: 2.3 times less, for 0.85 of a forward pass."""
    chain, saved, macs = network()
    bounds = [0, *(end for _, end in uniform(140, 12))]
    assert 2.3 <= saved / textbook(chain, bounds) < 2.4
    assert 0.85 <= measure(chain, uniform(140, 12)).extra / macs <= 0.86


def test_mobilenet_v2_with_the_best_segments():
    """Counted as usual: 4.0 times less for 17 % more; a backward pass is two forward ones."""
    chain, saved, macs = network()
    bounds = textbook_optimum(chain)
    assert textbook(chain, bounds) == 13_647_872 and len(bounds) == 6
    extra = sum(k.macs for k in chain[: bounds[-1]])
    assert saved / textbook(chain, bounds) >= 3.99 and 1 + extra / (3 * macs) <= 1.17


def test_mobilenet_v2_at_its_best():
    """With what is alive when, and layers between segments kept: 4.0 times less for 11 % more."""
    chain, saved, macs = network()
    found = cheapest(chain, saved // 4)
    assert found is not None and saved >= 4 * found.peak
    assert 1 + found.extra / (3 * macs) <= 1.11
    least = smallest(chain, int(0.51 * macs))
    assert saved >= 4.8 * least.peak and 1 + least.extra / (3 * macs) <= 1.17
