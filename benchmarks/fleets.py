"""A fleet of 26 speakers learns a new microphone together: int8 against float32, with faults.

The DS-CNN of MLPerf Tiny knows 12 words.  The product's microphone (a band, three resonances,
reverberation, noise 25 dB below the voice) is new to it.  Every speaker is a device, and a third of
each speaker's clips is the test.  A seed is another microphone, another split and other orders.
Rows that the file already has are not made again.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from functools import cache
from pathlib import Path

import numpy as np
import torch
from schemes.microphone import BACKBONE, ds_cnn
from schemes.sound import cepstra, mu_law, through_device

import trainlet as tl
from trainlet.files import write_text
from trainlet.fleet.encoding import encoding
from trainlet.fleet.faults import Faults
from trainlet.fleet.member import Recipe
from trainlet.fleet.secure.round import SecureAggregation
from trainlet.fleet.simulation import Fleet
from trainlet.fleet.splits import by_person
from trainlet.pictures.fleet import draw_fleet
from trainlet.run.dataset import Dataset

NOBODY = "_noise_"
CALIBRATION_MICROPHONE = 999
ROUNDS, EPOCHS = 8, 2
INT8_LR, FLOAT_LR = 0.05, 0.0005
SCALE, CLIPS = (10, 100, 1000), 8


@dataclass(frozen=True)
class Row:
    """A run.  bytes_sent: by all devices; bytes_received: likewise; curve: accuracy, from before
    the first round; seconds: of a round, for runs about the size of a fleet."""

    run: str
    accuracy_before: float
    accuracy_after: float
    bytes_sent: int
    rounds: int
    seed: int
    bytes_received: int
    devices: int
    refused: int = 0
    bounded: int = 0
    seconds: float | None = None
    curve: list[float] = field(default_factory=list)


@dataclass(frozen=True)
class Speakers:
    """What the devices have to learn from and to test with."""

    learn: list[Dataset]
    test: list[Dataset]
    calibration: torch.Tensor


@cache
def speakers(data: Path, seed: int) -> Speakers:
    """All speakers through one microphone."""
    file = np.load(data / "speech_commands_personal_16k.npz", allow_pickle=False)
    sound, label = mu_law(file["audio_mulaw"]), file["label12"].astype(np.int32)
    heard = cepstra(through_device(sound, seed))
    rng, learn, test = np.random.default_rng(seed), [], []
    for name, rows in by_person(file["speaker"]).items():
        if name != NOBODY:
            order = rng.permutation(rows)
            third = len(order) // 3
            test.append(Dataset(heard[order[:third]], label[order[:third]]))
            learn.append(Dataset(heard[order[third:]], label[order[third:]]))
    some = through_device(sound[:: len(sound) // 64], CALIBRATION_MICROPHONE)
    return Speakers(learn, test, torch.from_numpy(cepstra(some)))


def recipe(data: Path, seed: int, kind: str, share: str) -> Recipe:
    """kind: "full" in float32, or "last" in int8: the classifier alone learns."""
    network, example = ds_cnn(data / BACKBONE), torch.zeros(1, 1, 49, 10)
    if kind == "full":
        program = tl.compile(network, example, "full", target="host", optimizer=tl.SGD(FLOAT_LR))
    else:
        program = tl.compile(
            network, example, "last", target="cortex-m7", precision="int8",
            calibration=[speakers(data, seed).calibration], optimizer=tl.SGD(INT8_LR),
        )  # fmt: skip
    return Recipe(program, encoding(share))


def played(name: str, fleet: Fleet, seed: int, lr: float, faults: Faults | None = None) -> Row:
    """The row of a fleet's rounds; the learning rate falls linearly."""
    before = fleet.accuracy() or 0.0
    curve = [before]
    present, deliver = (faults.present, faults.deliver) if faults else (None, None)
    for done in fleet.run(
        ROUNDS,
        epochs=EPOCHS,
        lr=lambda k: lr * (1 - (k - 1) / ROUNDS),
        present=present,
        deliver=deliver,
    ):
        curve.append(done.accuracy or 0.0)
        print(f"  {name} {done.number}/{ROUNDS}: {done.accuracy:.1%}", flush=True)
    server = fleet.server
    refused = sum(not v.accepted for v in server.verdicts)
    bounded = sum(v.accepted and bool(v.reason) for v in server.verdicts)
    return Row(name, before, curve[-1], server.bytes_up, ROUNDS, seed, server.bytes_down,
               len(fleet.members), refused, bounded, curve=curve)  # fmt: skip


def central(data: Path, seed: int, jobs: int) -> Row:
    """All clips in one place, the whole network, float32: as many passes as the fleet's."""
    clips = speakers(data, seed)
    everything = [
        Dataset(np.concatenate([d.x for d in part]), np.concatenate([d.y for d in part]))
        for part in (clips.learn, clips.test)
    ]
    with Fleet([recipe(data, seed, "full", "none")], [(0, everything[0])], tests=[everything[1]],
               seed=seed) as fleet:  # fmt: skip
        row = played("central_float32", fleet, seed, FLOAT_LR)
    return Row(**{**asdict(row), "bytes_sent": 0, "bytes_received": 0})


def federated(
    name: str, kind: str, share: str, secure: SecureAggregation | None = None, **faulty: float
) -> Callable[..., Row]:
    """A run of all speakers; faulty: shares of faults, as of `Faults`."""

    def run(data: Path, seed: int, jobs: int) -> Row:
        clips, made = speakers(data, seed), recipe(data, seed, kind, share)
        members = [(0, one) for one in clips.learn]
        faults = Faults(len(members), made.shared.sizes, seed=seed, **faulty) if faulty else None
        with Fleet([made], members, tests=clips.test, secure=secure, seed=seed, jobs=jobs) as fleet:
            return played(name, fleet, seed, FLOAT_LR if kind == "full" else INT8_LR, faults)

    return run


def scale(devices: int) -> Callable[..., Row]:
    """Seconds of a round of so many devices, each with a few clips drawn from one speaker's."""

    def run(data: Path, seed: int, jobs: int) -> Row:
        clips, made = speakers(data, seed), recipe(data, seed, "last", "int8")
        rng, members = np.random.default_rng(seed), []
        for k in range(devices):
            own = clips.learn[k % len(clips.learn)]
            rows = rng.choice(len(own), CLIPS, replace=False)
            members.append((0, Dataset(own.x[rows], own.y[rows])))
        with Fleet([made], members, seed=seed, jobs=jobs) as fleet:
            times = [time.perf_counter()]
            for _ in fleet.run(3, epochs=1):
                times.append(time.perf_counter())
            server = fleet.server
            return Row(f"scale_{devices}", 0.0, 0.0, server.bytes_up, 3, seed, server.bytes_down,
                       devices, seconds=float(np.median(np.diff(times))))  # fmt: skip

    return run


RUNS: dict[str, Callable[..., Row]] = {
    "central_float32": central,
    "federated_sparse_int8": federated("federated_sparse_int8", "last", "int8"),
    "dense_fp32": federated("dense_fp32", "full", "none"),
    "dropouts": federated("dropouts", "last", "int8", dropouts=0.3),
    "poisoned": federated("poisoned", "last", "int8", poisoned=0.1, repeated=0.1),
    "all_faults": federated(
        "all_faults", "last", "int8", dropouts=0.3, poisoned=0.1, repeated=0.1, late=0.1
    ),
    "secure_aggregation": federated("secure_aggregation", "last", "int8", SecureAggregation()),
    "secure_dropouts": federated(
        "secure_dropouts", "last", "int8", SecureAggregation(share=0.6), late=0.3
    ),
    "sign": federated("sign", "last", "sign"),
    "topk": federated("topk", "last", "topk:0.1,int8"),
    **{f"scale_{devices}": scale(devices) for devices in SCALE},
}


def rows_of(file: Path) -> list[dict]:
    """The rows that are already made."""
    return json.loads(file.read_text()) if file.exists() else []


def missing(rows: list[dict], runs: list[str], seeds: int) -> Iterator[tuple[str, int]]:
    """Runs that have no row."""
    known = {(row["run"], row["seed"]) for row in rows}
    for seed in range(seeds):
        for run in runs:
            if (run, seed) not in known and (seed == 0 or not run.startswith("scale")):
                yield run, seed


def main() -> None:
    """Make the rows that are missing, and print all."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--json", type=Path, default=Path("build/bench-fleet.json"))
    parser.add_argument("--picture", type=Path, default=Path("build/fleet.svg"))
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--runs", nargs="+", choices=RUNS, default=list(RUNS))
    args = parser.parse_args()
    args.json.parent.mkdir(parents=True, exist_ok=True)
    rows = rows_of(args.json)
    for run, seed in missing(rows, args.runs, args.seeds):
        rows.append(asdict(RUNS[run](args.data, seed, args.jobs)))
        write_text(args.json, json.dumps(rows, indent=1))
    drawn = [row for row in rows if (row["run"], row["seed"]) == ("federated_sparse_int8", 0)]
    if drawn:
        sizes = [len(one) for one in speakers(args.data, 0).learn]
        draw_fleet(drawn[0]["curve"], sizes, args.picture)
    for row in sorted(rows, key=lambda row: (row["run"], row["seed"])):
        seconds = "" if row["seconds"] is None else f"  {row['seconds']:.2f} s a round"
        print(f"{row['run']:24} seed {row['seed']}  {row['accuracy_before']:6.1%} -> "
              f"{row['accuracy_after']:6.1%}  sent {row['bytes_sent']:>11,}  received "
              f"{row['bytes_received']:>11,}  refused {row['refused']}  bounded {row['bounded']}"
              f"{seconds}")  # fmt: skip


if __name__ == "__main__":
    main()
