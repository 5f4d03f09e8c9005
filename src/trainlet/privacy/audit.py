"""An audit: what attackers recover from the messages that a training step would send."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from trainlet.compiler import Scheme, prepare, train
from trainlet.errors import DataError
from trainlet.frontends.network import Model
from trainlet.ir.arguments import one_of, whole
from trainlet.ops.quantized.precision import Int8
from trainlet.passes.update import Training
from trainlet.privacy.attacks.dlg import dlg
from trainlet.privacy.attacks.inverting import inverting
from trainlet.privacy.attacks.labels import recover_labels
from trainlet.privacy.attacks.linear import linear
from trainlet.privacy.attacks.problem import Problem, Recovered
from trainlet.privacy.attacks.search_space import learned, natural
from trainlet.privacy.attacks.text import text
from trainlet.privacy.error_feedback import ErrorFeedback
from trainlet.privacy.feedback import parse_feedback, send
from trainlet.privacy.message import Message
from trainlet.privacy.observed import observe
from trainlet.privacy.results import Audit, Row
from trainlet.privacy.scores import Score, floor_db, matched, score, score_indices
from trainlet.privacy.share import Share, parse_share
from trainlet.privacy.victim import Victim
from trainlet.progress import stage

Attack = Callable[[Problem, int, int], Recovered | None]
"""(problem, seed, iterations) -> what it recovered; None where it does not apply."""
ATTACKS: dict[str, Attack] = {"linear": linear, "text": text, "dlg": dlg, "inverting": inverting}
DEFAULT = ("linear", "text", "dlg", "inverting")


def audit(
    model: Model,
    example_inputs: Any = None,
    scheme: Scheme = "full",
    *,
    x: ArrayLike,
    y: ArrayLike,
    shares: Sequence[str] = ("none",),
    attacks: Sequence[str] = DEFAULT,
    precision: str | Int8 | None = None,
    calibration: Sequence[ArrayLike] | None = None,
    restarts: int = 1,
    iterations: int = 600,
    bounds: tuple[float, float] | None = None,
    naive: bool = True,
    seed: int = 0,
    public: ArrayLike | None = None,
    local_steps: int = 1,
    rounds: int = 1,
    lr: float = 0.01,
    feedback: str | ErrorFeedback = "fleet",
) -> Audit:
    """Attack the messages that a training step of each batch of examples would send.

    The gradients are those of the compiled step, in its own arithmetic.
    model, example_inputs, scheme, precision, calibration: as of `compile`; the loss is a
    cross-entropy, and the batch is that of the example
    x: [examples, ...], y: [examples] labels
    shares: what is sent, such as "topk:0.01,noise:0.1" (`trainlet.privacy.parse_share`)
    attacks: of ATTACKS; one that does not apply to the network or the scheme has no rows
    restarts: of each attack, from different random inputs; iterations: of each restart
    bounds: the smallest and the largest value of an input; None takes those of the examples
    public: [n, ...] other examples of the same kind, which the attackers have
    local_steps: a message is the sum of the gradients of so many steps of SGD with `lr`
    rounds: the attackers have so many messages about each example; after each round the server
    takes a step with `lr`
    feedback: what a device carries from one message to the next (`parse_feedback`): as a fleet's
    device does, "none", or "dgc:0.9"; an `ErrorFeedback` for all settings
    naive: whether each share is also attacked by somebody who does not know it

    Raises a TrainletError for what cannot be compiled or attacked, ToolchainError without
    scikit-image.
    """
    graph = prepare(
        model, example_inputs, precision=precision, calibration=calibration, scheme=scheme,
        loss="cross_entropy",
    )  # fmt: skip
    training = train(graph, scheme, precision=precision, stop_after="split")
    low, high = (None, None) if bounds is None else bounds
    other = None if public is None else np.asarray(public)
    auditor = Auditor(
        training, attacks, restarts, iterations, seed, low, high, naive, other, local_steps,
        rounds, lr, feedback,
    )  # fmt: skip
    return auditor.audit(np.asarray(x), np.asarray(y), [parse_share(text) for text in shares])


@dataclass
class Auditor:
    """Attacks messages of one training step.

    training: as `tl.train(graph, scheme, stop_after="split")` returns it
    low, high: the range of the data; None takes that of the examples
    """

    training: Training
    attacks: Sequence[str] = DEFAULT
    restarts: int = 1
    iterations: int = 600
    seed: int = 0
    low: float | None = None
    high: float | None = None
    naive: bool = True
    public: NDArray | None = None
    local_steps: int = 1
    rounds: int = 1
    lr: float = 0.01
    feedback: str | ErrorFeedback = "fleet"
    victim: Victim = field(init=False)

    def __post_init__(self) -> None:
        self.victim = Victim(self.training)
        for name in self.attacks:
            one_of("unknown attack ", name, ATTACKS)
        self.memory_of = parse_feedback(self.feedback)
        whole("restarts", self.restarts, 1)
        whole("iterations", self.iterations, 1)
        whole("local_steps", self.local_steps, 1)
        whole("rounds", self.rounds, 1)

    def audit(self, x: NDArray, y: NDArray, shares: Sequence[Share]) -> Audit:
        """Attack the examples one batch after the other.

        x: [examples, ...] in the layout of the user's model, y: [examples] labels
        Raises DataError for other shapes and labels.
        """
        x, y = self._checked(x, y)
        low = float(x.min()) if self.low is None else self.low
        high = float(x.max()) if self.high is None else self.high
        batch = self.victim.shape[0]
        rows: list[Row] = []
        recovered = np.full(x.shape, (low + high) / 2, x.dtype)
        reached = np.full(len(x), -np.inf)
        for first in range(0, len(x), batch):
            stage("audit", first, len(x))
            at = slice(first, first + batch)
            for share in shares:
                for row, guess in self._attacked(x[at], y[at], first, share, low, high):
                    rows.append(row)
                    if row.psnr_db > reached[row.image]:
                        reached[row.image], recovered[row.image] = row.psnr_db, guess
        return Audit(tuple(rows), x, recovered, low, high)

    def _checked(self, x: NDArray, y: NDArray) -> tuple[NDArray, NDArray]:
        batch, *example = self.victim.shape
        x, y = np.asarray(x, np.int64 if self.victim.indices else np.float32), np.asarray(y)
        if self.public is not None and self.public.shape[1:] != tuple(example):
            raise DataError(f"public has shape {self.public.shape}; allowed: [n, {example}]")
        if x.shape[1:] != tuple(example) or len(x) == 0 or len(x) % batch:
            raise DataError(f"x has shape {x.shape}; allowed: [examples, {example}], a multiple "
                            f"of the batch, {batch}")  # fmt: skip
        good = y.dtype.kind in "iu" and y.shape == (len(x),)
        if not good or y.min() < 0 or y.max() >= self.victim.classes:
            raise DataError(f"y has shape {y.shape} and type {y.dtype}; allowed: {len(x)} labels "
                            f"in 0..{self.victim.classes - 1}")  # fmt: skip
        return x, y.astype(np.int64)

    def _messages(
        self, x: NDArray, y: NDArray, share: Share, rng: np.random.Generator
    ) -> Iterator[tuple[Message, dict[str, Tensor] | None]]:
        """Each round's message with the parameters that it is about.  After a round the server
        takes a step with the message."""
        memory = self.memory_of(share)
        if self.local_steps == self.rounds == 1:
            yield send(share, self.victim.shared(x, y), rng, memory), None
            return
        now = {name: value.numpy() for name, value in self.victim.start().items()}
        for _ in range(self.rounds):
            made = self.victim.updated(x, y, self.local_steps, self.lr, now)
            message = send(share, made, rng, memory)
            held = self.victim.held(now)
            yield message, {name: torch.from_numpy(value) for name, value in held.items()}
            step = message.dense()
            now = {name: value - np.float32(self.lr) * step[name] for name, value in now.items()}

    def _attacked(
        self, x: NDArray, y: NDArray, first: int, share: Share, low: float, high: float
    ) -> Iterator[tuple[Row, NDArray]]:
        """The rows of one batch, with what was recovered of each example."""
        rng, shape = np.random.default_rng((self.seed, first)), self.victim.shape
        public = self.public
        space = natural(shape, low, high) if public is None else learned(shape, public)
        messages = list(self._messages(x, y, share, rng))
        kinds = (False, True) if self.naive and share.steps else (True,)
        for adaptive in kinds:
            seen = [observe(message, share, adaptive, start) for message, start in messages]
            labels = recover_labels(self.victim, seen[0])
            problem = Problem(
                self.victim, seen, low, high, labels, self.local_steps, self.lr,
                self.memory_of(share) if adaptive else None, space=space,
            )  # fmt: skip
            for name in self.attacks:
                found = [
                    ATTACKS[name](problem, self.seed + k, self.iterations)
                    for k in range(self.restarts)
                ]
                good = [one for one in found if one is not None and one.finite]
                if not good:
                    continue
                scored = [_scored(one, x, y, low, high) for one in good]
                chosen = min(range(len(good)), key=lambda k: good[k].objective)
                for k in range(len(x)):
                    every = [scores[k].psnr_db for scores, _, _ in scored]
                    scores, order, labels_found = scored[chosen]
                    own = scores[k]
                    yield Row(
                        share.text, name, adaptive, first + k, own.psnr_db, own.ssim, own.mse,
                        bool(labels_found[k] == y[k]), max(every), float(np.mean(every)),
                        floor_db(x[k], low, high, space.middle[k].numpy()), messages[0][0].nbytes,
                    ), good[chosen].x[order[k]]  # fmt: skip


def _scored(
    one: Recovered, x: NDArray, y: NDArray, low: float, high: float
) -> tuple[list[Score], NDArray, NDArray]:
    """The scores in the order of the truth, this order, and the labels in it."""
    order = matched(one.x, x)
    if x.dtype.kind == "i":
        scores = [score_indices(one.x[o], x[k], one.ordered) for k, o in enumerate(order)]
    else:
        scores = [score(one.x[o], x[k], low, high) for k, o in enumerate(order)]
    return scores, order, _same_labels(one.labels, y, order)


def _same_labels(labels: NDArray, y: NDArray, order: NDArray) -> NDArray:
    """The recovered labels: of a batch as a set, since each is a set to an attacker."""
    if sorted(labels.tolist()) == sorted(y.tolist()):
        return y
    return labels[order]
