"""Drawings of symbols that nobody has seen before: strokes at random, drawn again and again."""

from __future__ import annotations

import numpy as np

SIDE = 28
STROKES = (1, 4)
POINTS = 40
"""Points of a stroke that are drawn."""
WOBBLE, TILT, MOVE = 0.045, 0.15, 0.06
"""Of one drawing: deviation of a stroke's control points and of the axes, and of the position,
with a picture's side as the unit."""
THICKNESS = (0.02, 0.05)


def symbol(rng: np.random.Generator) -> np.ndarray:
    """A new symbol: control points [strokes, 4, 2] of cubic curves, in a square of side 1."""
    strokes = rng.integers(STROKES[0], STROKES[1] + 1)
    points = rng.uniform(0.05, 0.95, (strokes, 4, 2))
    straight = rng.random(strokes) < 0.4
    ends = points[:, :1] + (points[:, 3:] - points[:, :1]) * np.linspace(0, 1, 4)[:, None]
    points[straight] = ends[straight]
    for k in range(1, strokes):  # strokes often begin on another one
        if rng.random() < 0.6:
            points[k, 0] = points[rng.integers(k), rng.choice([0, 3])]
    low, high = points.min((0, 1)), points.max((0, 1))
    return 0.5 + (points - (low + high) / 2) * rng.uniform(0.6, 0.85) / (high - low).max()


def drawings(symbol: np.ndarray, count: int, rng: np.random.Generator) -> np.ndarray:
    """float32 [count, 28, 28] in 0..1, ink 1, each by another hand."""
    points = symbol + rng.normal(0, WOBBLE, (count, *symbol.shape))
    axes = np.eye(2) + rng.normal(0, TILT, (count, 2, 2))
    points = np.einsum("nskd,nde->nske", points - 0.5, axes) + 0.5
    points += rng.normal(0, MOVE, (count, 1, 1, 2))
    t = np.linspace(0, 1, POINTS)
    weights = np.stack([(1 - t) ** 3, 3 * t * (1 - t) ** 2, 3 * t**2 * (1 - t), t**3])
    ink = np.einsum("kt,nskd->nstd", weights, points).reshape(count, -1, 2)
    pixel = (np.indices((SIDE, SIDE)).reshape(2, -1).T + 0.5) / SIDE
    squares = (ink**2).sum(2)[:, None] - 2 * pixel @ ink.transpose(0, 2, 1)
    nearest = np.maximum(squares.min(2) + (pixel**2).sum(1), 0)
    wide = rng.uniform(*THICKNESS, (count, 1))
    inside = (wide - np.sqrt(nearest)) * SIDE + 0.5
    return np.clip(inside, 0, 1).reshape(count, SIDE, SIDE).astype(np.float32)


def symbols(count: int, each: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Drawings [count * each, 1, 28, 28] of new symbols, and the number of each one's symbol."""
    drawn = np.concatenate([drawings(symbol(rng), each, rng) for _ in range(count)])
    return drawn[:, None], np.repeat(np.arange(count), each)
