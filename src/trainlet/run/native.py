"""The program as a shared library of this machine, called through cffi."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from cffi import FFI

from trainlet.backends.interface import DTYPES, Argument, Interface
from trainlet.backends.toolchain import compile_shared
from trainlet.errors import DeviceFault
from trainlet.interrupt import interrupt_afterwards
from trainlet.planning.blob import check_length
from trainlet.run.device import (
    Closing,
    Inputs,
    Targets,
    check,
    flat_inputs,
    flat_targets,
    learning_rate,
)

IO_FAILED = -1


def declarations(interface: Interface) -> str:
    """The C API as cffi reads it."""
    name = interface.prefix
    given = ", ".join("rows, void *" if a.rows else f"const {a.ctype} *" for a in interface.inputs)
    slots = "\n".join(
        f"typedef int (*rows)(void *, int, int, {a.ctype} *);"
        if a.rows
        else f"{a.ctype} *{name}_{a.symbol}(void);"
        for a in interface.inputs
    )
    results = ", ".join(f"{a.ctype} *" for a in interface.outputs)
    targets = "".join(f"const {a.ctype} *, " for a in interface.targets)
    shown = f"({given}, {targets.rstrip(', ')})"
    observe = f"int {name}_observe{shown};" if interface.observes else ""
    front = (
        f"""int {name}_features({given}, void *f);
        int {name}_predict_features(const void *f, {results});
        int {name}_step_features(const void *f, {targets}float lr, float *loss);"""
        if interface.feature_bytes
        else ""
    )
    select = f"int {name}_measure{shown}; int {name}_select(void);" if interface.selects else ""
    return f"""
        void {name}_init(void);
        {slots}
        int {name}_predict({given}, {results});
        int {name}_step({given}, {targets}float lr, float *loss);
        typedef int (*writer)(void *, uint32_t, const void *, uint32_t);
        typedef int (*reader)(void *, uint32_t, void *, uint32_t);
        {observe}
        {select}
        {front}
        int {name}_save(writer write, void *context);
        int {name}_load(reader read, void *context);
    """


class NativeDevice(Closing):
    """Fast, without limits on memory.  Each instance has its own library, so its own state."""

    instructions: int | None = None

    def __init__(self, project: Path | str, interface: Interface) -> None:
        self.interface = interface
        self._folder = tempfile.TemporaryDirectory(prefix="trainlet-")
        path = Path(self._folder.name) / f"{interface.prefix}.so"
        compile_shared([Path(project) / f"{interface.prefix}.c"], path)
        self._ffi = FFI()
        self._ffi.cdef(declarations(interface))
        self._lib: Any = self._ffi.dlopen(str(path))
        self.init()

    def init(self) -> None:
        self._function("init")()

    def predict(self, inputs: Inputs) -> np.ndarray:
        results = [np.zeros(a.count, a.dtype) for a in self.interface.outputs]
        given = self._pointers(inputs)
        check(self._call("predict", *given, *map(self._pointer, results)), "predict")
        return np.concatenate(results)

    def step(self, inputs: Inputs, target: Targets, lr: float) -> float:
        given, rate = self._pointers(inputs), learning_rate(lr)
        wanted = flat_targets(self.interface, target)
        loss = self._ffi.new("float *")
        check(self._call("step", *given, *map(self._pointer, wanted), rate, loss), "step")
        return float(loss[0])

    def observe(self, inputs: Inputs, target: Targets) -> None:
        given, wanted = self._pointers(inputs), flat_targets(self.interface, target)
        check(self._call("observe", *given, *map(self._pointer, wanted)), "observe")

    def features(self, inputs: Inputs) -> bytes:
        made = bytearray(self.interface.feature_bytes)
        given = self._pointers(inputs)
        check(self._call("features", *given, self._ffi.from_buffer(made)), "features")
        return bytes(made)

    def predict_features(self, features: bytes) -> np.ndarray:
        results = [np.zeros(a.count, a.dtype) for a in self.interface.outputs]
        given = self._ffi.from_buffer(features), *map(self._pointer, results)
        check(self._call("predict_features", *given), "predict_features")
        return np.concatenate(results)

    def step_features(self, features: bytes, target: Targets, lr: float) -> float:
        wanted = map(self._pointer, flat_targets(self.interface, target))
        given, loss = self._ffi.from_buffer(features), self._ffi.new("float *")
        rate = learning_rate(lr)
        check(self._call("step_features", given, *wanted, rate, loss), "step_features")
        return float(loss[0])

    def measure(self, inputs: Inputs, target: Targets) -> None:
        given, wanted = self._pointers(inputs), flat_targets(self.interface, target)
        check(self._call("measure", *given, *map(self._pointer, wanted)), "measure")

    def select(self) -> None:
        check(self._call("select"), "select")

    def save(self) -> bytes:
        blob = bytearray(self.interface.blob_bytes)

        def write(_: object, offset: int, source: Any, size: int) -> int:
            if offset + size > len(blob):
                return IO_FAILED
            blob[offset : offset + size] = self._ffi.buffer(source, size)[:]
            return 0

        callback = self._ffi.callback("writer", write, error=IO_FAILED)
        check(self._call("save", callback, self._ffi.NULL), "save")
        return bytes(blob)

    def load(self, blob: bytes) -> None:
        check_length(blob, self.interface.blob_bytes)

        def read(_: object, offset: int, target: Any, size: int) -> int:
            if offset + size > len(blob):
                return IO_FAILED
            self._ffi.memmove(target, blob[offset : offset + size], size)
            return 0

        callback = self._ffi.callback("reader", read, error=IO_FAILED)
        check(self._call("load", callback, self._ffi.NULL), "load")

    def stack_used(self) -> int:
        return 0

    def close(self) -> None:
        if self._lib is not None:
            self._ffi.dlclose(self._lib)
            self._lib = None
            self._folder.cleanup()

    def _call(self, name: str, *arguments: Any) -> int:
        """The status.  Ctrl-C waits: an exception in a callback would be lost."""
        with interrupt_afterwards():
            status = self._function(name)(*arguments)
            del arguments  # cffi's views of buffers must not live on in a traceback
            return status

    def _function(self, name: str) -> Any:
        if self._lib is None:
            raise DeviceFault("the device is closed; create a new one")
        return getattr(self._lib, f"{self.interface.prefix}_{name}")

    def _pointers(self, inputs: Inputs) -> list[Any]:
        """The inputs, copied into the program's own slots."""
        pointers = []
        for argument, array in zip(
            self.interface.inputs, flat_inputs(self.interface, inputs), strict=True
        ):
            if argument.rows:
                pointers += [self._stream(argument, array), self._ffi.NULL]
            else:
                pointers.append(self._fill(argument, array))
        return pointers

    def _stream(self, argument: Argument, array: np.ndarray) -> Any:
        """A callback that hands over rows of an array."""
        row = argument.size // argument.rows

        def rows(_: object, first: int, count: int, into: Any) -> int:
            self._ffi.memmove(into, array.data.cast("B")[first * row : (first + count) * row],
                              count * row)  # fmt: skip
            return 0

        return self._ffi.callback("rows", rows, error=IO_FAILED)

    def _fill(self, argument: Argument, array: np.ndarray) -> Any:
        slot = self._function(argument.symbol)()
        self._ffi.memmove(slot, self._pointer(array), argument.size)
        return slot

    def _pointer(self, array: np.ndarray) -> Any:
        ctype = {dtype: name for name, dtype in DTYPES.items()}[array.dtype]
        return self._ffi.from_buffer(f"{ctype}[]", array.data)
