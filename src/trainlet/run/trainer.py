"""A program on a device, with the layouts and parameter names of the user's model."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from trainlet.backends.c import write_project
from trainlet.backends.firmware import build_firmware
from trainlet.backends.interface import interface_of
from trainlet.errors import DataError, TargetError, TrainletError, shown
from trainlet.ir.arguments import closest, finite
from trainlet.ir.arrays import SAMPLES, as_floats, as_indices, as_numbers, as_samples
from trainlet.ir.graph import Node
from trainlet.ir.roles import target_name
from trainlet.ir.storage import storage, to_device, to_user
from trainlet.ops.objective import Labels
from trainlet.passes.penalize import ANCHORS
from trainlet.passes.split import FROZEN
from trainlet.planning.blob import Saved
from trainlet.planning.program import Program
from trainlet.planning.target import PRESETS, WASM
from trainlet.progress import stage
from trainlet.run.device import Closing, Device, FrontDevice, Targets
from trainlet.run.native import NativeDevice
from trainlet.run.node_device import NodeDevice
from trainlet.run.onnx_device import OnnxDevice
from trainlet.run.qemu_device import QemuDevice
from trainlet.run.sanitized import SanitizedDevice
from trainlet.run.torch_device import WAYS, TorchDevice
from trainlet.run.unicorn_device import UnicornDevice

Inputs = ArrayLike | Mapping[str, ArrayLike] | Sequence[ArrayLike]
DEVICES = ("host", "sanitized", "unicorn", "qemu", "node", "onnxruntime", *WAYS)
RUNTIMES = {"node": WASM, "onnxruntime": "onnxruntime", **dict.fromkeys(WAYS, "torch")}
"""Devices that run the programs of some targets only, and the runtime of these."""


def model_inputs(program: Program, x: Inputs) -> dict[str, np.ndarray]:
    """The user's input(s) as the device keeps them.

    x is one array; for a model of several inputs {name: array}, or a tuple in the order of
    forward's.  The batch dimension may be left out when the batch is 1.  Raises DataError for other
    shapes and for NaN or infinity.
    """
    return input_arrays(program.inputs, by_name([n.name for n in program.inputs], x, "inputs"))


def by_name(names: Sequence[str], given: Any, what: str) -> Mapping[str, ArrayLike]:
    """One array for each name, of a mapping, of a tuple in their order, or of the only array.

    Raises DataError for a tuple of another length; other names are the caller's to refuse.
    """
    if isinstance(given, Mapping):
        return given
    if len(names) == 1:
        return {names[0]: given}
    if not isinstance(given, (tuple, list)) or len(given) != len(names):
        count = f"{len(given)} arrays" if isinstance(given, (tuple, list)) else shown(given)
        raise DataError(f"the program takes the {what} {list(names)}, one array each, by name or "
                        f"in this order; found {count}")  # fmt: skip
    return dict(zip(names, given, strict=True))


def input_arrays(leaves: Sequence[Node], given: Mapping[str, ArrayLike]) -> dict[str, np.ndarray]:
    """For each input leaf its array as the device keeps it; integers where the leaf is int8."""
    check_names(leaves, given)
    return {n.name: to_device(n, input_array(n, given[n.name])) for n in leaves}


def check_names(leaves: Sequence[Node], given: Mapping[str, ArrayLike]) -> None:
    """Raise DataError unless there is one array for each input."""
    names = [n.name for n in leaves]
    if set(given) != set(names):
        raise DataError(f"the model takes the inputs {names}, found {shown([*given])}")


def input_array(leaf: Node, value: ArrayLike) -> np.ndarray:
    """One input in the layout of the user's model, of floats, of indices or of the leaf's own
    integers.

    Raises DataError for another shape, for NaN and for infinity, for indices out of range.
    """
    array, wanted = as_numbers(value, f"input {leaf.name!r}"), storage(leaf).shape
    if array.shape != wanted and (1, *array.shape) != wanted:
        raise DataError(f"input {leaf.name!r} has shape {array.shape}; allowed: {wanted}")
    if leaf.type.dtype == "int8" and array.dtype == np.int8:
        return array.reshape(wanted)
    if leaf.type.dtype in SAMPLES:
        return as_samples(array, leaf.type.dtype, f"input {leaf.name!r}").reshape(wanted)
    if leaf.type.dtype == "int32":
        return as_indices(array, leaf.attrs["below"], f"input {leaf.name!r}").reshape(wanted)
    return as_floats(array, f"input {leaf.name!r}").reshape(wanted)


def target_arrays(
    leaves: Sequence[Node],
    labels: Callable[[Node], Labels | None],
    y: Targets | Sequence[ArrayLike],
) -> dict[str, np.ndarray]:
    """Labels (int32) and float targets as the device keeps them, by the targets' names.

    labels: what the labels of a target can be; None where it is of real numbers
    y is one array; of several targets {name: array}, or a tuple in the order in which the losses
    name them.  Raises DataError.
    """
    named = {target_name(n): n for n in leaves}
    given = by_name(list(named), y, "targets")
    if set(given) != set(named):
        raise DataError(f"the losses read the targets {[*named]}, found {shown([*given])}")
    several = len(named) > 1
    return {
        name: target_array(n, labels(n), given[name], f" {name!r}" if several else "")
        for name, n in named.items()
    }


def target_array(leaf: Node, labels: Labels | None, y: ArrayLike, several: str = "") -> np.ndarray:
    """One target as the device keeps it; raises DataError.

    labels: as of `target_arrays`
    several: how messages tell it from other targets
    """
    array = as_numbers(y, "labels" if labels else "the target")
    if array.size != leaf.type.size:
        raise DataError(f"the target{several} has {array.size} values; allowed: {leaf.type.size}")
    if _plain(array.shape) != _plain(leaf.type.shape):
        allowed = leaf.type.shape
        raise DataError(f"the target{several} has shape {array.shape}; allowed: {allowed}")
    if labels:
        if array.dtype.kind not in "iu":
            raise DataError(f"labels{several} are {array.dtype}; allowed: integers")
        if labels.refused(array).size:
            least, most = array.min(), array.max()
            raise DataError(f"labels{several} in {least}..{most}; allowed: {labels}")
    else:
        array = as_floats(array, f"the target{several}")
    return array.astype(leaf.type.dtype).reshape(leaf.type.shape)


def _plain(shape: tuple[int, ...]) -> tuple[int, ...]:
    """A shape without the dimensions of size 1, which a user may leave out or add."""
    return tuple(n for n in shape if n != 1)


class Trainer(Closing):
    """A program running on a device: the host, or an emulated microcontroller."""

    def __init__(self, program: Program, device: Device) -> None:
        self.program = program
        self._device: Device | None = device

    @property
    def device(self) -> Device:
        """What the program runs on; raises TrainletError once the trainer is closed."""
        if self._device is None:
            raise TrainletError("the trainer is closed; build another one: program.build(...)")
        return self._device

    @property
    def instructions(self) -> int | None:
        """Executed by the last step or predict; None where the device does not count."""
        return self.device.instructions

    def predict(self, x: Inputs) -> Any:
        """Logits [batch, ...] of one batch; of a model of several outputs {name: array}."""
        return self._outputs(self.device.predict(model_inputs(self.program, x)))

    def _outputs(self, flat: np.ndarray) -> Any:
        """The outputs as the user knows them."""
        found: dict[str, np.ndarray] = {}
        for name, n in self.program.outputs.items():
            found[name], flat = flat[: n.type.size].reshape(n.type.shape), flat[n.type.size :]
        return found if len(found) > 1 else next(iter(found.values()))

    def step(self, x: Inputs, y: Targets | Sequence[ArrayLike], lr: float | None = None) -> float:
        """Train on one batch; returns the loss before the update.

        x: one array, or for several inputs {name: array} or a tuple in the order of forward's
        y: one array, or for several targets {name: array} or a tuple in the order of the losses

        Raises DataError for inputs or labels that cannot be used, DivergedError when the loss is
        not finite; the state is then as it was.
        """
        rate = self.program.lr if lr is None else finite("the learning rate", lr, DataError)
        inputs, program = model_inputs(self.program, x), self.program
        targets = target_arrays(program.targets, program.labels, y)
        return self.device.step(inputs, targets, rate)

    def features(self, x: Inputs) -> np.ndarray:
        """What the frozen layers make of one batch, as the C keeps it: one dimension, of the
        features' own type, or of bytes (uint8) where several maps are features.

        It never changes, so it may stand for the batch in all epochs.  Raises TrainletError for a
        program without a front of its own, and what `predict` raises.
        """
        kind, device = self._front()
        return np.frombuffer(device.features(model_inputs(self.program, x)), kind)

    def predict_features(self, f: ArrayLike) -> Any:
        """What `predict` returns of the batch whose features are `f`, bit for bit."""
        return self._outputs(self._front()[1].predict_features(self._bytes(f)))

    def step_features(
        self, f: ArrayLike, y: Targets | Sequence[ArrayLike], lr: float | None = None
    ) -> float:
        """What `step` does with the batch whose features are `f`, bit for bit.

        Raises DataError for features of another size or type, and what `step` raises.
        """
        rate = self.program.lr if lr is None else finite("the learning rate", lr, DataError)
        given, program = self._bytes(f), self.program
        targets = target_arrays(program.targets, program.labels, y)
        return self._front()[1].step_features(given, targets, rate)

    def _front(self) -> tuple[np.dtype, FrontDevice]:
        """The features' type, and what computes them."""
        features, device = self.program.features, self.device
        if features is None or not isinstance(device, FrontDevice):
            raise TrainletError(
                "the program computes no features; compile with split_features=True"
            )
        return np.dtype(features.type.dtype), device

    def _bytes(self, f: ArrayLike) -> bytes:
        wanted, _ = self._front()
        array, size = np.asarray(f), self.program.feature_bytes
        if array.dtype not in (wanted, np.uint8) or array.nbytes != size:
            raise DataError(
                f"the features are {array.dtype} {array.shape}; allowed: the {size} bytes that "
                "`features` returns"
            )
        return array.tobytes()

    def observe(self, x: Inputs, y: Targets | Sequence[ArrayLike]) -> None:
        """Add the features of one batch to the prototypes of its classes; nothing else learns.

        x, y: as of `step`.  Raises TrainletError for a program without prototypes
        (tl.adapt.cosine_head), DataError for inputs or labels that cannot be used, DivergedError
        for features beyond 1e30; the state is then as it was.
        """
        if self.program.teaching is None:
            raise TrainletError("the program trains no prototypes; add a head with "
                                "tl.adapt.cosine_head, and a scheme that trains it")  # fmt: skip
        inputs, program = model_inputs(self.program, x), self.program
        self.device.observe(inputs, target_arrays(program.targets, program.labels, y))

    def state(self) -> dict[str, np.ndarray]:
        """The trained parameters, in the layout of the user's model."""
        arrays = split_blob(self.program, self.device.save())
        frozen = {n.name: n for n in self.program.constants}
        rest = {
            p.name: self.program.initial(frozen[p.name + FROZEN])
            for p in self.program.params
            if storage(p).part
        }
        return {n.name: to_user(n, arrays[n.name], rest.get(n.name)) for n in self.program.params}

    def load_state(self, state: Mapping[str, ArrayLike]) -> None:
        """Overwrite trained parameters; those left out, and the optimiser's state, stay.

        Raises DataError for an unknown parameter, a wrong shape, what is no number, NaN or
        infinity; nothing is changed then.
        """
        device = self.device
        if not isinstance(state, Mapping):
            raise DataError(f"a state is {{parameter: array}}, found {type(state).__name__}")
        leaves = {n.name: n for n in self.program.params}
        for name in state:
            if name not in leaves:
                raise DataError(f"{name!r} is not trained; trained: {', '.join(leaves)}")
        arrays = {name: self._parameter(leaves[name], value) for name, value in state.items()}
        layout = self.program.layout
        saved = layout.unpack(device.save())
        device.load(layout.pack(Saved({**saved.arrays, **arrays}, saved.pending)))

    def _parameter(self, leaf: Node, value: ArrayLike) -> np.ndarray:
        """A parameter's array as the device keeps it; raises DataError."""
        given, wanted = as_numbers(value, repr(leaf.name)), storage(leaf).shape
        if given.shape != wanted:
            raise DataError(f"{leaf.name!r} has shape {given.shape}; allowed: {wanted}")
        with np.errstate(over="ignore"):
            array = given.astype(np.float32)
            kept = to_device(leaf, array)
        if not (np.isfinite(array).all() and np.isfinite(kept).all()):
            raise DataError(f"{leaf.name!r} holds NaN or infinity, or more than float32 can")
        self._check_frozen(leaf.name, array)
        return kept

    def _check_frozen(self, name: str, array: np.ndarray) -> None:
        """Raise DataError if an array differs from the network where it does not learn."""
        for n in self.program.constants:
            if n.name != name + FROZEN:
                continue
            if not np.allclose(to_device(n, array), self.program.initial(n), 1e-5, 1e-7):
                raise DataError(
                    f"{name!r} learns in part, and its frozen part differs from the network's"
                )

    def set_anchor(self) -> None:
        """The present parameters become the anchor of the proximal term.

        Raises TrainletError for a program without one.
        """
        anchors = [n for n in self.program.states if ANCHORS in n.attrs]
        if not anchors:
            raise TrainletError("no parameter has an anchor; compile with loss=[..., "
                                "trainlet.Proximal(weight)]")  # fmt: skip
        layout = self.program.layout
        saved = layout.unpack(self.device.save())
        present = {n.name: saved.arrays[n.attrs[ANCHORS]] for n in anchors}
        self.device.load(layout.pack(Saved({**saved.arrays, **present}, saved.pending)))

    def save(self) -> bytes:
        """The whole trained state, with the optimiser's, as the device writes it."""
        return self.device.save()

    def load(self, blob: bytes) -> None:
        """Take a saved state.

        Raises StateError for one that is damaged, holds values that training cannot make, or
        belongs to a program whose state has another layout; nothing is changed then.
        """
        device = self.device
        self.program.layout.unpack(blob)
        device.load(bytes(blob))

    def reset(self) -> None:
        """Restore the pretrained parameters."""
        self.device.init()

    def close(self) -> None:
        """Stop the device; closing twice does nothing."""
        device, self._device = self._device, None
        if device is not None:
            device.close()


def split_blob(program: Program, blob: bytes) -> dict[str, np.ndarray]:
    """The arrays of a saved state by leaf name, as the device keeps them."""
    return dict(program.layout.unpack(blob).arrays)


def build_trainer(program: Program, device: str, count: bool = True) -> Trainer:
    """Compile the program and start it on one of DEVICES.

    `count=False` makes emulation faster and leaves `instructions` None.
    """
    if not isinstance(device, str) or device not in DEVICES:
        known = ", ".join(DEVICES) + closest(device, DEVICES)
        raise TrainletError(f"unknown device {shown(device)}; allowed: {known}")
    if device in ("unicorn", "qemu") and program.target.cpu is None:
        raise TargetError(
            f"target {program.target.name!r} is not a microcontroller, so it cannot run on "
            f"{device}; compile for another target (trainlet targets lists them)"
        )
    if device in RUNTIMES and program.target.runtime != RUNTIMES[device]:
        wanted = [repr(k) for k, t in PRESETS.items() if t.runtime == RUNTIMES[device]]
        raise TargetError(
            f"target {program.target.name!r} does not run on {device}; compile for "
            f"target={' or '.join(wanted)}"
        )
    stage("build")
    if device == "onnxruntime":
        return Trainer(program, OnnxDevice(program))
    if device == "node":
        return Trainer(program, NodeDevice(program))
    if device in WAYS:
        return Trainer(program, TorchDevice(program, device))
    with tempfile.TemporaryDirectory(prefix="trainlet-") as work:
        project = Path(work) / program.prefix
        write_project(program, project)
        if device == "host":
            return Trainer(program, NativeDevice(project, interface_of(program)))
        if device == "sanitized":
            return Trainer(program, SanitizedDevice(project, interface_of(program)))
        firmware = build_firmware(
            project, interface_of(program), program.target, Path(work) / "elf"
        )
        machine = UnicornDevice if device == "unicorn" else QemuDevice
        return Trainer(program, machine(firmware, count=count))
