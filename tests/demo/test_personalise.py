"""The demo's speaker is understood better after the lesson, measured on the device."""

import numpy as np
import pytest

from trainlet.demo.keyword_spotter import EPOCHS
from trainlet.demo.personalise import (
    BUDGET,
    bundled_lesson,
    compile_spotter,
    exported_spotter,
    lesson,
    personalise,
    phases,
)
from trainlet.demo.speech import DEMO_SPEAKER, Speech
from trainlet.errors import DataError


def test_the_demo_speaker_gains():
    program, given = compile_spotter(exported_spotter()), bundled_lesson()
    moments, steps = [], personalise(program, given, "host")
    while True:
        try:
            moments.append(next(steps))
        except StopIteration as end:
            learnt = end.value
            break

    assert learnt.accuracy_after - learnt.accuracy_before > 0.08
    assert len(learnt.losses) == EPOCHS * len(given.learn) == EPOCHS * learnt.steps_per_epoch
    assert np.mean(learnt.losses[-36:]) < np.mean(learnt.losses[:36]) / 2
    told = {name: sum(n == name for n, _ in moments) for name in ("before", "learn", "after")}
    assert told == {name: count for name, (count, _) in phases(program, given).items()}

    report = program.report
    assert (BUDGET.ram, BUDGET.flash) == (256 * 1024, 1024 * 1024)
    assert report.ram_bytes <= BUDGET.ram and (report.flash_bytes or 0) <= BUDGET.flash


def test_a_lesson_shares_no_clip_with_its_test():
    given = bundled_lesson()
    assert given.speaker == DEMO_SPEAKER
    both = np.concatenate([given.learn.features, given.test.features]).reshape(-1, 490)
    assert len(np.unique(both, axis=0)) == len(both) == 168


def test_without_a_name_the_speaker_with_most_clips_learns():
    said = ["ann"] * 2 + ["bob"] * 4 + ["_noise_"] * 9
    features = np.arange(15, dtype=np.float32).repeat(490).reshape(15, 1, 49, 10)
    speech = Speech(features, np.zeros(15, np.int32), np.array(said))
    given = lesson(speech)
    assert (given.speaker, len(given.learn), len(given.test)) == ("bob", 2, 2)
    with pytest.raises(DataError, match="no speaker 'eve'"):
        lesson(speech, "eve")
