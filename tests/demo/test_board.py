"""The demo's board: the twin on this machine has its bits, and its state survives a power cut."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from trainlet.demo.board import JUDGE, KNOWN, LEARN, Board, Moment, PowerCut
from trainlet.demo.board.build import LIBRARIES, code_bytes
from trainlet.demo.personalise import BUDGET, bundled_given, compile_device
from trainlet.demo.twin import Twin

OWN = bundled_given()
ROLES = (KNOWN, JUDGE, KNOWN, LEARN, LEARN, JUDGE)


@pytest.fixture(scope="module")
def devices(tmp_path_factory) -> Iterator[tuple[Board, Twin, Path]]:
    program = compile_device(OWN.factory)
    folder = tmp_path_factory.mktemp("board")
    board = Board(program, folder)
    with program.build("host") as trainer:
        yield board, Twin(trainer), folder
    board.close()


def outcome(steps) -> tuple[list[Moment], Moment]:
    seen = []
    while True:
        try:
            seen.append(next(steps))
        except StopIteration as end:
            return seen, end.value


def test_a_life_on_the_board_is_that_of_the_twin_and_survives_a_power_cut(devices):
    board, twin, folder = devices
    assert OWN.word is not None and BUDGET.ram and BUDGET.flash
    audio, label = OWN.learn.sound, OWN.learn.label
    for k, role in enumerate(ROLES):
        for device in (board, twin):
            device.record(k, audio[k], int(label[k]), role)
    lessons = [outcome(device.lesson(3, 3, 1, 0.01)) for device in (board, twin)]
    (there, end), (here, twins_end) = lessons
    assert [m.loss for m in there if m.kind == 1] == [m.loss for m in here if m.kind == 1]
    assert (end.status, end.before, end.after) == (
        twins_end.status, twins_end.before, twins_end.after,
    )  # fmt: skip
    for device in (board, twin):
        device.record(6, OWN.word.sound[0], 12, LEARN)
        assert device.correct(6, 12, 0.01).status == 0
        assert device.ask(OWN.word.sound[0]).value == 12
    clips = OWN.test.sound[:3]
    told = [board.ask(clip).value for clip in clips]
    assert told == [twin.ask(clip).value for clip in clips]

    assert board.save().status == 0
    board.fail_after(9000)
    with pytest.raises(PowerCut):
        board.save()
    assert board.power_off_and_on().status == 0
    assert [board.ask(clip).value for clip in clips] == told
    assert board.ask(OWN.word.sound[0]).value == 12

    image = board.firmware
    assert image.image_ram_bytes < BUDGET.ram / 2 and image.image_flash_bytes < BUDGET.flash / 8
    sizes = code_bytes(folder)
    assert set(sizes) == set(LIBRARIES) and 0 < sum(sizes.values()) < 8000
    assert np.isfinite([m.loss for m in there]).all()
