"""Lessons from pictures and from Omniglot's bits, and what is refused."""

from pathlib import Path

import numpy as np
import pytest
import torch
from matplotlib.image import imsave

from trainlet.demo.handwriting import SHOTS, WAYS, drawn_lesson, lesson_of
from trainlet.demo.symbol_network import load_meta_trained
from trainlet.errors import DataError
from trainlet.fewshot import CosineHead

OMNIGLOT = Path(__file__).parents[2].parent / "shared" / "data" / "omniglot_105_bits.npz"


def test_a_drawn_lesson_tests_with_other_drawings() -> None:
    given = drawn_lesson(3)
    assert np.bincount(given.learn.y).tolist() == [SHOTS] * WAYS
    assert np.bincount(given.test.y).tolist() == [10] * WAYS
    flat = given.test.x.reshape(len(given.test.y), -1)
    assert not any((flat == x.reshape(-1)).all(1).any() for x in given.learn.x)


def test_pictures_become_ink_of_28_pixels(tmp_path: Path) -> None:
    """A dark square in a corner of white paper, whatever the picture's size."""
    for k in range(WAYS):
        for take in range(SHOTS + 1):
            paper = np.ones((40 + take, 60, 3), np.float32)
            paper[:20, : 10 * (k + 1)] = 0
            (tmp_path / f"symbol{k}").mkdir(exist_ok=True)
            imsave(tmp_path / f"symbol{k}" / f"{take}.png", paper)
    given = lesson_of(tmp_path)
    assert given.learn.x.shape == (25, 1, 28, 28) and given.test.x.shape == (5, 1, 28, 28)
    assert (given.learn.x[:, 0, :12, :4] == 1).all() and (given.learn.x[:, 0, 16:] == 0).all()


def test_bits_of_omniglot_become_ink(tmp_path: Path) -> None:
    ink = np.zeros((6, 8, 105, 105), np.uint8)
    ink[:, :, 40:60, 40:60] = 1
    bits = np.packbits((1 - ink).reshape(6, 8, -1), axis=-1)
    np.savez(tmp_path / "some.npz", bits=bits, alphabet=np.array([0, 1, 1, 1, 1, 1]))
    given = lesson_of(tmp_path / "some.npz")
    assert given.test.x.shape == (15, 1, 28, 28)
    assert (given.test.x[:, 0, 11:15, 11:15] == 1).all()
    assert (given.test.x[:, 0, :10] == 0).all() and (given.test.x[:, 0, 17:] == 0).all()


def test_an_alphabet_that_people_drew_is_told_apart_by_prototypes() -> None:
    if not OMNIGLOT.exists():
        pytest.skip(f"needs Omniglot, and {OMNIGLOT} is absent")
    given = lesson_of(OMNIGLOT)
    network, scale = load_meta_trained()
    head = CosineHead(64, WAYS, scale)
    with torch.no_grad():
        head.teach(network(torch.from_numpy(given.learn.x)), torch.from_numpy(given.learn.y))
        guessed = head(network(torch.from_numpy(given.test.x))).argmax(1).numpy()
    assert (guessed == given.test.y).mean() > 0.7


def test_what_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="contains no pictures"):
        lesson_of(tmp_path)
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "1.png").write_bytes(b"no picture")
    with pytest.raises(DataError, match="not a readable picture"):
        lesson_of(tmp_path)
    imsave(tmp_path / "a" / "1.png", np.ones((30, 27, 3), np.float32))
    with pytest.raises(DataError, match="27x30 pixels"):
        lesson_of(tmp_path)
    imsave(tmp_path / "a" / "1.png", np.ones((30, 28, 3), np.float32))
    with pytest.raises(DataError, match="0 symbols have more than 5"):
        lesson_of(tmp_path)
    np.savez(tmp_path / "x.npz", bits=np.zeros((2, 3), np.uint8), alphabet=np.zeros(2))
    with pytest.raises(DataError, match="packed pixels"):
        lesson_of(tmp_path / "x.npz")
