"""The share: what a device sends of its gradient, as text such as "topk:0.01,noise:0.1"."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import isfinite

import numpy as np

from trainlet.errors import TrainletError, shown
from trainlet.ir.arguments import closest
from trainlet.privacy.defences import (
    Clip,
    Float16,
    Int8,
    Noise,
    Private,
    Prune,
    Random,
    Sign,
    Step,
    TopK,
)
from trainlet.privacy.error_feedback import ErrorFeedback
from trainlet.privacy.message import Arrays, Message, whole_message

PLAIN: dict[str, Callable[[], Step]] = {"fp16": Float16, "int8": Int8, "sign": Sign}
VALUED: dict[str, tuple[Callable[[float], Step], float, str]] = {
    "noise": (Noise, np.inf, "the standard deviation as a share of the gradient's RMS"),
    "laplace": (lambda share: Noise(share, True), np.inf, "as noise, from Laplace's distribution"),
    "prune": (Prune, 1, "the share that is dropped, the smallest"),
    "topk": (TopK, 1, "the share that is sent, the largest"),
    "clip": (Clip, np.inf, "the largest L2 norm"),
    "dp": (lambda m: Private(m, 0.0), np.inf, "the noise in multiples of the clipping norm"),
}
"""What each step is made from, its largest value, and what the value means."""
NONE = "none"


@dataclass(frozen=True)
class Share:
    """The steps between a gradient and the message, in their order."""

    steps: tuple[Step, ...] = ()
    text: str = NONE

    @property
    def feeds_back(self) -> bool:
        """Whether a fleet's device adds what a message leaves out to the next one.  Never with
        noise or clipping: later messages would take back what these hide."""
        return not any(isinstance(step, (Noise, Clip)) for step in self.steps)

    def apply(self, gradients: Arrays, rng: Random, memory: ErrorFeedback | None = None) -> Message:
        """The message of one device.

        gradients: {parameter: real numbers in its shape}
        rng: of the noise
        memory: keeps what `topk` does not send for later rounds, and decides how much it sends; one
        for each device, which this changes.  None drops what is not sent.
        Raises DataError for a gradient with NaN or infinity.
        """
        message = whole_message(gradients)
        for step in self.steps:
            if memory is not None and isinstance(step, TopK):
                message = memory.select(message, step.share)
            else:
                message = step(message, rng)
        return message


def parse_share(text: str) -> Share:
    """Steps joined by commas: fp16, int8, sign, noise:0.1, laplace:0.1, prune:0.2, topk:0.01,
    clip:1.0, dp:1.1 directly after clip; or none.

    Raises TrainletError for another step or value.
    """
    if not isinstance(text, str):
        raise TrainletError(f"share is {shown(text)}; allowed: text such as 'topk:0.01,noise:0.1'")
    words = [word.strip() for word in text.split(",")]
    if words == [NONE]:
        return Share()
    steps: list[Step] = []
    for word in words:
        step, before = _step(word), steps[-1] if steps else None
        if isinstance(step, Private):
            if not isinstance(before, Clip):
                raise TrainletError(
                    f"share {text!r}: {word!r} does not follow clip; allowed: 'clip:1.0,{word}', "
                    "since the noise is in multiples of the norm"
                )
            step = Private(step.multiplier, before.norm)
        steps.append(step)
    return Share(tuple(steps), ",".join(words))


def _step(word: str) -> Step:
    name, colon, value = word.partition(":")
    if name in PLAIN and not colon:
        return PLAIN[name]()
    if name in VALUED:
        make, most, meaning = VALUED[name]
        number = _number(value)
        if not (0 < number <= most and isfinite(number)):
            limit = "" if most == np.inf else f", at most {most}"
            raise TrainletError(
                f"share {word!r}: the value is {value!r}; allowed: {name}:NUMBER, above 0{limit} "
                f"({meaning})"
            )
        return make(number)
    known = [*PLAIN, *VALUED]
    allowed = ", ".join([*PLAIN, *(f"{name}:NUMBER" for name in VALUED)])
    raise TrainletError(
        f"share: unknown step {word!r}; allowed: none, or of these, joined by commas: {allowed}"
        f"{closest(name, known)}"
    )


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return float("nan")
