"""What the demo compiles, and for whom."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, replace

import numpy as np
import torch

import trainlet as tl
from trainlet.demo.days import Given
from trainlet.demo.features import DEVIATION, MEAN, RATE
from trainlet.demo.keyword_spotter import LEARNING_RATE, SCHEME, load_pretrained
from trainlet.demo.speech import (
    CLIPS_PER_WORD,
    DEMO_SPEAKER,
    WORDS,
    Speech,
    bundled,
    split_new_speaker,
    voices,
)
from trainlet.errors import TrainletError

PRECISIONS = ("int8", "float32")
INT8 = tl.Int8(extra_bits=8, gradient="int16")
CALIBRATION_CLIPS = 128
BUDGET = replace(tl.Target.preset("cortex-m7"), ram=256 * 1024, flash=1024 * 1024, stack=6 * 1024)


@dataclass(frozen=True)
class Lesson:
    """One speaker's clips as features: some to learn from, and the others to be tested with."""

    speaker: str
    learn: Speech
    test: Speech


def bundled_lesson(seed: int = 0) -> Lesson:
    """The demo's speaker as features, for programs without the front end."""
    learn, test = split_new_speaker(bundled("new"), DEMO_SPEAKER, CLIPS_PER_WORD, seed)
    return Lesson(DEMO_SPEAKER, learn, test[np.random.default_rng(seed).permutation(len(test))])


def bundled_given(order: int = 0) -> Given:
    """The demo's speaker, whom the network has never heard, and a word that no one has said.

    order: of the clips to learn from; any number is another one
    """
    own, _ = voices()
    known, word = own[own.label < len(WORDS)], own[own.label == len(WORDS)]
    return given(known, DEMO_SPEAKER, word, order=order)


def given(
    speech: Speech, speaker: str | None = None, word: Speech | None = None, order: int = 0
) -> Given:
    """A speaker's clips in two parts; without a name, whoever has the most clips.

    Raises DataError for an unknown speaker, and for one with no word said twice.
    """
    heard = speech.speaker.tolist()
    chosen = speaker or max(speech.speakers, key=heard.count, default="")
    learn, test = split_new_speaker(speech, chosen, CLIPS_PER_WORD, 0)
    test = test[np.random.default_rng(0).permutation(len(test))]
    if order:
        learn = learn[np.random.default_rng(order).permutation(len(learn))]
    return Given(chosen, learn, test, voices()[1], word)


def exported_spotter() -> torch.export.ExportedProgram:
    """The pretrained network, for one clip at a time."""
    return torch.export.export(load_pretrained(), (torch.zeros(1, 1, 49, 10),))


def calibration_clips() -> np.ndarray:
    """Features [128, 1, 49, 10] of pretraining clips: they show the ranges of the activations."""
    heard = bundled("train").features
    return heard[np.random.default_rng(0).permutation(len(heard))[:CALIBRATION_CLIPS]]


def compile_spotter(
    network: torch.export.ExportedProgram, precision: str = "int8", rollback: bool = True
) -> tl.CompiledProgram:
    """The trainer of its features, inside 256 KB of RAM and 1 MB of Flash.

    Raises TrainletError for an unknown precision, ToolchainError for int8 without torchao.
    """
    integer = _is_integer(precision)
    return tl.compile(
        network,
        None,
        tl.UpdateScheme(SCHEME),
        target=BUDGET,
        precision=INT8 if integer else "float32",
        calibration=[calibration_clips()] if integer else None,
        optimizer=tl.SGD(lr=LEARNING_RATE),
        rollback=rollback,
    )


def compile_device(factory: Speech, precision: str = "int8") -> tl.CompiledProgram:
    """The trainer of the demo's device: int16 samples in, a word more than the network knows.

    factory: clips of pretraining speakers, which show the ranges of int8 and the words
    Raises as `compile_spotter` does.
    """
    integer = _is_integer(precision)
    front = tl.features.mfcc(mean=MEAN, deviation=DEVIATION)
    graph = tl.prepare(
        torch.nn.Sequential(OrderedDict(front=front, spotter=load_pretrained())).eval(),
        torch.zeros(1, RATE, dtype=torch.int16),
        precision=INT8 if integer else "float32",
        calibration=[factory.sound] if integer else None,
    )
    graph = tl.adapt.spare_classes(graph, 1, factory.sound, factory.label)
    body = {f"spotter.{k}": v for k, v in SCHEME.items() if not k.startswith("classifier")}
    scheme = tl.UpdateScheme({**body, "head.prototypes": 1.0, "head.scale": 1.0})
    return tl.compile(
        graph, None, scheme, target=BUDGET, precision=INT8 if integer else "float32",
        optimizer=tl.SGD(lr=LEARNING_RATE),
    )  # fmt: skip


def _is_integer(precision: str) -> bool:
    if precision not in PRECISIONS:
        raise TrainletError(f"unknown precision {precision!r}; allowed: {', '.join(PRECISIONS)}")
    return precision == "int8"
