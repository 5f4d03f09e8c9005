"""A trainer that chooses what learns, on a device: examples are observed and measured, then it
selects once, then it trains."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Protocol, cast

import numpy as np
from numpy.typing import ArrayLike

from trainlet.backends.choosing import choosing_interface, write_choosing
from trainlet.backends.firmware import build_firmware
from trainlet.errors import StateError, TargetError, TrainletError, shown
from trainlet.ir.arguments import closest
from trainlet.ir.graph import Node
from trainlet.ir.storage import Order, storage, to_user
from trainlet.passes.run_time_channels import TABLE
from trainlet.passes.split import FROZEN
from trainlet.planning.blob import CHECKSUM, HEADER, check_length, checked
from trainlet.planning.program import Program
from trainlet.planning.selection import Choosing
from trainlet.progress import stage
from trainlet.run.device import STATUS, Closing, Device, Inputs, Targets
from trainlet.run.native import NativeDevice
from trainlet.run.qemu_device import QemuDevice
from trainlet.run.sanitized import SanitizedDevice
from trainlet.run.simulated import SimulatedDevice
from trainlet.run.simulated_torch import TorchSimulated
from trainlet.run.trainer import Trainer, model_inputs, target_arrays
from trainlet.run.unicorn_device import UnicornDevice

DEVICES = ("host", "sanitized", "unicorn", "qemu", "simulation")
ORDER = -7


class Selecting(Device, Protocol):
    """A device that chooses what learns."""

    def measure(self, inputs: Inputs, target: Targets) -> None:
        """Add one sample to what is measured of the candidates' channels."""
        ...

    def select(self) -> None:
        """Choose the layers and channels that learn."""
        ...


class ChoosingTrainer(Trainer):
    """A trainer whose program is, before a selection, the one that measures, and after it the
    variant that was chosen."""

    def __init__(self, choice: Choosing, device: Selecting) -> None:
        super().__init__(choice.measure, device)
        self.choice = choice

    def measure(self, x: Inputs, y: Targets | Sequence[ArrayLike]) -> None:
        """Add one batch to what `select` looks at; call it once for each example, when all are
        observed.  x, y: as of `step`.

        Raises DataError for inputs or labels that cannot be used, DivergedError for gradients that
        are not finite, TrainletError after a selection; the state is then as it was.
        """
        inputs, program = model_inputs(self.program, x), self.program
        self._selecting.measure(inputs, target_arrays(program.targets, program.labels, y))

    def select(self) -> dict[str, np.ndarray]:
        """Choose the layers and channels that learn from now on; as `selected` gives them.

        Raises TrainletError if nothing was measured, or after a selection.
        """
        self._selecting.select()
        self._settle(self.save())
        return self.selected()

    def selected(self) -> dict[str, np.ndarray]:
        """The input channels, ascending, of each weight that learns in part; empty before a
        selection."""
        arrays = self.program.layout.unpack(self.save()).arrays
        found = {c.weight: arrays.get(c.weight + TABLE) for c in self.choice.candidates}
        return {name: table for name, table in found.items() if table is not None}

    def measured(self) -> dict[str, np.ndarray]:
        """What was measured so far, of each candidate's weight; empty after a selection."""
        arrays = self.program.layout.unpack(self.save()).arrays
        found = {c.weight: arrays.get(c.sums) for c in self.choice.candidates}
        return {name: total for name, total in found.items() if total is not None}

    def state(self) -> dict[str, np.ndarray]:
        """The trained parameters, in the layout of the user's model."""
        arrays = self.program.layout.unpack(self.save()).arrays
        whole = {n.name: n for n in self.program.constants}
        return {
            n.name: _whole(self.program, n, arrays[n.name], whole[n.name + FROZEN],
                           arrays[n.name + TABLE])
            if n.name + TABLE in arrays
            else to_user(n, arrays[n.name])
            for n in self.program.params
        }  # fmt: skip

    def load_state(self, state: object) -> None:
        """Refused: which parts of the parameters learn is chosen; `load` takes a saved state."""
        raise TrainletError("this trainer chooses what learns; take a saved state with load(...)")

    def save(self) -> bytes:
        """The whole state: before a selection what was measured, after it also what was chosen."""
        padded = self.device.save()
        return padded[: HEADER.size + HEADER.unpack_from(padded)[3] + CHECKSUM.size]

    def load(self, blob: bytes) -> None:
        """Take a saved state, of before a selection or of any selection.

        Raises StateError for one that is damaged, holds values that training cannot make, or
        belongs to another program; nothing is changed then.
        """
        self._program(blob).layout.unpack(blob)
        self.device.load(bytes(blob).ljust(self.choice.blob_bytes, b"\0"))
        self._settle(blob)

    def reset(self) -> None:
        """Begin again: with the pretrained parameters, without examples or a selection."""
        super().reset()
        self.program = self.choice.measure

    @property
    def _selecting(self) -> Selecting:
        return cast(Selecting, self.device)

    def _settle(self, blob: bytes) -> None:
        self.program = self._program(blob)

    def _program(self, blob: bytes) -> Program:
        return program_of(self.choice, blob)


def program_of(choice: Choosing, blob: bytes) -> Program:
    """The program to which a saved state belongs; raises StateError."""
    given = HEADER.unpack_from(checked(blob))[2]
    for program in choice.programs:
        if program.layout.fingerprint == given:
            return program
    raise StateError("the saved state belongs to another program (parameters, shapes, precision or "
                     "optimiser); nothing changed")  # fmt: skip


def _whole(
    program: Program, learns: Node, values: np.ndarray, frozen: Node, table: np.ndarray
) -> np.ndarray:
    """A weight of which the slices in a table learn, in the user's layout."""
    part, whole = storage(learns).part, program.initial(frozen)
    assert part is not None
    others = np.setdiff1d(np.arange(whole.shape[part.axis]), table)
    order = Order(part.axis, (*table.tolist(), *others.tolist()))
    how = storage(learns)
    attrs = {**learns.attrs, "storage": replace(how, orders=(*(how.orders or ()), order))}
    arranged = Node(learns.op, (), learns.type, attrs, learns.name)
    return to_user(arranged, values, whole.take(others, part.axis))


class SimulatedChoosing(Closing):
    """Devices in Python, one for the program that is in use."""

    instructions: int | None = None

    def __init__(self, choice: Choosing, make: Callable[[Program], SimulatedDevice]) -> None:
        self.choice, self._make = choice, make
        self.interface = choosing_interface(choice)
        self.init()

    def init(self) -> None:
        self._device = self._make(self.choice.measure)

    @property
    def _measures(self) -> bool:
        return self._device.program is self.choice.measure

    def predict(self, inputs: Inputs) -> np.ndarray:
        return self._device.predict(inputs)

    def observe(self, inputs: Inputs, target: Targets) -> None:
        self._device.observe(inputs, target)

    def measure(self, inputs: Inputs, target: Targets) -> None:
        _in_order(self._measures)
        self._device.step(inputs, target, 0.0)

    def step(self, inputs: Inputs, target: Targets, lr: float) -> float:
        _in_order(not self._measures)
        return self._device.step(inputs, target, lr)

    def select(self) -> None:
        _in_order(self._measures)
        values = self._device.values
        measured = {c.weight: values[c.sums] for c in self.choice.candidates}
        _in_order(any((own > 0).any() for own in measured.values()))
        number, tables = self.choice.chosen(measured)
        device = self._make(self.choice.variants[number])
        known = {n.name: n for n in device.program.params}
        for name, table in tables.items():
            part = storage(known[name]).part
            assert part is not None
            slices = device.values[name + FROZEN].take(table, part.axis).reshape(-1)
            begun = np.zeros(known[name].type.size, slices.dtype)
            begun[: slices.size] = slices
            device.values[name] = begun.reshape(known[name].type.shape)
            device.values[name + TABLE] = table
        for n in self.choice.measure.params:
            device.values[n.name] = values[n.name]
        self._device = device

    def save(self) -> bytes:
        return self._device.save().ljust(self.interface.blob_bytes, b"\0")

    def load(self, blob: bytes) -> None:
        check_length(blob, self.interface.blob_bytes)
        whole = blob[: HEADER.size + HEADER.unpack_from(blob)[3] + CHECKSUM.size]
        device = self._make(program_of(self.choice, whole))
        device.load(whole)
        self._device = device

    def stack_used(self) -> int:
        return 0

    def close(self) -> None:
        self._device.close()


def _in_order(right: bool) -> None:
    if not right:
        kind, what = STATUS[ORDER]
        raise kind(what)


def build_choosing(
    choice: Choosing, device: str, stack: int | None = None, count: bool = True
) -> ChoosingTrainer:
    """Compile the C and start it on one of DEVICES, or start the simulation in PyTorch."""
    if not isinstance(device, str) or device not in DEVICES:
        known = ", ".join(DEVICES) + closest(device, DEVICES)
        raise TrainletError(f"unknown device {shown(device)}; allowed: {known}")
    target = choice.measure.target
    if device in ("unicorn", "qemu") and target.cpu is None:
        raise TargetError(
            f"target {target.name!r} is not a microcontroller, so it cannot run on {device}; "
            "compile for another target (trainlet targets lists them)"
        )
    stage("build")
    if device == "simulation":
        return ChoosingTrainer(choice, SimulatedChoosing(choice, TorchSimulated))
    interface = choosing_interface(choice)
    with tempfile.TemporaryDirectory(prefix="trainlet-") as work:
        project = Path(work) / choice.prefix
        write_choosing(choice, project, stack)
        if device == "host":
            return ChoosingTrainer(choice, NativeDevice(project, interface))
        if device == "sanitized":
            return ChoosingTrainer(choice, SanitizedDevice(project, interface))
        firmware = build_firmware(project, interface, target, Path(work) / "elf")
        machine = UnicornDevice if device == "unicorn" else QemuDevice
        return ChoosingTrainer(choice, machine(firmware, count=count))
