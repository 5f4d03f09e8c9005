"""Speech Commands: the demo's keyword spotter, pretrained on synthetic voices, meets a person."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from torch import nn

from trainlet.demo.keyword_spotter import EPOCHS, load_pretrained
from trainlet.demo.speech import CLIPS_PER_WORD, Speech, from_npz, split_new_speaker
from trainlet.run.dataset import Dataset

from .task import Episode, Task, folded, last_layers

VALIDATION_SPEAKERS, TEST_SPEAKERS = 6, 8


def speech(data: Path) -> Task:
    """Three clips of each word to learn from; the speaker's other clips are the test."""
    clips = from_npz(data / "speech_commands_personal_16k.npz")
    people = np.random.default_rng(0).permutation(clips.speakers).tolist()
    parts = {
        "validation": people[:VALIDATION_SPEAKERS],
        "test": people[VALIDATION_SPEAKERS:][:TEST_SPEAKERS],
    }
    net = load_pretrained()
    layers = [*net.stem]
    for block in net.blocks:
        layers += list(block)
    model = folded(nn.Sequential(*layers, net.pool, nn.Flatten(), net.classifier))

    def episodes(part: str, seed: int) -> list[Episode]:
        return [_episode(clips, who, seed) for who in parts[part]]

    return Task(
        name="speech",
        title="Speech Commands, per speaker",
        model=model,
        example=(1, 1, 49, 10),
        calibration=clips.features[np.isin(clips.speaker, parts["validation"])][:128],
        scheme=last_layers(model, 9, [-3, -1]),
        epochs=EPOCHS,
        episodes=episodes,
        validation_runs=2,
    )


def _episode(clips: Speech, who: str, seed: int) -> Episode:
    learn, test = split_new_speaker(clips, who, CLIPS_PER_WORD, seed)
    return Episode(Dataset(learn.features, learn.label), Dataset(test.features, test.label))
