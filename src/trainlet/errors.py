"""Every error Trainlet raises.

TrainletError
├── UnsupportedError      an operator, an attribute or a dtype of the model that cannot be compiled
├── ShapeError            types of an operator's inputs that do not fit together
├── GraphError            a broken invariant of a graph (a bug in a pass, or a hand-written graph)
├── PlanError             a broken invariant of a memory plan (a bug in the planner)
├── SchemeError           an update scheme that does not fit the model
├── TargetError           a target that is unknown or too small for the program
├── FileError             a file that cannot be read (damaged, of another format) or written
├── DataError             inputs, labels or weights that cannot be used
├── StateError            a saved state that is damaged or belongs to another program
├── DivergedError         the loss or an update is no longer a finite number; nothing was updated
│   └── ExperimentsDiverged   the same of some of a simulation's experiments; the others went on
├── ToolchainError        a compiler or an emulator that is absent or failed
└── DeviceFault           the program broke the rules of its (emulated) device

A message tells which node or file, what was found, what is allowed and what to do next.
"""

from collections.abc import Callable
from typing import Any


def shown(value: Any, most: int = 80) -> str:
    """Any value as a message shows it: its repr, cut to `most` characters.

    A repr may be endless, and that of an integer of 5,000 digits raises ValueError.
    """
    try:
        text = repr(value)
    except Exception:
        text = f"a {type(value).__name__} that has no repr"
    return text if len(text) <= most else f"{text[:most]}... ({len(text):,} characters)"


class TrainletError(Exception):
    """Base of all errors raised on purpose by Trainlet."""


class UnsupportedError(TrainletError):
    """The model uses something that Trainlet cannot compile."""


class ShapeError(TrainletError):
    """The types of an operator's inputs do not fit together."""


class GraphError(TrainletError):
    """A graph breaks an invariant."""


class PlanError(TrainletError):
    """A memory plan breaks an invariant."""


class SchemeError(TrainletError):
    """An update scheme does not fit the model."""


class TargetError(TrainletError):
    """A target is unknown, or too small for the program.

    choices: of a program that is too large, plans other options and returns those that fit (each a
    trainlet.planning.report.ProgramChoice), the one that changes least for the user first; it takes
    as long as compiling the program some ten times.
    """

    def __init__(self, message: str, choices: Callable[[], tuple[Any, ...]] = tuple) -> None:
        super().__init__(message)
        self.choices = choices


class FileError(TrainletError):
    """A file cannot be read or written."""


class DataError(TrainletError):
    """Inputs, labels or weights cannot be used."""


class StateError(TrainletError):
    """A saved state is damaged or belongs to another program."""


class DivergedError(TrainletError):
    """The loss or an update is no longer a finite number; the step changed nothing."""


class ExperimentsDiverged(DivergedError):
    """Some experiments' losses or updates are not finite; these are as they were, others went on.

    experiments: the numbers of these; losses: float32 [E] of all
    """

    def __init__(self, experiments: list[int], losses: Any) -> None:
        self.experiments, self.losses = experiments, losses
        numbers = ", ".join(map(str, experiments))
        super().__init__(
            f"the loss or an update of experiments {numbers} is not finite; they are as they were, "
            "the other experiments took their step; use a smaller learning rate"
        )


class ToolchainError(TrainletError):
    """A compiler or an emulator is absent or failed."""


class DeviceFault(TrainletError):
    """The program broke the rules of its device, for example by an access outside its RAM."""
