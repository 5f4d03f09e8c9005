"""The gains that the page shows are those of a file of measurements."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from explorer.served import source
from trainlet.errors import DataError, FileError
from trainlet.explorer.contributions import BUNDLED, contributions
from trainlet.explorer.explored import SPEECH, SYMBOLS, Explored
from trainlet.schemes.gains import choices


def test_gains_are_differences_of_what_the_file_has() -> None:
    found = contributions(given := Explored(source(SPEECH)))
    _, *lines = map(json.loads, BUNDLED[SPEECH].read_text().splitlines())
    assert len(lines) == len(choices(given.layers))
    assert found["missing"] == 0

    def reached(biases: int, shares: dict[str, float]) -> float:
        (one,) = [li for li in lines if (li["biases"], li["shares"]) == (biases, shares)]
        return np.array(one["accuracies"]).mean(1).max()

    assert found["alone"] == pytest.approx(reached(0, {}))
    for gain in found["biases"]:
        assert gain["mean"] == pytest.approx(reached(gain["last"], {}) - reached(0, {}))
    body = given.layers.body
    for gain in found["weights"]:
        last = len(body) - gain["layer"]
        own = reached(last, {body[gain["layer"]].weight: gain["share"]})
        assert gain["mean"] == pytest.approx(own - reached(last, {}))
    assert found["precision"] == "float32"


def test_files_of_other_networks_are_refused(tmp_path: Path) -> None:
    bundled = BUNDLED[SPEECH].read_text()
    for text, why in (
        (bundled, "another network"),
        ("{}\n", "no file of measurements"),
        (bundled.splitlines()[0] + "\n", "another network"),
        (bundled.splitlines()[0].replace('"None"', '"Int8()"') + "\n3\n", "line 2 is damaged"),
    ):
        (file := tmp_path / "net.measured.jsonl").write_text(text)
        with pytest.raises(FileError, match=why):
            contributions(Explored(replace(source(SYMBOLS), measured=file)))
    head, *lines = bundled.splitlines(keepends=True)
    file.write_text(head + "".join(line for line in lines if '"biases": 0,' not in line))
    with pytest.raises(FileError, match="classifier alone"):
        contributions(Explored(replace(source(SPEECH), measured=file)))
    with pytest.raises(DataError, match="trainlet search"):
        contributions(Explored(source(SYMBOLS)))


def test_an_unfinished_file_shows_what_it_has(tmp_path: Path) -> None:
    head, *lines = BUNDLED[SPEECH].read_text().splitlines(keepends=True)
    (file := tmp_path / "net.measured.jsonl").write_text(head + "".join(lines[:3]) + lines[3][:9])
    found = contributions(Explored(replace(source(SPEECH), measured=file)))
    assert found["missing"] == len(lines) - 3
    assert len(found["biases"]) == 3
    assert found["weights"] == []
    assert file.name in found["words"]
