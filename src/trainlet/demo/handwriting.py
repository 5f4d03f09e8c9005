"""Drawings to teach and to test with: drawn by this machine, from pictures, or from Omniglot."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from matplotlib.image import imread

from trainlet.demo.symbols import SIDE, symbols
from trainlet.errors import DataError
from trainlet.ir.npz import read_npz

WAYS, SHOTS, TESTED = 5, 5, 10
"""New symbols, drawings of each to learn from, and others to test with at most."""
OMNIGLOT, AROUND = 105, ((0, 0), (0, 0), (3, 4), (3, 4))
"""Pixels of a side, and the paper added so that 4x4 of them become one."""
PICTURES = (".png", ".jpg", ".jpeg")


@dataclass(frozen=True)
class Drawings:
    """Some drawings, ink 1 and paper 0, and which symbol each is."""

    x: np.ndarray  # [n, 1, 28, 28] float32
    y: np.ndarray  # [n] int32


@dataclass(frozen=True)
class Lesson:
    """Five drawings of each of five new symbols, others to test with, and who drew them."""

    learn: Drawings
    test: Drawings
    source: str


def drawn_lesson(seed: int = 0) -> Lesson:
    """Symbols that are invented and drawn here."""
    x, y = symbols(WAYS, SHOTS + TESTED, np.random.default_rng([2, seed]))
    return _lesson(x, y, "symbols that this machine invents and draws", seed)


def lesson_of(path: Path, seed: int = 0) -> Lesson:
    """Five symbols of a folder symbol/*.png, or of one alphabet of Omniglot in an .npz.

    Raises DataError for fewer symbols, or for symbols with too few drawings.
    """
    rng = np.random.default_rng(seed)
    if path.is_dir():
        x, y = _pictures(path)
        return _lesson(x, y, f"pictures in {path.name}", seed)
    data = read_npz(path, ("bits", "alphabet"))
    bits, alphabet = data["bits"], data["alphabet"]
    if bits.ndim != 3 or bits.dtype != np.uint8 or alphabet.shape != bits.shape[:1]:
        raise DataError(f"{path}: bits is {bits.dtype} {bits.shape}; allowed: Omniglot's "
                        "[characters, people, bytes] of packed pixels, uint8")  # fmt: skip
    names, counts = np.unique(alphabet, return_counts=True)
    own = bits[alphabet == rng.choice(names[counts >= WAYS])]
    chosen = own[rng.permutation(len(own))[:WAYS]]
    people = chosen.shape[1]
    source = f"one of Omniglot's alphabets, drawn by {people} people"
    x = _ink(chosen).reshape(-1, 1, SIDE, SIDE)
    return _lesson(x, np.repeat(np.arange(WAYS), people), source, seed)


def _lesson(x: np.ndarray, y: np.ndarray, source: str, seed: int) -> Lesson:
    rng = np.random.default_rng([3, seed])
    names, counts = np.unique(y, return_counts=True)
    usable = names[counts > SHOTS]
    if len(usable) < WAYS:
        raise DataError(f"{len(usable)} symbols have more than {SHOTS} drawings; allowed: at "
                        f"least {WAYS}, {SHOTS} of each to learn from, and others")  # fmt: skip
    rows = [rng.permutation(np.flatnonzero(y == k)) for k in rng.permutation(usable)[:WAYS]]
    parts = ([own[:SHOTS] for own in rows], [own[SHOTS:][:TESTED] for own in rows])
    learn, test = (
        Drawings(x[np.concatenate(part)], np.repeat(np.arange(WAYS), [len(own) for own in part]))
        for part in parts
    )
    return Lesson(learn, test, source)


def _ink(bits: np.ndarray) -> np.ndarray:
    """Packed 105x105 drawings [characters, people, bytes], paper 1 -> [.., 28, 28], ink 1."""
    ink = 1 - np.unpackbits(bits, axis=-1)[..., : OMNIGLOT**2]
    square = np.pad(ink.reshape(*bits.shape[:2], OMNIGLOT, OMNIGLOT), AROUND)
    blocks = square.reshape(*bits.shape[:2], SIDE, 4, SIDE, 4)
    return np.minimum(2 * blocks.mean((3, 5), dtype=np.float32), 1)


def _pictures(folder: Path) -> tuple[np.ndarray, np.ndarray]:
    """Dark ink on bright paper, of any size; a folder for each symbol."""
    files = [p for p in sorted(folder.glob("*/*")) if p.suffix.lower() in PICTURES]
    if not files:
        raise DataError(f"{folder}: contains no pictures; expected: symbol/*.png")
    names = sorted({p.parent.name for p in files})
    y = np.array([names.index(p.parent.name) for p in files])
    return np.stack([_picture(p) for p in files])[:, None], y


def _picture(path: Path) -> np.ndarray:
    try:
        found = np.asarray(imread(path), np.float32)
    except Exception as error:  # hostile bytes make the reader raise nearly anything
        raise DataError(f"{path}: is not a readable picture ({error})") from None
    grey = np.asarray(found[..., :3].mean(2) if found.ndim == 3 else found, np.float32)
    grey = grey / max(float(grey.max()), 1e-6)
    if min(grey.shape) < SIDE:
        raise DataError(f"{path}: has {grey.shape[1]}x{grey.shape[0]} pixels; allowed: at least "
                        f"{SIDE}x{SIDE}")  # fmt: skip
    tall, wide = (np.arange(SIDE + 1) * size // SIDE for size in grey.shape)
    sums = np.add.reduceat(np.add.reduceat(1 - grey, tall[:-1], 0), wide[:-1], 1)
    areas = np.diff(tall)[:, None] * np.diff(wide)
    return np.minimum(2 * sums / areas, 1).astype(np.float32)
