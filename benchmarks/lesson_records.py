"""Make the records that the lesson of the explorer shows: contributions, a fleet, an audit.

    python benchmarks/lesson_records.py [contribution fleet leakage]

All networks and data are those of the demos: synthetic voices, and symbols that this machine
draws.  The files go to src/trainlet/explorer/records.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path

import torch

from trainlet.demo.keyword_spotter import load_pretrained
from trainlet.demo.speech import CLIPS_PER_WORD, bundled, split_new_speaker
from trainlet.run.dataset import Dataset
from trainlet.schemes.contribution import contribution
from trainlet.schemes.study import Episode

RECORDS = Path(__file__).parents[1] / "src/trainlet/explorer/records"


def speech_gains(folder: Path) -> None:
    """Six speakers whom the network has never heard: three clips of each word to learn from."""
    heard, episodes = bundled("new"), list[Episode]()
    for speaker in heard.speakers:
        learn, test = split_new_speaker(heard, speaker, CLIPS_PER_WORD, 0)
        episodes.append(
            Episode(Dataset(learn.features, learn.label), Dataset(test.features, test.label))
        )
    contribution(
        load_pretrained(), episodes, torch.zeros(1, 1, 49, 10), seeds=1,
        file=folder / "keyword-spotter.measured.jsonl",
    )  # fmt: skip


MAKERS: dict[str, Callable[[Path], None]] = {
    "contribution": speech_gains,
}


def main() -> None:
    parser = argparse.ArgumentParser(description="Make the records of the lesson.")
    parser.add_argument("records", nargs="*", default=[*MAKERS], help=", ".join(MAKERS))
    RECORDS.mkdir(exist_ok=True)
    for name in parser.parse_args().records:
        MAKERS[name](RECORDS)
        print(f"{name} is in {RECORDS}", flush=True)


if __name__ == "__main__":
    main()
