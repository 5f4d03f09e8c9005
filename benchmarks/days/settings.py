"""Four kinds of devices on real data; none of their examples was used in pretraining."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from int8.activity import activity
from int8.speech import speech
from int8.task import folded, last_layers, pretrain
from schemes.ecg import LEAST, ecg
from torch import nn

from trainlet.demo.keyword_spotter import KeywordSpotter
from trainlet.demo.speech import SILENCE, UNKNOWN, WORDS, Speech, bundled, from_npz

from .device import Device, Setting, balanced, by_class, convolutions, of

HOUSEHOLD, DAYS, FACTORY = 4, 4, 6
NEW_WORDS = ("go", "left", "stop", "yes")
EPOCHS = 8


def by_speaker(data: Path, build: Path) -> Setting:
    """A household's keyword spotter: each day another of its four speakers labels clips."""
    task, clips = speech(data), from_npz(data / "speech_commands_personal_16k.npz")
    known, first = bundled("train"), bundled("validation")
    x, y = clips.features, clips.label
    factory = of(first.features, first.label, balanced(first.label, _all(first), FACTORY, 0))
    devices = []
    for number, people in enumerate(_households(clips)):
        halves = [_halves(y, np.flatnonzero(clips.speaker == who), number) for who in people]
        tests = {who: of(x, y, half[1]) for who, half in zip(people, halves, strict=True)}
        days = [of(x, y, half[0]) for half in halves]
        devices.append(Device(f"household {number}", factory, days, tests))
    shown = balanced(known.label, _all(known), 20, 0)
    return Setting(
        "speaker", "Speech Commands, each day another speaker of the household", task.model,
        task.example, of(known.features, known.label, shown),
        convolutions(last_layers(_plain(task.model), 4, [-1])), devices, rate=0.01,
    )  # fmt: skip


def by_word(data: Path, build: Path) -> Setting:
    """A household teaches its keyword spotter a new word a day."""
    clips = from_npz(data / "speech_commands_personal_16k.npz")
    old = [k for k, word in enumerate(WORDS) if word not in (*NEW_WORDS, "silence", "unknown")]
    order = [*old, SILENCE, UNKNOWN, *(WORDS.index(word) for word in NEW_WORDS)]
    place = np.argsort(order).astype(np.int32)
    train, first = bundled("train"), bundled("validation")
    fewer = len(order) - len(NEW_WORDS)
    known, factory = (part[place[part.label] < fewer] for part in (train, first))
    x, y = clips.features, place[clips.label]
    shown = balanced(place[known.label], _all(known), 20, 0)
    chosen = balanced(place[factory.label], _all(factory), FACTORY, 0)
    devices = []
    for number, people in enumerate(_households(clips)):
        learn, test = _halves(y, np.flatnonzero(np.isin(clips.speaker, people)), number)
        days = [of(x, y, learn[y[learn] == fewer + k]) for k in range(len(NEW_WORDS))]
        tests = by_class(x, y, test[y[test] != place[UNKNOWN]])
        device = of(factory.features, place[factory.label], chosen)
        devices.append(Device(f"household {number}", device, days, tests))
    model = _spotter(known.features, place[known.label], fewer, build / "days-words.pt")
    return Setting(
        "word", "Speech Commands, each day a new word", model, (1, 1, 49, 10),
        of(known.features, place[known.label], shown),
        convolutions(last_layers(_plain(model), 4, [-1])), devices, rate=0.01,
        spare=len(NEW_WORDS),
    )  # fmt: skip


def by_person(data: Path, build: Path) -> Setting:
    """A new person's watch; each day has recordings of some of the activities."""
    task = activity(data, each=40)
    devices = []
    for number, episode in enumerate(task.episodes("test", 0)):
        rng, y = np.random.default_rng(number), episode.learn.y
        turns = [np.roll(rng.permutation(5), 2 * d)[:2] for d in range(DAYS)]
        days = []
        for k, turn in enumerate(turns):
            rows = np.flatnonzero(np.isin(y, turn))[k % 2 :: 2]
            days.append(of(episode.learn.x, y, rng.permutation(rows)[:24]))
        tests = by_class(episode.test.x, episode.test.y, np.arange(len(episode.test.y)))
        devices.append(Device(f"person {number}", _known(data, "factory"), days, tests))
    return Setting(
        "person", "Activities of a new person's watch, two of five a day", task.model,
        task.example, _known(data, "shown"), convolutions(task.scheme), devices, rate=0.01,
    )  # fmt: skip


def by_patient(data: Path, build: Path) -> Setting:
    """A new patient's beats in the order of the record: a quarter of the first half a day."""
    task = ecg(data)
    file = np.load(data / "ecg_mitbih_beats.npz", allow_pickle=False)
    chosen = file["label"] < 3
    y, record = file["label"][chosen].astype(np.int32), file["record"][chosen]
    moment, x = file["sample"][chosen], (file["beat"][chosen] / 200)[:, None, :, None]
    patients = [one for one in np.unique(record).tolist() if _kinds(y[record == one]) >= 2]
    tested = _test_patients(patients)
    others = np.flatnonzero(~np.isin(record, patients))
    shown, factory = balanced(y, others, 60, 0), balanced(y, others, FACTORY, 1)
    devices = []
    for one in tested:
        own = np.flatnonzero(record == one)
        own = own[np.argsort(moment[own])]
        half, rng = len(own) // 2, np.random.default_rng(one)
        days = [of(x, y, rng.permutation(part)[:40]) for part in np.array_split(own[:half], DAYS)]
        rows = balanced(y, own[half:], 40, 0)
        tests = {k: d for k, d in by_class(x, y, rows).items() if len(d) >= LEAST // 2}
        devices.append(Device(f"record {one}", of(x, y, factory), days, tests))
    return Setting(
        "patient", "Heartbeats of a new patient, as they come", task.model, task.example,
        of(x, y, shown), convolutions(task.scheme), devices, rate=0.01,
    )  # fmt: skip


SETTINGS: dict[str, Callable[[Path, Path], Setting]] = {
    "speaker": by_speaker, "word": by_word, "person": by_person, "patient": by_patient,
}  # fmt: skip


def _test_patients(patients: list[int]) -> list[int]:
    """Those of schemes.ecg."""
    from schemes.ecg import TEST_PATIENTS, TWO_RECORDS, VALIDATION_PATIENTS

    drawn = np.random.default_rng(1).permutation(patients)[: VALIDATION_PATIENTS + TEST_PATIENTS]
    return [one for one in drawn.tolist() if one not in TWO_RECORDS][VALIDATION_PATIENTS:]


def _kinds(y: np.ndarray) -> int:
    return int((np.bincount(y, minlength=3) >= LEAST).sum())


def _known(data: Path, part: str):
    """Windows of the phones of people whom the network knows."""
    file = np.load(data / "har_phone_watch_windows.npz", allow_pickle=False)
    x = file["window"].astype(np.float32) * file["scale"] / 5
    x, y = np.ascontiguousarray(x.transpose(0, 2, 1))[..., None], file["label"].astype(np.int32)
    people = np.random.default_rng(0).permutation(np.unique(file["subject"]))[10:]
    rows = np.flatnonzero(np.isin(file["subject"], people) & (file["is_watch"] == 0))
    return of(x, y, balanced(y, rows, 60 if part == "shown" else FACTORY, len(part)))


def _households(clips: Speech) -> list[list[str]]:
    people = np.random.default_rng(0).permutation(clips.speakers).tolist()
    return [people[k : k + HOUSEHOLD] for k in range(0, len(people) - HOUSEHOLD + 1, HOUSEHOLD)]


def _halves(y: np.ndarray, rows: np.ndarray, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Of each class one half to learn from, the other to test with."""
    order = np.random.default_rng(seed).permutation(rows)
    parts = [order[y[order] == k] for k in np.unique(y[rows])]
    learn = np.concatenate([part[: len(part) // 2] for part in parts])
    return learn, np.concatenate([part[len(part) // 2 :] for part in parts])


def _all(speech: Speech) -> np.ndarray:
    return np.arange(len(speech))


def _plain(model: nn.Module) -> nn.Sequential:
    assert isinstance(model, nn.Sequential)
    return model


def _spotter(x: np.ndarray, y: np.ndarray, classes: int, file: Path) -> nn.Sequential:
    """The demo's network, pretrained on the bundled voices without the new words."""
    torch.manual_seed(0)
    net = KeywordSpotter()
    net.classifier = nn.Linear(net.classifier.in_features, classes)
    layers = [*net.stem]
    for block in net.blocks:
        layers += list(block)
    model = nn.Sequential(*layers, net.pool, nn.Flatten(), net.classifier)
    if file.exists():
        model.load_state_dict(torch.load(file, weights_only=True))
    else:
        pretrain(model, x, y, EPOCHS, _augment)
        file.parent.mkdir(parents=True, exist_ok=True)
        torch.save(model.state_dict(), file)
    return folded(model)


def _augment(x: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    moved = np.roll(x, int(rng.integers(-4, 5)), 2)
    colour = rng.normal(0, 0.3, (len(x), 1, 1, x.shape[3]))
    return (moved + colour + rng.normal(0, 0.15, x.shape)).astype(np.float32)
