"""What trainer.c refuses by itself, called as firmware calls it, without Python's own checks."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

import trainlet as tl
from errors.small import CLASSES, compiled, example

OK, BAD_INPUT, BAD_LABEL = 0, -1, -2
NUMBERS_THAT_ARE_NONE = [np.nan, np.inf, -np.inf]


class Caller:
    """The two functions of a trainer, with plain arrays for their pointers."""

    def __init__(self, trainer: tl.Trainer) -> None:
        device: Any = trainer.device
        self.trainer, self.library, self.pointer = trainer, device._lib, device._pointer
        self.loss = device._ffi.new("float *")

    def step(self, x: np.ndarray, target: np.ndarray, lr: float) -> int:
        at = self.pointer(x.reshape(-1)), self.pointer(target.reshape(-1))
        return self.library.trainer_step(*at, lr, self.loss)

    def predict(self, x: np.ndarray) -> int:
        logits = np.zeros(CLASSES, np.float32)
        return self.library.trainer_predict(self.pointer(x.reshape(-1)), self.pointer(logits))


@pytest.fixture(params=["cross_entropy", "mse"])
def caller(request: pytest.FixtureRequest) -> Iterator[Caller]:
    with compiled(loss=request.param).build("host") as trainer:
        yield Caller(trainer)


def channels_last() -> np.ndarray:
    return np.ascontiguousarray(example().transpose(0, 2, 3, 1))


def target(caller: Caller) -> np.ndarray:
    labels = caller.trainer.program.target_leaf.type.dtype == "int32"
    return np.array([1], np.int32) if labels else np.zeros((1, CLASSES), np.float32)


def refuses(caller: Caller, status: int, *given: Any) -> None:
    before = caller.trainer.save()
    assert caller.step(*given) == status
    assert caller.trainer.save() == before
    assert caller.step(channels_last(), target(caller), 0.1) == OK
    assert caller.trainer.save() != before


@pytest.mark.parametrize("bad", NUMBERS_THAT_ARE_NONE)
def test_a_learning_rate_that_is_no_number(caller, bad):
    refuses(caller, BAD_INPUT, channels_last(), target(caller), bad)


@pytest.mark.parametrize("bad", NUMBERS_THAT_ARE_NONE)
@pytest.mark.parametrize("at", [0, -1])
def test_an_input_that_is_no_number(caller, bad, at):
    x = channels_last()
    x.reshape(-1)[at] = bad
    assert caller.predict(x) == BAD_INPUT
    refuses(caller, BAD_INPUT, x, target(caller), 0.1)


@pytest.mark.parametrize("at", [0, -1])
def test_a_target_that_is_no_class_or_no_number(caller, at):
    right = target(caller)
    wrong = [-1, CLASSES, 2**31 - 1, -(2**31)]
    for bad in wrong if right.dtype == np.int32 else NUMBERS_THAT_ARE_NONE:
        given = right.copy()
        given.reshape(-1)[at] = bad
        refuses(caller, BAD_LABEL, channels_last(), given, 0.1)
