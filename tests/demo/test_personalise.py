"""The demo's speaker is understood better after the lesson, measured on the device."""

import numpy as np
import pytest

from trainlet.demo.keyword_spotter import EPOCHS
from trainlet.demo.personalise import (
    BUDGET,
    CALIBRATION_CLIPS,
    Lesson,
    bundled_lesson,
    calibration_clips,
    compare,
    compile_spotter,
    exported_spotter,
    lesson,
    personalise,
    phases,
)
from trainlet.demo.speech import DEMO_SPEAKER, Speech
from trainlet.errors import DataError


@pytest.mark.parametrize("precision", ["int8", "float32"])
def test_the_demo_speaker_gains(precision):
    program, given = compile_spotter(exported_spotter(), precision), bundled_lesson()
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


def test_int8_takes_half_of_the_ram():
    network = exported_spotter()
    ram = {p: compile_spotter(network, p).report.ram_bytes for p in ("int8", "float32")}
    assert 2 * ram["int8"] < ram["float32"]


def test_the_twin_on_this_machine_computes_the_bits_of_the_device():
    """Else the column beside the device's would be another experiment."""
    program, given = compile_spotter(exported_spotter()), bundled_lesson()
    learn = given.learn
    with program.build("host") as here, program.build("unicorn", count=False) as there:
        for k in range(3):
            x, y = learn.features[k : k + 1], learn.label[k : k + 1]
            assert here.step(x, y) == there.step(x, y)
        assert here.save() == there.save()


def test_the_twins_instructions_are_counted_on_the_device():
    program, given = compile_spotter(exported_spotter()), bundled_lesson()
    short = Lesson(given.speaker, given.learn[:2], given.test[:3])
    here, there = (compare(program, short, device) for device in ("host", "unicorn"))
    assert here.step_instructions is None and here.state == there.state
    assert there.step_instructions > there.predict_instructions > 1_000_000  # type: ignore


def test_calibration_hears_no_one_who_is_tested():
    tested = bundled_lesson()
    shown = {x.tobytes() for x in calibration_clips()}
    assert len(shown) == CALIBRATION_CLIPS
    assert not shown & {x.tobytes() for part in (tested.learn, tested.test) for x in part.features}


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
    with pytest.raises(DataError, match="unknown speaker 'eve'"):
        lesson(speech, "eve")
