"""The demo in steps: compile the keyword spotter's trainer, and let it learn a new speaker."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from dataclasses import dataclass, replace

import numpy as np
import torch

import trainlet as tl
from trainlet.demo.keyword_spotter import EPOCHS, LEARNING_RATE, SCHEME, load_pretrained
from trainlet.demo.speech import CLIPS_PER_WORD, DEMO_SPEAKER, Speech, bundled, split_new_speaker
from trainlet.errors import TrainletError
from trainlet.run.dataset import dataset
from trainlet.run.fit import BatchProgress, fit, score

PRECISIONS = ("int8", "float32")
INT8 = tl.Int8(extra_bits=8, gradient="int16")
CALIBRATION_CLIPS = 128
BUDGET = replace(tl.Target.preset("cortex-m7"), ram=256 * 1024, flash=1024 * 1024)


@dataclass(frozen=True)
class Lesson:
    """One speaker's clips: some to learn from, and the others to be tested with."""

    speaker: str
    learn: Speech
    test: Speech


@dataclass(frozen=True)
class Learnt:
    """What the device measured, and the trained state as it saved it.

    Accuracies are shares of the test clips; instructions are None where nothing counts them.
    """

    accuracy_before: float
    accuracy_after: float
    losses: tuple[float, ...]  # of each step, before its update
    steps_per_epoch: int
    step_instructions: int | None
    predict_instructions: int | None
    state: bytes


def bundled_lesson(seed: int = 0) -> Lesson:
    """The demo's speaker, whom the network has never heard."""
    return lesson(bundled("new"), DEMO_SPEAKER, seed)


def lesson(speech: Speech, speaker: str | None = None, seed: int = 0) -> Lesson:
    """A speaker's clips in two parts; without a name, whoever has the most clips.

    Raises DataError for an unknown speaker, and for one with no word said twice.
    """
    heard = speech.speaker.tolist()
    chosen = speaker or max(speech.speakers, key=heard.count, default="")
    learn, test = split_new_speaker(speech, chosen, CLIPS_PER_WORD, seed)
    return Lesson(chosen, learn, test[np.random.default_rng(seed).permutation(len(test))])


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
    """Its trainer, inside 256 KB of RAM and 1 MB of Flash; in int8 it is quantised here and now.

    Raises TrainletError for an unknown precision, ToolchainError for int8 without torchao.
    """
    if precision not in PRECISIONS:
        raise TrainletError(f"unknown precision {precision!r}; allowed: {', '.join(PRECISIONS)}")
    integer = precision == "int8"
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


def personalise(
    program: tl.CompiledProgram, given: Lesson, device: str = "unicorn", seed: int = 0
) -> Generator[tuple[str, BatchProgress], None, Learnt]:
    """Test, learn, save, start anew, load, test again: all of it on the device.

    Yields ("before" | "learn" | "after", moment); returns the result.
    """
    learn, test = (dataset(program, s.features, s.label) for s in (given.learn, given.test))
    losses: list[float] = []
    step_instructions = None
    with program.build(device) as trainer:
        before = yield from _phase("before", score(trainer, test))
        for moment in fit(trainer, learn, EPOCHS, seed=seed):
            losses.append(moment.loss)
            step_instructions = moment.instructions
            yield "learn", moment
        state = trainer.save()
        trainer.reset()
        trainer.load(state)
        after = yield from _phase("after", score(trainer, test))
    return Learnt(
        before.accuracy or 0.0,
        after.accuracy or 0.0,
        tuple(losses),
        len(learn),
        step_instructions,
        after.instructions,
        state,
    )


def compare(
    program: tl.CompiledProgram, given: Lesson, device: str = "unicorn", seed: int = 0
) -> Learnt:
    """The same lesson on this machine, where the same C computes the same bits in a second.

    The instructions are those of the first step and the first prediction on the device.
    """
    learnt = _result(personalise(program, given, "host", seed))
    learn, test = (dataset(program, s.features, s.label) for s in (given.learn, given.test))
    with program.build(device) as trainer:
        prediction = next(score(trainer, test))
        step = next(fit(trainer, learn, EPOCHS, seed=seed))
    return replace(
        learnt,
        step_instructions=step.instructions,
        predict_instructions=prediction.instructions,
    )


def _result(lesson: Generator[tuple[str, BatchProgress], None, Learnt]) -> Learnt:
    """What a lesson returns, its moments unseen."""
    while True:
        try:
            next(lesson)
        except StopIteration as end:
            return end.value


def phases(program: tl.CompiledProgram, given: Lesson) -> dict[str, tuple[int, int]]:
    """Moments of each phase, and multiply-accumulates of one: what an estimate of time goes by."""
    forward, test = program.macs_forward, len(given.test)
    step = EPOCHS * len(given.learn), forward + program.macs_backward
    return {"before": (test, forward), "learn": step, "after": (test, forward)}


def _phase(
    name: str, moments: Iterator[BatchProgress]
) -> Generator[tuple[str, BatchProgress], None, BatchProgress]:
    """Yield each moment under the phase's name; returns the last."""
    last = BatchProgress(0, 0, 0.0, None, None)
    for last in moments:
        yield name, last
    return last
