"""Answers the page's questions: estimates at once, plans in a process of their own."""

from __future__ import annotations

import gc
import threading
from collections import OrderedDict
from collections.abc import Callable, Mapping
from concurrent.futures import CancelledError, Future, ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from typing import Any

from pydantic import BaseModel, ValidationError

from trainlet.explorer.contributions import contributions
from trainlet.explorer.design import designed
from trainlet.explorer.explored import Explored, Source
from trainlet.explorer.figures import Json, described, estimated, measured, planned, wall
from trainlet.explorer.fleet import federated
from trainlet.explorer.leakage import Attack, attacked, leakage
from trainlet.explorer.learning import learnt
from trainlet.explorer.requests import Design, Federated, Forward, Lesson, Recomputed, Setting
from trainlet.explorer.teaching import teaching

KEPT = 512
"""Answers in the cache."""


@dataclass(frozen=True)
class Question:
    """The form of a request, and what answers it.

    worker: whether the answer takes long, so that the worker makes it
    latest: whether only the last request counts: those that have not begun are dropped
    """

    form: type[BaseModel]
    answer: Callable[[Explored, Any], Json]
    worker: bool = True
    latest: bool = False


class Nothing(BaseModel):
    """A request without arguments."""


QUESTIONS: Mapping[str, Question] = {
    "network": Question(Nothing, lambda explored, _: described(explored), worker=False),
    "estimate": Question(Setting, estimated, worker=False),
    "plan": Question(Setting, planned, latest=True),
    "mode": Question(Setting, planned),
    "recompute": Question(Recomputed, planned),
    "wall": Question(Forward, wall),
    "contribution": Question(Nothing, lambda explored, _: contributions(explored), worker=False),
    "design": Question(Design, designed, latest=True),
    "measure": Question(Setting, measured),
    "learn": Question(Lesson, learnt),
    "fleet": Question(Federated, federated),
    "leakage": Question(Nothing, lambda _, __: leakage(), worker=False),
    "attack": Question(Attack, lambda _, asked: attacked(asked)),
    "teach": Question(Nothing, lambda _, __: teaching()),
}


class Superseded(Exception):
    """A newer request took the place of this one."""


class Service:
    """One network; its methods may be called from several threads.

    worker: whether plans are made in another process, so that estimates never wait for them
    """

    def __init__(self, source: Source, worker: bool = True) -> None:
        self.explored = Explored(source)
        self._lock, self._cache = threading.Lock(), OrderedDict[tuple[str, str], Any]()
        self._waiting: dict[str, Future[Any]] = {}
        self._pool = (
            ProcessPoolExecutor(1, get_context("spawn"), _open, (source,)) if worker else None
        )
        if self._pool:
            self._pool.submit(_ready)  # the network is read before the first plan is asked for

    def answer(self, name: str, body: bytes) -> Json:
        """The answer to a request.

        Raises KeyError for an unknown name, ValidationError for a body of another form, Superseded,
        and TrainletError for what the compiler refuses.
        """
        question = QUESTIONS[name]
        asked = question.form.model_validate_json(body or b"{}")
        key = name, asked.model_dump_json()
        with self._lock:
            if key in self._cache:
                self._cache.move_to_end(key)
                return self._cache[key]
        found = self._made(name, question, asked)
        with self._lock:
            self._cache[key] = found
            while len(self._cache) > KEPT:
                self._cache.popitem(last=False)
        return found

    def _made(self, name: str, question: Question, asked: BaseModel) -> Json:
        if not question.worker or self._pool is None:
            with self._lock:
                return question.answer(self.explored, asked)
        with self._lock:
            future = self._pool.submit(_answered, name, asked)
            if question.latest:
                before, self._waiting[name] = self._waiting.get(name), future
                if before is not None:
                    before.cancel()
        try:
            return future.result()
        except CancelledError:
            raise Superseded from None

    def close(self) -> None:
        """End the worker; what it does is lost."""
        if self._pool is not None:
            for process in list((self._pool._processes or {}).values()):
                process.terminate()
            self._pool.shutdown(wait=True, cancel_futures=True)


_explored: Explored | None = None
"""The worker's own."""


def _open(source: Source) -> None:
    global _explored
    _explored = Explored(source)
    unwatched()


def _ready() -> None:
    """Runs once the worker has read the network."""


def _answered(name: str, asked: BaseModel) -> Json:
    assert _explored is not None
    return QUESTIONS[name].answer(_explored, asked)


def unwatched() -> None:
    """Let the garbage collector leave out what there is by now, mostly modules of torch: a full
    collection in the middle of an answer would take 0.1 to 0.3 s."""
    gc.collect()
    gc.freeze()


def explained(error: ValidationError) -> str:
    """What is wrong with a request."""
    first = error.errors(include_url=False, include_input=False)[0]
    return f"{'.'.join(map(str, first['loc']))}: {first['msg']}"
