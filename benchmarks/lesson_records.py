"""Make the records that the lesson of the explorer shows: contributions, fleets, attacks.

    python benchmarks/lesson_records.py [contribution fleet leakage]

All networks and data are those of the demos: synthetic voices, and symbols that this machine
draws.  The files go to src/trainlet/explorer/records.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from itertools import product
from pathlib import Path
from typing import Any, get_args

import torch

import trainlet as tl
from trainlet.demo.keyword_spotter import load_pretrained
from trainlet.demo.speech import CLIPS_PER_WORD, bundled, split_new_speaker
from trainlet.explorer.explored import Explored, Source
from trainlet.explorer.fleet import RECORDED, federated
from trainlet.explorer.leakage import DEFENCES, Attack, attacked, examples
from trainlet.explorer.learning import RATES
from trainlet.explorer.lesson import canonical
from trainlet.explorer.requests import Federated
from trainlet.run.dataset import Dataset
from trainlet.schemes.contribution import contribution
from trainlet.schemes.study import Episode

RECORDS = Path(__file__).parents[1] / "src/trainlet/explorer/records"
SCHEMES = ("last", "bias", "full")
DIVISIONS = ("person", "few")
ROUNDS, DEVICES = 8, 6


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


def fleets(folder: Path) -> None:
    """Every fleet that the lesson shows: six devices, in int8."""
    explored = Explored(Source(None, None, tl.Target.preset("cortex-m7")))
    shares = get_args(Federated.model_fields["share"].annotation)
    found = {}
    for scheme, division, share in product(SCHEMES, DIVISIONS, shares):
        asked = Federated.model_validate({
            "precision": "int8", "scheme": scheme, "rate": RATES.get(scheme, 0.01),
            "division": division, "share": share, "devices": DEVICES, "rounds": ROUNDS,
        })  # fmt: skip
        answer = found[f"fleet {canonical(asked.model_dump())}"] = federated(explored, asked)
        first, *_, last = (one["accuracy"] for one in answer["rounds"])
        print(f"{scheme}, {division}, {share}: {first:.1%} to {last:.1%}", flush=True)
    write(folder / RECORDED.name, found)


def leakage(folder: Path) -> None:
    """Every defence on each of the drawings that the page attacks."""
    torch.set_num_threads(1)
    found = {}
    for key in DEFENCES:
        rows = [attacked(Attack(drawing=drawing, defence=key)) for drawing in examples()]
        found[key] = [{k: round(v, 4) if isinstance(v, float) else v for k, v in row.items()}
                      for row in rows]  # fmt: skip
        print(key, [f"{row['psnr']:.1f} dB" for row in rows], flush=True)
    write(folder / "leakage.json", found)


def write(path: Path, values: dict[str, Any]) -> None:
    """As JSON, a line for each."""
    lines = [f"{json.dumps(k)}: {json.dumps(v, separators=(',', ':'))}" for k, v in values.items()]
    path.write_text("{\n" + ",\n".join(lines) + "\n}\n")


MAKERS: dict[str, Callable[[Path], None]] = {
    "contribution": speech_gains,
    "fleet": fleets,
    "leakage": leakage,
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
