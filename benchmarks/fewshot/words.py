"""Unseen words: a DS-CNN knows digits and rare words, and hears commands for the first time."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import pairwise
from pathlib import Path

import numpy as np
import torch
from schemes.sound import RATE, mu_law

import trainlet as tl
from trainlet.demo.features import mfcc
from trainlet.fewshot import Episodes

from .networks import ds_cnn, trained
from .task import Episode, Task, episode_of

VALIDATED = ("down", "no", "on", "stop", "yes")
TESTED = ("go", "left", "off", "right", "up")
LEAST = 4
"""Clips of a rare word that the network may know."""


def words(data: Path, build: Path) -> Task:
    """Five commands by several people, five clips of each."""
    with np.load(data / "speech_commands_personal_16k.npz", allow_pickle=False) as file:
        sound, word = mu_law(file["audio_mulaw"]), file["word"]
    heard = _features(sound)
    x, y = known(data, heard, word)
    torch.manual_seed(0)
    model, scale = trained(
        ds_cnn(), x, y, build / "fewshot-words", epochs=5, steps=150,
        episodes=Episodes((5, 15), 75, queries=5),
    )  # fmt: skip

    def episode(part: str, number: int) -> Episode:
        rng = np.random.default_rng([part == "test", number])
        rows = np.flatnonzero(np.isin(word, TESTED if part == "test" else VALIDATED))
        labels = np.unique(word[rows], return_inverse=True)[1]
        return episode_of(heard[rows], labels, len(TESTED), rng)

    features = tl.prepare(model, torch.zeros(1, 1, 49, 10))
    return Task("words", "ds-cnn", features, len(TESTED), episode, scale)


def known(data: Path, heard: np.ndarray, word: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Spoken digits, and words of Speech Commands that are no commands."""
    with np.load(data / "fsdd_8k.npz", allow_pickle=False) as file:
        samples, offset, digit = file["audio"], file["offset"], file["label"].astype(np.int64)
    clips = [samples[a:b] for a, b in pairwise(offset)]
    names, counts = np.unique(word, return_counts=True)
    rare = [w for w in names[counts >= LEAST] if w not in (*VALIDATED, *TESTED, "_silence_")]
    own = np.flatnonzero(np.isin(word, rare))
    x = np.concatenate([_features([_twice_the_rate(c) for c in clips]), heard[own]])
    return x, np.concatenate([digit, 10 + np.searchsorted(rare, word[own])])


def _features(clips: Iterable[np.ndarray]) -> np.ndarray:
    return np.stack([mfcc(clip) for clip in clips])[:, None].astype(np.float32)


def _twice_the_rate(clip: np.ndarray) -> np.ndarray:
    """From 8 to 16 kHz, at most a second around the middle."""
    spectrum = np.fft.rfft(clip.astype(np.float64))
    longer = np.fft.irfft(np.pad(spectrum, (0, len(clip) - len(spectrum) + 1)), 2 * len(clip))
    return longer[max(0, (len(longer) - RATE) // 2) :][:RATE]
