"""What each layer gains when it learns: measured by `trainlet search`, or for the lesson."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from trainlet.errors import DataError, FileError
from trainlet.explorer.explored import SPEECH, Explored
from trainlet.schemes.gains import Gain, Gains, choices
from trainlet.schemes.layers import Choice
from trainlet.schemes.measurements import read_measured

RECORDS = Path(__file__).with_name("records")
BUNDLED = {SPEECH: RECORDS / "keyword-spotter.measured.jsonl"}
BUNDLED_WORDS = (
    "Measured with six synthetic speakers whom the network has never heard: 36 clips each to learn "
    "from, 132 to validate on."
)


@dataclass(frozen=True)
class Measured:
    """The gains of a file.

    precision: of the network that was measured; words: on whose data
    """

    gains: Gains
    precision: str
    words: str

    @property
    def runs(self) -> int:
        return next(iter(self.gains.known.values())).shape[1]


def measured_gains(explored: Explored) -> Measured:
    """Of the file that the explorer was started with, or of the bundled network.

    Raises DataError where there is none, FileError for one of another network.
    """
    given, name = explored.source.measured, explored.source.name
    own = explored.source.net is None
    file = given or (BUNDLED.get(name) if own else None)
    if file is None:
        raise DataError(
            "nothing is measured of this network; `trainlet search` measures what each layer "
            "gains, and --measured shows its file"
        )
    integer, known = read_measured(file, explored.float_graph, explored.layers)
    if Choice() not in known:
        raise FileError(f"{file} has not measured the classifier alone yet; let `trainlet search` "
                        "continue")  # fmt: skip
    words = BUNDLED_WORDS if given is None else f"Measured in {file.name}."
    return Measured(Gains(known, explored.layers), "int8" if integer else "float32", words)


def contributions(explored: Explored) -> dict[str, Any]:
    """For JSON: gains of the biases of the last k layers, and of shares of the weights."""
    found = measured_gains(explored)
    gains, every = found.gains, choices(explored.layers)
    return {
        "precision": found.precision,
        "words": found.words,
        "runs": found.runs,
        "missing": sum(choice not in gains.known for choice in every),
        "alone": float(gains.accuracy(Choice()).mean()),
        "biases": [{"last": k, **_plain(gain)} for k, gain in gains.biases.items()],
        "weights": [
            {"layer": k, "share": share, **_plain(gain)}
            for (k, share), gain in gains.weights.items()
        ],
    }


def _plain(gain: Gain) -> dict[str, float]:
    return {"mean": gain.mean, "spread": gain.spread}
