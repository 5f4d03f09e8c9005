"""Symbols that nobody has seen: the same seed draws the same, and no two drawings are equal."""

import numpy as np

from trainlet.demo.symbols import SIDE, symbols


def test_a_seed_draws_the_same_symbols_and_every_drawing_is_another() -> None:
    x, y = symbols(3, 4, np.random.default_rng(5))
    assert x.shape == (12, 1, SIDE, SIDE) and x.dtype == np.float32
    assert np.array_equal(x, symbols(3, 4, np.random.default_rng(5))[0])
    assert len(np.unique(x.reshape(12, -1), axis=0)) == 12
    assert 0 == x.min() < x.max() == 1 and (x.reshape(12, -1).mean(1) < 0.5).all()
    assert y.tolist() == np.repeat(range(3), 4).tolist()
