"""The demo in steps: compile the keyword spotter's trainer, and let it learn a new speaker."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from dataclasses import dataclass, replace

import numpy as np
import torch

import trainlet as tl
from trainlet.demo.keyword_spotter import EPOCHS, LEARNING_RATE, SCHEME, load_pretrained
from trainlet.demo.speech import CLIPS_PER_WORD, DEMO_SPEAKER, Speech, bundled, split_new_speaker
from trainlet.run.dataset import dataset
from trainlet.run.fit import Moment, fit, score

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


def compile_spotter(network: torch.export.ExportedProgram) -> tl.CompiledProgram:
    """Its trainer, inside 256 KB of RAM and 1 MB of Flash."""
    scheme, optimizer = tl.UpdateScheme(SCHEME), tl.SGD(lr=LEARNING_RATE)
    return tl.compile(network, None, scheme, target=BUDGET, optimizer=optimizer)


def personalise(
    program: tl.CompiledProgram, given: Lesson, device: str = "unicorn", seed: int = 0
) -> Generator[tuple[str, Moment], None, Learnt]:
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


def phases(program: tl.CompiledProgram, given: Lesson) -> dict[str, tuple[int, int]]:
    """Moments of each phase, and multiply-accumulates of one: what an estimate of time goes by."""
    forward, test = program.macs_forward, len(given.test)
    step = EPOCHS * len(given.learn), forward + program.macs_backward
    return {"before": (test, forward), "learn": step, "after": (test, forward)}


def _phase(name: str, moments: Iterator[Moment]) -> Generator[tuple[str, Moment], None, Moment]:
    """Yield each moment under the phase's name; returns the last."""
    last = Moment(0, 0, 0.0, None, None)
    for last in moments:
        yield name, last
    return last
