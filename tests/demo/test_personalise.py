"""What the demo compiles and for whom: nobody who is tested was heard before."""

import numpy as np
import pytest

from trainlet.demo.days import PASSES, lived, phases
from trainlet.demo.personalise import (
    BUDGET,
    CALIBRATION_CLIPS,
    bundled_given,
    calibration_clips,
    compile_device,
    given,
)
from trainlet.demo.speech import DEMO_SPEAKER, NEW_WORD, WORDS, Speech, bundled
from trainlet.demo.twin import Twin
from trainlet.errors import DataError


def test_the_days_of_the_demo_on_this_machine():
    own = bundled_given()
    program = compile_device(own.factory)
    report = program.report
    assert BUDGET.ram and BUDGET.flash
    assert (BUDGET.ram, BUDGET.flash) == (256 * 1024, 1024 * 1024)
    assert report.ram_bytes < BUDGET.ram / 2 and (report.flash_bytes or 0) < BUDGET.flash / 10
    moments = []
    with program.build("host") as trainer:
        steps = lived(Twin(trainer), own)
        while True:
            try:
                moments.append(next(steps))
            except StopIteration as end:
                found = end.value
                break
    assert found.learnt - found.before > 0.15
    assert found.rolled_back and found.judged_wrong[0] == found.judged_wrong[1]
    assert found.word_before == 0 and found.word_after > 0.9
    assert found.after > found.before + 0.05
    assert found.survived is None
    losses = np.array(found.losses).reshape(PASSES, -1).mean(1)
    assert losses[-1] < losses[0] / 3
    told = {name: sum(n == name for n, _ in moments) for name in phases(own, False)}
    assert told == phases(own, False)


def test_calibration_hears_no_one_who_is_tested():
    own = bundled_given()
    shown = {x.tobytes() for x in calibration_clips()}
    assert len(shown) == CALIBRATION_CLIPS
    assert not shown & {x.tobytes() for part in (own.learn, own.test) for x in part.features}
    assert own.factory.speakers == ["pretraining"]


def test_the_clips_of_the_demo_are_those_that_its_features_were_made_of():
    own, told = bundled_given(), bundled("new")
    told = told[told.speaker == DEMO_SPEAKER]
    known = {x.tobytes() for x in np.rint(told.features).astype(np.int8)}
    assert len(own.learn) + len(own.test) == len(told) == 168
    near = [abs(told.features - one).mean((1, 2, 3)).min() for one in own.test.features[:10]]
    assert max(near) < 0.1 and len(known) > 1
    assert own.word is not None and len(own.word) == 14 and NEW_WORD not in WORDS
    assert set(own.word.label.tolist()) == {len(WORDS)}


def test_a_lesson_shares_no_clip_with_its_test():
    own = bundled_given()
    assert own.speaker == DEMO_SPEAKER
    both = np.concatenate([own.learn.sound, own.test.sound])
    assert len(np.unique(both, axis=0)) == len(both) == 168


def test_orders_are_of_the_same_clips():
    first, second = (bundled_given(order).learn.sound for order in (0, 1))
    assert not np.array_equal(first, second)
    assert np.array_equal(np.unique(first, axis=0), np.unique(second, axis=0))


def test_without_a_name_the_speaker_with_most_clips_learns():
    said = ["ann"] * 2 + ["bob"] * 4 + ["_noise_"] * 9
    features = np.arange(15, dtype=np.float32).repeat(490).reshape(15, 1, 49, 10)
    speech = Speech(features, np.zeros(15, np.int32), np.array(said))
    own = given(speech)
    assert (own.speaker, len(own.learn), len(own.test)) == ("bob", 2, 2)
    with pytest.raises(DataError, match="unknown speaker 'eve'"):
        given(speech, "eve")
