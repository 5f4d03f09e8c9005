"""Episodes of various ways and shots."""

import numpy as np
import pytest

import trainlet as tl
from trainlet.fewshot import Episodes

LABELS = np.repeat(np.arange(100, 112), [3, 4, 6, 8, 12, 20, 30, 40, 60, 80, 150, 1])


def test_episodes_keep_their_bounds_and_never_test_what_they_learn() -> None:
    rule = Episodes((3, 8), support=60, class_support=20, queries=5)
    ways, sizes, shots = set(), set(), set()
    for seed in range(200):
        e = rule.draw(LABELS, np.random.default_rng(seed))
        assert np.array_equal(LABELS[e.support], e.classes[e.support_labels])
        assert np.array_equal(LABELS[e.query], e.classes[e.query_labels])
        assert not set(e.support) & set(e.query)
        assert len(set(e.support)) == len(e.support) <= 60
        assert 111 not in e.classes  # one example cannot be both learnt and tested
        learnt, tested = (
            np.bincount(k, minlength=e.ways) for k in (e.support_labels, e.query_labels)
        )
        assert 1 <= learnt.min() and learnt.max() <= 20
        assert 1 <= tested.min() == tested.max() <= 5
        ways.add(e.ways)
        sizes.add(len(e.support))
        shots.update(learnt)
    assert ways == set(range(3, 9))
    assert len(sizes) > 20 and len(shots) > 10


def test_episodes_of_fixed_shots_have_these() -> None:
    e = Episodes((5, 5), queries=4, shots=5).draw(LABELS, np.random.default_rng(0))
    assert np.bincount(e.support_labels).tolist() == [5] * 5


def test_the_same_seed_draws_the_same_episode() -> None:
    one, two = (Episodes((3, 8)).draw(LABELS, np.random.default_rng(7)) for _ in range(2))
    assert np.array_equal(one.support, two.support) and np.array_equal(one.query, two.query)


def test_too_few_classes_and_numbers_out_of_range_are_refused() -> None:
    with pytest.raises(tl.errors.DataError, match="2 classes have 2 examples or more"):
        Episodes().draw([0, 0, 1, 1, 2], np.random.default_rng(0))
    with pytest.raises(tl.errors.DataError, match="an integer for each example"):
        Episodes().draw([0.5, 1.5], np.random.default_rng(0))
    with pytest.raises(tl.TrainletError, match="ways"):
        Episodes((1, 5))
    with pytest.raises(tl.TrainletError, match="ways"):
        Episodes((5, 4))
