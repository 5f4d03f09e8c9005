"""The demo in steps: a device learns a new speaker, loses its power, is told wrong words, and
learns a new word."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np

from trainlet.demo.board import JUDGE, KNOWN, LEARN, STEPPED, Moment, PowerCut
from trainlet.demo.keyword_spotter import LEARNING_RATE
from trainlet.demo.speech import WORDS, Speech

PASSES, WRONG_PASSES, WORD_PASSES = 5, 2, 3
OLD = 30  # learnt again in a lesson, at least: as in board/life.c
ASIDE = 3
"""Every so many clips of the speaker only judge."""
NOBODY = 1000  # judges, of fewer clips
TAUGHT, WRONG = 3, 12
CUT_AFTER = 9000  # bytes written of the state that is being saved
NEW = len(WORDS)


class Device(Protocol):
    """A board, or its twin on this machine."""

    has_flash: bool

    def record(self, number: int, clip: np.ndarray, label: int, role: int) -> None: ...

    def ask(self, clip: np.ndarray) -> Moment: ...

    def lesson(
        self, first: int, count: int, passes: int, rate: float
    ) -> Generator[Moment, None, Moment]: ...

    def correct(self, number: int, label: int, rate: float) -> Moment: ...

    def save(self) -> Moment: ...

    def fail_after(self, written: int) -> None: ...

    def power_off_and_on(self) -> Moment: ...


@dataclass(frozen=True)
class Given:
    """A speaker's clips to learn from and to be tested with, clips that come with the device, and
    those of a word that it does not know, of which the first few are taught."""

    speaker: str
    learn: Speech
    test: Speech
    factory: Speech
    word: Speech | None


@dataclass
class Lived:
    """Shares of test clips that were right; losses of the lesson's steps; what the judge counted
    before and after each lesson.

    survived: whether the state after the power cut answered as the one saved before it; None where
    the device has no Flash
    instructions: of a call, where they are counted
    """

    before: float = 0.0
    learnt: float = 0.0
    after: float = 0.0
    word_before: float = 0.0
    word_after: float = 0.0
    losses: list[float] = field(default_factory=list)
    judged: tuple[int, int] = (0, 0)
    judged_wrong: tuple[int, int] = (0, 0)
    rolled_back: bool = False
    survived: bool | None = None
    instructions: dict[str, int] = field(default_factory=dict)


Steps = Generator[tuple[str, Moment], None, Lived]


def lived(device: Device, given: Given) -> Steps:
    """Yields (phase, moment) of each prediction and step: "before", "learn", "learnt", "power",
    "wrong", "word", "after"."""
    found = Lived()
    found.before = yield from _share(device, given.test, "before", found)
    first = _recorded(device, given.factory, 0, NOBODY, KNOWN)
    learning = _recorded(device, given.learn, first, ASIDE)
    steps = device.lesson(first, len(given.learn), PASSES, LEARNING_RATE)
    outcome = yield from _lesson(steps, "learn", found)
    found.judged = outcome.before, outcome.after
    found.learnt = yield from _share(device, given.test, "learnt", found)
    if device.has_flash:
        found.survived = yield from _power(device, given, found)
    yield from _wrong_words(device, given, learning, found)
    if given.word is not None:
        yield from _new_word(device, given.word, learning, found)
    found.after = yield from _share(device, given.test, "after", found)
    return found


def result_of(steps: Steps) -> Lived:
    """What `lived` returns, its moments unseen."""
    while True:
        try:
            next(steps)
        except StopIteration as end:
            return end.value


def phases(given: Given, has_flash: bool) -> dict[str, int]:
    """How often `lived` yields each name, at most."""
    test, judged = len(given.test), len(given.learn) // ASIDE

    def taught(new: int, passes: int, judged: int) -> int:
        return passes * (new + max(new, OLD)) + 2 * judged

    found = {"before": test, "learn": taught(len(given.learn) - judged, PASSES, judged)}
    found["learnt"] = test
    if has_flash:
        found["power"] = 2 * WRONG
    fewer = WRONG // ASIDE
    found["wrong"] = taught(WRONG - fewer, WRONG_PASSES, judged + fewer)
    if given.word is not None:
        asked = 2 * (len(given.word) - TAUGHT) + TAUGHT
        found["word"] = asked + taught(TAUGHT, WORD_PASSES, judged)
    return {**found, "after": test}


def _recorded(device: Device, speech: Speech, first: int, aside: int, other: int = LEARN) -> int:
    """Record every clip, one of so many to judge, the others for `other`; returns the next
    number."""
    for k, (clip, label) in enumerate(zip(speech.sound, speech.label, strict=True)):
        role = JUDGE if k % aside == aside - 1 else other
        device.record(first + k, clip, int(label), role)
    return first + len(speech)


def _power(device: Device, given: Given, found: Lived) -> Generator[tuple[str, Moment], None, bool]:
    """The supply fails in the middle of saving; the state saved before is there."""
    some = given.test[np.arange(min(WRONG, len(given.test)))]
    found.instructions["saving"] = device.save().instructions
    told = yield from _answers(device, some, "power")
    device.fail_after(CUT_AFTER)
    try:
        device.save()
    except PowerCut:
        started = device.power_off_and_on()
        again = yield from _answers(device, some, "power")
        return started.status == 0 and again == told
    return False


def _wrong_words(
    device: Device, given: Given, first: int, found: Lived
) -> Generator[tuple[str, Moment], None, None]:
    """Clips of known words, each under the name of another: the judge refuses what they teach."""
    some = given.learn[np.arange(min(WRONG, len(given.learn)))]
    told = Speech(some.features, (some.label + 1) % len(WORDS), some.speaker, some.audio)
    _recorded(device, told, first, ASIDE)
    steps = device.lesson(first, len(some), WRONG_PASSES, LEARNING_RATE)
    outcome = yield from _lesson(steps, "wrong", None)
    found.rolled_back = outcome.status == 1
    found.judged_wrong = outcome.before, outcome.after


def _new_word(
    device: Device, word: Speech, first: int, found: Lived
) -> Generator[tuple[str, Moment], None, None]:
    """'No, this was ...', three times, and a lesson on these clips and old ones."""
    rest = word[np.arange(TAUGHT, len(word))]
    found.word_before = yield from _share(device, rest, "word", found)
    for k in range(TAUGHT):
        number = first + WRONG + k
        device.record(number, word.sound[k], NEW, LEARN)
        moment = device.correct(number, NEW, LEARNING_RATE)
        found.instructions["a correction"] = moment.instructions
        yield "word", moment
    lesson = device.lesson(first + WRONG, TAUGHT, WORD_PASSES, LEARNING_RATE)
    yield from _lesson(lesson, "word", None)
    found.word_after = yield from _share(device, rest, "word", found)
    device.save()


def _lesson(
    steps: Generator[Moment, None, Moment], name: str, found: Lived | None
) -> Generator[tuple[str, Moment], None, Moment]:
    while True:
        try:
            moment = next(steps)
        except StopIteration as end:
            return end.value
        if found is not None and moment.kind == STEPPED:
            found.losses.append(moment.loss)
            found.instructions["a training step"] = moment.instructions
        yield name, moment


def _share(
    device: Device, speech: Speech, name: str, found: Lived
) -> Generator[tuple[str, Moment], None, float]:
    """Of the clips that the device hears right."""
    told = yield from _answers(device, speech, name, found)
    return float((np.array(told) == speech.label).mean())


def _answers(
    device: Device, speech: Speech, name: str, found: Lived | None = None
) -> Generator[tuple[str, Moment], None, list[int]]:
    told = []
    for clip in speech.sound:
        moment = device.ask(clip)
        if found is not None:
            found.instructions["an inference"] = moment.instructions
        told.append(moment.value)
        yield name, moment
    return told
