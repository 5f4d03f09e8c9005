"""What every device can do, whatever runs the program: the host, Unicorn or QEMU."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol, Self, runtime_checkable

import numpy as np
from numpy.typing import ArrayLike

from trainlet.backends.interface import Interface
from trainlet.errors import DataError, DivergedError, StateError, TrainletError

Inputs = Mapping[str, ArrayLike]
Targets = ArrayLike | Mapping[str, ArrayLike]
"""One array, or one for each target by its name."""


@runtime_checkable
class Device(Protocol):
    """One copy of a program, with the state that it has trained so far."""

    interface: Interface

    @property
    def instructions(self) -> int | None:
        """Executed by the last init, predict or step; None where nothing counts them."""
        ...

    def init(self) -> None:
        """Restore the pretrained values."""
        ...

    def predict(self, inputs: Inputs) -> np.ndarray:
        """The outputs of one sample, flat, one after the other."""
        ...

    def step(self, inputs: Inputs, target: Targets, lr: float) -> float:
        """Train on one sample; the loss before the step."""
        ...

    def observe(self, inputs: Inputs, target: Targets) -> None:
        """Add the features of one sample to the prototypes of its class."""
        ...

    def save(self) -> bytes:
        """The trained state: a blob of `interface.blob_bytes`."""
        ...

    def load(self, blob: bytes) -> None:
        """Take a saved state; a damaged or foreign one is refused and changes nothing."""
        ...

    def stack_used(self) -> int:
        """Bytes of stack that the deepest init, predict or step took; 0 where not measured."""
        ...

    def close(self) -> None: ...

    def __enter__(self) -> Self: ...

    def __exit__(self, *error: object) -> None: ...


@runtime_checkable
class FrontDevice(Protocol):
    """A device that can run the frozen front alone, and a step of what it made."""

    def features(self, inputs: Inputs) -> bytes:
        """What the frozen front makes of one sample: `interface.feature_bytes`."""
        ...

    def predict_features(self, features: bytes) -> np.ndarray:
        """`predict` of the sample of these features."""
        ...

    def step_features(self, features: bytes, target: Targets, lr: float) -> float:
        """`step` on the sample of these features."""
        ...


class Closing:
    """`with device:` for anything that has `close`."""

    def close(self) -> None:
        raise NotImplementedError

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()


STATUS: dict[int, tuple[type[TrainletError], str]] = {
    -1: (DataError, "an input is not a finite number, or out of range; look at the preprocessing"),
    -2: (DataError, "the label is not a class of the model, or the target is not finite"),
    -3: (DivergedError, "the loss is not finite, or an update overflows; nothing was updated "
                        "(without rollback: load a saved state); use a smaller learning rate"),
    -4: (StateError, "the saved state is damaged, contains values that training cannot "
                     "produce, or belongs to another program; nothing changed; save it again "
                     "with this program"),
    -6: (TrainletError, "neither init nor a successful load was called; call init first"),
    -7: (TrainletError, "a call in the wrong order: observe and measure the examples, then select "
                        "once, then step; reset begins again"),
    -5: (TrainletError, "reading or writing the saved state failed"),
}  # fmt: skip


def check(status: int, call: str) -> None:
    """Raise the error that a status of the C API stands for."""
    if status:
        kind, what = STATUS.get(status, (TrainletError, "unknown status"))
        raise kind(f"{call} returned {status}: {what}")


def flat_inputs(interface: Interface, inputs: Inputs) -> list[np.ndarray]:
    """The arrays in the order of the C arguments; missing and unknown names are refused."""
    names = {argument.name for argument in interface.inputs}
    if set(inputs) != names:
        raise DataError(f"inputs {sorted(inputs)} given, the program takes {sorted(names)}")
    return [argument.flat(inputs[argument.name]) for argument in interface.inputs]


def flat_targets(interface: Interface, target: Targets) -> list[np.ndarray]:
    """The arrays in the order of the C arguments; missing and unknown names are refused."""
    names = [argument.name for argument in interface.targets]
    given = target if isinstance(target, Mapping) or len(names) != 1 else {names[0]: target}
    if not isinstance(given, Mapping) or set(given) != set(names):
        raise DataError(f"the program takes the targets {names}, one array each by its name")
    return [argument.flat(given[argument.name]) for argument in interface.targets]


def learning_rate(lr: float) -> float:
    """The learning rate rounded to float32."""
    if not abs(lr) <= float(np.finfo(np.float32).max):
        raise DataError(f"the learning rate is {lr}; pass a finite number, such as 0.01")
    return float(np.float32(lr))
