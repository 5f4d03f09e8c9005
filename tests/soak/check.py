"""One network: the same bits from the oracle, the arena and the C; in float32, torch's values."""

from __future__ import annotations

import atexit
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path

from torch import nn

import trainlet as tl
from catalogue.exact import exact_meanings
from catalogue.kernels import FOLDER, Library, combined, prototypes, reference_sources
from soak.against_torch import check_torch, decibels
from soak.difference import Difference
from soak.lesson import Lesson, draw_lesson
from soak.options import Options
from soak.programs import compile_lesson, import_lesson, scheme_of
from soak.recipe import seeded
from trainlet.backends.toolchain import compile_shared
from trainlet.errors import DivergedError
from trainlet.passes.presets import choose, graph_parameters
from trainlet.run import native
from trainlet.run.simulated import ArenaDevice, OracleDevice

LEAST_DECIBELS = 3
Trace = list[object]


def check(
    network: type[nn.Module], shapes: Sequence[tuple[int, ...]], seed: int, options: Options
) -> str:
    """The word "equal", or "kink" where only bits could be compared.

    Raises Difference, or the TrainletError with which the network is refused.
    """
    model = seeded(network, seed)
    lesson = draw_lesson(model, shapes, seed, options)
    graph = import_lesson(lesson, options)
    scheme = scheme_of(lesson, seed, options)
    program = compile_lesson(lesson, graph, scheme, options)
    sure = True
    if graph is not None and options.precision == "float32":
        named = choose(scheme, graph_parameters(graph)) if isinstance(scheme, str) else scheme
        sure = check_torch(lesson, graph, named, program, options)
    elif (found := decibels(lesson, program)) < LEAST_DECIBELS:
        raise Difference("int8 is far from float32", f"{found:.1f} dB")
    check_bits(lesson, program, options)
    return "equal" if sure else "kink"


def check_bits(lesson: Lesson, program: tl.CompiledProgram, options: Options) -> None:
    with exact_meanings(kernels()):
        oracle = trace(lesson, tl.Trainer(program, OracleDevice(program)))
        arena = trace(lesson, tl.Trainer(program, ArenaDevice(program)))
    same("the arena", arena, oracle)
    with optimised(options.level), program.build("host") as trainer:
        same("the host's C", trace(lesson, trainer), oracle)
    if options.device:
        with program.build(options.device, count=False) as trainer:
            same(f"the C on {options.device}", trace(lesson, trainer), oracle)


def trace(lesson: Lesson, trainer: tl.Trainer) -> Trace:
    """Everything that must be equal: outputs, losses, states; and refusals, by class."""
    found: Trace = []
    for step, target in enumerate(lesson.targets):
        given = lesson.given(trainer.program, step)  # type: ignore[arg-type]
        found.append(trainer.predict(given).tobytes())
        try:
            found.append(trainer.step(given, target))
        except DivergedError as error:
            found.append(type(error).__name__)
        found.append(trainer.save())
    trainer.reset()
    trainer.load(found[-1])  # type: ignore[arg-type]
    found.append(trainer.predict(lesson.given(trainer.program, 0)).tobytes())  # type: ignore
    return found


def same(who: str, found: Trace, wanted: Trace) -> None:
    for k, (own, other) in enumerate(zip(found, wanted, strict=True)):
        if own != other:
            what = "output loss state".split()[k % 3]
            raise Difference(f"{who} has other bits", f"in the {what} of step {k // 3}")


@cache
def kernels() -> Library:
    """The reference kernels as a library, made once a process."""
    folder = Path(tempfile.mkdtemp(prefix="soak-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    files = reference_sources(folder)
    compile_shared([combined(folder, files)], folder / "kernels.so", f"-I{FOLDER}", "-O1")
    return Library(folder / "kernels.so", prototypes(folder, files))


@contextmanager
def optimised(level: str) -> Iterator[None]:
    """The host's compiler at a level of optimisation: the bits are the same."""
    before = native.compile_shared
    native.compile_shared = lambda sources, out: compile_shared(sources, out, level)  # type: ignore
    try:
        yield
    finally:
        native.compile_shared = before
