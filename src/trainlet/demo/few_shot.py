"""The few-shot demo in steps: a device is taught five symbols by five drawings of each."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass, replace

import numpy as np
import torch

import trainlet as tl
from trainlet.demo.handwriting import SHOTS, WAYS, Drawings, Lesson
from trainlet.demo.symbol_network import load_meta_trained
from trainlet.demo.symbols import SIDE

PASSES, RATE = 3, 0.01
HEAD = 100.0
"""The head's rate, with the backbone's as the unit."""
BUDGET = replace(tl.Target.preset("cortex-m7"), ram=64 * 1024, flash=512 * 1024)


@dataclass(frozen=True)
class Answers:
    """What the device takes the test drawings for, and the share that is right."""

    guessed: np.ndarray  # [n] int
    accuracy: float


@dataclass(frozen=True)
class Taught:
    """Before the device has seen a symbol, with prototypes, and after training on the same
    drawings; the channels that it chose of each weight; instructions of a call, None where nothing
    counts them."""

    before: Answers
    observed: Answers
    learnt: Answers
    channels: dict[str, np.ndarray]
    instructions: dict[str, int | None]


def compile_demo() -> tl.schemes.ChoosingProgram:
    """The trainer that chooses what learns, in 64 KB of RAM."""
    network, scale = load_meta_trained()
    features = tl.prepare(network, torch.zeros(1, 1, SIDE, SIDE))
    graph = tl.adapt.cosine_head(features, WAYS, scale)
    optimizer = tl.SGD(lr=RATE, groups={"head.*": HEAD})
    return tl.schemes.choosing(graph, target=BUDGET, optimizer=optimizer)


def teach(
    program: tl.schemes.ChoosingProgram, given: Lesson, device: str = "unicorn", seed: int = 0
) -> Generator[str, None, Taught]:
    """Ask, show every drawing, ask, choose what learns, learn in three passes, ask: all of it on
    the device.

    Yields the name of what is done: "before", "observe", "ask", "choose", "learn" or "after".
    """
    learn, rng, instructions = given.learn, np.random.default_rng(seed), dict[str, int | None]()
    with program.build(device) as trainer:
        before = yield from _asked(trainer, given.test, "before")
        for x, y in zip(learn.x, learn.y, strict=True):
            trainer.observe(x[None], [y])
            yield "observe"
        instructions["showing a drawing"] = trainer.instructions
        observed = yield from _asked(trainer, given.test, "ask")
        for x, y in zip(learn.x, learn.y, strict=True):
            trainer.measure(x[None], [y])
            yield "choose"
        instructions["measuring a drawing"] = trainer.instructions
        trainer.select()
        instructions["choosing"] = trainer.instructions
        steps = PASSES * len(learn.y)
        order = np.concatenate([rng.permutation(len(learn.y)) for _ in range(PASSES)])
        for k, row in enumerate(order):
            trainer.step(learn.x[row][None], [learn.y[row]], RATE * (1 - k / steps))
            yield "learn"
        instructions["a training step"] = trainer.instructions
        learnt = yield from _asked(trainer, given.test, "after")
        channels = trainer.selected()
    return Taught(before, observed, learnt, channels, instructions)


def moments(given: Lesson) -> dict[str, int]:
    """How often `teach` yields each name."""
    shown, asked = WAYS * SHOTS, len(given.test.y)
    return {
        "before": asked, "observe": shown, "ask": asked, "choose": shown,
        "learn": PASSES * shown, "after": asked,
    }  # fmt: skip


def _asked(trainer: tl.Trainer, test: Drawings, name: str) -> Generator[str, None, Answers]:
    guessed = []
    for x in test.x:
        guessed.append(int(trainer.predict(x[None])["logits"].argmax()))
        yield name
    found = np.array(guessed)
    return Answers(found, float((found == test.y).mean()))
