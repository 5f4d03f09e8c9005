"""A training run that may be killed at any time. When it is resumed, its results have the same bits
as without the interruption.

A checkpoint is one file: what the run is made of, how far it is, and the trained state.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from trainlet.errors import DivergedError, FileError, StateError
from trainlet.files import write_bytes
from trainlet.ir.files import read_file
from trainlet.ir.text import print_graph
from trainlet.planning.program import Program
from trainlet.run.dataset import Dataset
from trainlet.run.fit import BatchProgress, Position, check_batch, fit, steps_in
from trainlet.run.trainer import Trainer

MAGIC = b"trainlet checkpoint 1\n"
SUFFIX = ".checkpoint"
SHARE = 50  # checkpoints take at most 1/SHARE of the time


@dataclass(frozen=True)
class Saved:
    """How far a run is: steps done, the blob of its trained state, and what was measured before
    the first step (loss, and accuracy or None)."""

    step: int
    state: bytes
    before: tuple[float, float | None]


class Checkpoint:
    """The checkpoint of the run that writes its result to `result`: a file beside it.

    parts: all that the run's bits depend on, a digest each, by what the user calls it.
    start: the blob of the state that the run begins with.
    """

    def __init__(self, result: Path, parts: Mapping[str, str], start: bytes) -> None:
        self.path = result.with_name(result.name + SUFFIX)
        self.kept: int | None = None
        """The step of the last checkpoint that was written or read."""
        self._parts, self._start = dict(parts), digest(start)

    def read(self, steps: int) -> Saved | None:
        """Where the run stopped; None if it has not begun.  `steps`: of the whole run.

        Raises StateError for a damaged checkpoint, one of another run, or one beyond `steps`.
        """
        if not self.path.exists():
            return None
        anew = "use --restart to start again"
        head, saved = self._parsed(f"{self.path} is damaged; {anew}")
        differ = [name for name, part in self._parts.items() if head["parts"].get(name) != part]
        if self._start not in (head["start"], digest(saved.state)):
            differ.append("the state it starts from")
        if differ:
            raise StateError(
                f"{self.path} is of another run, which differs in {', '.join(differ)}; repeat the "
                f"command of that run to finish it, or {anew}"
            )
        if saved.step > steps:
            raise StateError(
                f"{self.path} is at step {saved.step:,}, and this run ends at {steps:,}; use more "
                f"--epochs, or {anew}"
            )
        self._start, self.kept = head["start"], saved.step
        return saved

    def _parsed(self, damaged: str) -> tuple[dict, Saved]:
        magic, _, rest = read_file(self.path).partition(b"\n")
        seal, _, body = rest.partition(b"\n")
        if magic + b"\n" != MAGIC or seal.decode("ascii", "replace") != digest(body):
            raise StateError(damaged)
        line, _, state = body.partition(b"\n")
        head = json.loads(line)
        return head, Saved(head["step"], state, tuple(head["before"]))

    def write(self, saved: Saved) -> None:
        """Raises FileError; the checkpoint is then as it was."""
        head = {"step": saved.step, "before": saved.before}
        head |= {"start": self._start, "parts": self._parts}
        body = json.dumps(head).encode() + b"\n" + saved.state
        write_bytes(self.path, MAGIC + digest(body).encode() + b"\n" + body)
        self.kept = saved.step

    def remove(self) -> None:
        self.path.unlink(missing_ok=True)


class Lesson:
    """Training from `begun` to the end, with a checkpoint at the start and at intervals.

    `done` and the trainer's state belong together whenever an exception leaves `moments`.
    tell: is called with what the user should know.  Raises DataError for less than a batch.
    """

    def __init__(
        self,
        trainer: Trainer,
        data: Dataset,
        epochs: int,
        seed: int,
        begun: Saved,
        checkpoint: Checkpoint | None = None,
        seconds: float = 0,
        tell: Callable[[str], None] = lambda said: None,
    ) -> None:
        if epochs:
            check_batch(trainer, data)
        self.trainer, self.checkpoint = trainer, checkpoint
        self._data, self._epochs, self._seed = data, epochs, seed
        self._begun, self._position = begun, Position(begun.step)
        self._seconds, self._tell, self._complained = seconds, tell, False
        self.total = steps_in(trainer, data, epochs)

    @property
    def done(self) -> int:
        return self._position.done

    def moments(self) -> Iterator[BatchProgress]:
        """Raises FileError if not even the first checkpoint can be written, DivergedError when the
        loss is not finite; the checkpoint is then removed, since resuming it would diverge
        again."""
        if self.checkpoint:
            self.checkpoint.write(self.now())
        last, pause = time.monotonic(), self._seconds
        steps = fit(self.trainer, self._data, self._epochs, None, self._seed, self._position)
        try:
            for moment in steps:
                if (start := time.monotonic()) - last >= pause:
                    self.keep()
                    last = time.monotonic()
                    pause = max(self._seconds, SHARE * (last - start) if self._seconds else 0)
                yield moment
        except DivergedError:
            if self.checkpoint:
                self.checkpoint.remove()
            raise
        self.keep()

    def now(self) -> Saved:
        return replace(self._begun, step=self.done, state=self.trainer.save())

    def keep(self) -> None:
        """Write a checkpoint; where that fails, say so once and go on."""
        if self.checkpoint is None:
            return
        try:
            self.checkpoint.write(self.now())
        except FileError as error:
            if not self._complained:
                self._tell(f"no checkpoint: {error}; learning goes on")
            self._complained = True

    def write(self, result: Path) -> None:
        """The trained state as a file.  Raises FileError, which says what is left."""
        try:
            write_bytes(result, self.trainer.save())
        except FileError as error:
            if self.checkpoint is None or self.checkpoint.kept is None:
                raise
            raise FileError(
                f"{error}; {self.checkpoint.path} holds step {self.checkpoint.kept:,} of "
                f"{self.total:,}: free some space and repeat the command; it continues from there"
            ) from None


def digest(*contents: bytes) -> str:
    found = hashlib.sha256()
    for content in contents:
        found.update(content)
    return found.hexdigest()


def parts_of(program: Program, learn: Dataset, measure: Dataset, seed: int) -> dict[str, str]:
    """All that the bits of a run and its measures depend on, but for where it starts and ends."""
    leaves = [*program.constants, *program.params, *program.states]
    texts = [print_graph(stage.graph).encode() for stage in program.planned]
    values = [program.initial(n).tobytes() for n in leaves]
    return {
        "the network, scheme or options": digest(*texts, *values, b"%d" % program.accumulate),
        "--lr": repr(float(program.lr)),
        "--data": _data_digest(learn),
        "--test": _data_digest(measure),
        "--seed": str(seed),
    }


def _data_digest(data: Dataset) -> str:
    parts = [p.values() if isinstance(p, Mapping) else [p] for p in (data.x, data.y)]
    arrays = [np.ascontiguousarray(a) for part in parts for a in part]
    kinds = [f"{a.dtype}{a.shape}".encode() for a in arrays]
    return digest(*kinds, *(a.tobytes() for a in arrays))
