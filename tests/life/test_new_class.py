"""A class that comes later: outputs in reserve, taught by examples or by one correction."""

from __future__ import annotations

import ctypes as c
import subprocess
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

import trainlet as tl
from life.library import FLAGS
from life.test_replay import Struct
from trainlet.errors import DataError, SchemeError
from trainlet.life import Replay, correct
from trainlet.life.library import C

KNOWN, SPARE = 3, 2
CENTRES = np.array([[3, 0], [-1, 2.5], [-1, -2.5], [4, 4], [-4, 0]], np.float32)


def clouds(classes: range, each: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    y = np.repeat(np.array(classes, np.int32), each)
    noise = np.random.default_rng(seed).normal(0, 0.4, (len(y), 2))
    return (CENTRES[y] + noise).astype(np.float32), y


@cache
def network() -> nn.Sequential:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(2, 24), nn.ReLU(), nn.Linear(24, KNOWN))
    x, y = (torch.from_numpy(part) for part in clouds(range(KNOWN), 60))
    adam = torch.optim.Adam(model.parameters(), 0.02)
    for _ in range(60):
        adam.zero_grad()
        nn.functional.cross_entropy(model(x), y.long()).backward()
        adam.step()
    return model.eval()


@cache
def graph() -> Any:
    x, y = clouds(range(KNOWN), 20, 1)
    return tl.adapt.spare_classes(tl.prepare(network(), torch.zeros(1, 2)), SPARE, x, y)


@pytest.fixture(scope="module")
def device() -> Iterator[tl.Trainer]:
    with tl.compile(graph(), scheme="full", target="host").build("host") as trainer:
        yield trainer


@pytest.fixture
def trainer(device: tl.Trainer) -> tl.Trainer:
    device.reset()
    return device


def answers(trainer: tl.Trainer, x: np.ndarray) -> np.ndarray:
    return np.array([trainer.predict(one[None])["logits"].argmax() for one in x])


def test_the_head_knows_its_classes_as_the_linear_layer_did(trainer: tl.Trainer):
    x, y = clouds(range(KNOWN), 40, 2)
    with torch.no_grad():
        linear = network()(torch.from_numpy(x)).numpy()
    assert (answers(trainer, x) == y).mean() >= (linear.argmax(1) == y).mean() - 0.01
    logits = np.stack([trainer.predict(one[None])["logits"][0] for one in x])
    assert not logits[:, KNOWN:].any()
    apart = [np.diff(np.sort(z, 1)[:, -2:], axis=1).mean() for z in (logits[:, :KNOWN], linear)]
    assert apart[0] == pytest.approx(apart[1], rel=0.3)


def test_a_new_class_is_taught_by_examples_after_others_were_learnt(trainer: tl.Trainer):
    x, y = clouds(range(KNOWN), 40, 3)
    for row in np.random.default_rng(0).permutation(len(x)):
        trainer.step(x[row][None], y[row : row + 1], 0.02)
    assert not np.isin(answers(trainer, CENTRES), range(KNOWN, KNOWN + SPARE)).any()
    new_x, new_y = clouds(range(KNOWN, KNOWN + SPARE), 5, 4)
    for one, label in zip(new_x, new_y, strict=True):
        trainer.observe(one[None], [label])
    all_x, all_y = clouds(range(KNOWN + SPARE), 30, 5)
    assert (answers(trainer, all_x) == all_y).mean() > 0.9


PUPIL = c.CFUNCTYPE(c.c_int, c.c_void_p, c.c_void_p, c.c_int32)
STEP = c.CFUNCTYPE(c.c_int, c.c_void_p, c.c_void_p, c.c_int32, c.c_float)
ANSWER = c.CFUNCTYPE(c.c_int32, c.c_void_p, c.c_void_p)


class Callbacks(c.Structure):
    _fields_ = (("observe", PUPIL), ("step", STEP), ("answer", ANSWER), ("all", c.c_void_p))


@cache
def library() -> c.CDLL:
    out = Path(mkdtemp()) / "correct.so"
    sources = [str(C / f"trainlet_{name}.c") for name in ("correct", "replay")]
    subprocess.run(["gcc", *FLAGS, "-shared", "-fPIC", *sources, "-o", str(out)], check=True)
    found = c.CDLL(str(out))
    found.trainlet_correct.argtypes = (
        c.c_void_p, c.c_void_p, c.c_void_p, c.c_int32, c.c_float, c.c_uint32, c.c_uint32,
    )  # fmt: skip
    return found


def read(at: int) -> np.ndarray:
    return np.frombuffer(c.string_at(at, 8), np.float32).copy()


class InC:
    """trainlet_correct with a replay of ten examples over a trainer."""

    def __init__(self, trainer: tl.Trainer) -> None:
        self.arrays = np.zeros((10, 8), np.uint8), np.zeros(10, np.int32), np.zeros(5, np.uint32)
        self.replay = Struct(*(a.ctypes.data for a in self.arrays), 8, 10, 5, 0, 1)

        def step(_: int, x: int, label: int, lr: float) -> int:
            trainer.step(read(x)[None], [label], lr)
            return 0

        def observe(_: int, x: int, label: int) -> int:
            trainer.observe(read(x)[None], [label])
            return 0

        answer = ANSWER(lambda _, x: int(answers(trainer, read(x)[None])[0]))
        self.callbacks = Callbacks(PUPIL(observe), STEP(step), answer)

    def correct(self, x: np.ndarray, label: int, lr: float) -> int:
        held = np.ascontiguousarray(x, np.float32)
        call = library().trainlet_correct
        pointers = (c.byref(self.callbacks), c.byref(self.replay), held.ctypes.data)
        return call(*pointers, label, lr, 8, 2)


def test_one_correction_is_enough_and_c_makes_the_same_one(trainer: tl.Trainer):
    x, y = clouds(range(KNOWN + 1), 3, 6)
    order = np.random.default_rng(1).permutation(len(x))
    replay = Replay(10, 5)
    states, found = [], []
    for one, label in zip(x[order], y[order], strict=True):
        found.append(correct(trainer, replay, one, int(label), lr=0.05))
        states.append(trainer.save())
        assert int(answers(trainer, one[None])[0]) == label or not found[-1]
    assert np.mean(found) > 0.9
    trainer.reset()
    theirs = InC(trainer)
    for k, row in enumerate(order):
        assert theirs.correct(x[row], int(y[row]), 0.05) == 1 - found[k]
        assert trainer.save() == states[k]
    assert theirs.correct(x[0], 5, 0.05) == theirs.correct(x[0], -1, 0.05) == -401
    with pytest.raises(DataError, match="0 to 4"):
        correct(trainer, replay, x[0], 5, lr=0.05)
    assert trainer.save() == states[-1]


@pytest.mark.parametrize("bad", ["spare", "labels", "classes", "layer"])
def test_what_does_not_fit_is_refused(bad: str):
    x, y = clouds(range(KNOWN), 2)
    own = tl.prepare(network() if bad != "layer" else nn.ReLU(), torch.zeros(1, 2))
    given = {"spare": (0, x, y), "labels": (1, x, y[:-1]), "classes": (1, x, y * 0)}
    with pytest.raises((DataError, SchemeError), match="allowed"):
        tl.adapt.spare_classes(own, *given.get(bad, (1, x, y)))
