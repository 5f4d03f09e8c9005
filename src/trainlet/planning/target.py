"""What a program is compiled for: a core, its RAM and its Flash."""

from __future__ import annotations

from dataclasses import dataclass

from trainlet.errors import TargetError, shown
from trainlet.ir.arguments import closest, whole
from trainlet.ir.graph import Graph
from trainlet.ops.verify import verify
from trainlet.passes.fuse.chains import fuse_chains
from trainlet.passes.fuse.updates import with_copies
from trainlet.planning.cpu import CPUS, Cpu
from trainlet.progress import stage

WASM = "wasm"
"""The runtime of a browser or of Node: it takes C that is compiled to WebAssembly."""
FLOATS = ("float32", "bfloat16")
MPU_GRANULE = 1024  # the memory protection unit guards sizes that are multiples of it


@dataclass(frozen=True)
class Target:
    """A device.  `Target("cortex-m4", ram=65536)` is a preset's core with another size of RAM;
    any other name takes its core from `cpu`, one of CPUS; without one it is this machine.

    `kernels` is the search path: a kernel in an earlier folder shadows later ones of its name.
    `stack` is the part of `ram` that is reserved for the stack.  `ram` and `flash` in bytes, None
    for no limit; `compiler` is "gcc" or "zig", None for gcc where it is installed, else zig.
    `runtime` is what executes the files that are written; None for C.  `floats` is the type in
    which the runtime "torch" keeps the floats of a float32 network: "float32" or "bfloat16".
    """

    name: str
    ram: int | None = 256 * 1024
    flash: int | None = 1024 * 1024
    kernels: tuple[str, ...] = ("cortex_m", "reference")
    compiler: str | None = None
    stack: int = 4096
    cpu: Cpu | None = None
    runtime: str | None = None
    floats: str = "float32"

    def __post_init__(self) -> None:
        self._check_kinds()
        if not (self.compiler is None or isinstance(self.compiler, str)) or (
            self.compiler not in (None, "gcc", "zig")
        ):
            raise TargetError(
                f"target '{self.name}': compiler {shown(self.compiler)}; allowed: gcc, zig"
            )
        allowed = FLOATS if self.runtime == "torch" else FLOATS[:1]
        if self.floats not in allowed:
            raise TargetError(f"target '{self.name}': floats={shown(self.floats)}; allowed: "
                              + ", ".join(allowed))  # fmt: skip
        object.__setattr__(self, "cpu", self.cpu or CPUS.get(self.name))
        if self.cpu is None:
            return
        for what, size in (("ram", self.ram), ("flash", self.flash)):
            if not size or size < 0 or size % MPU_GRANULE:
                raise TargetError(
                    f"target '{self.name}': {what}={size}; a microcontroller needs "
                    f"a positive multiple of {MPU_GRANULE} bytes"
                )
        if self.stack <= 0 or self.stack % 8 or self.stack >= (self.ram or 0):
            raise TargetError(
                f"target '{self.name}': stack={self.stack}; "
                f"use a positive multiple of 8 below ram={self.ram}"
            )

    def lower(self, graph: Graph) -> tuple[Graph, ...]:
        """The step as this core runs it: chains of element-wise operations are one loop each; the
        second graph, if there is one, reads copies of weights.  The plan tells which is smaller.
        ONNX Runtime and PyTorch make loops themselves.
        """
        stage("lower")
        if self.runtime and self.runtime != WASM:
            return (verify(graph),)
        return with_copies(verify(fuse_chains(graph)))

    def _check_kinds(self) -> None:
        """Raise TargetError for an argument of another type than its field's."""
        if not isinstance(self.name, str):
            raise TargetError(f"target name {shown(self.name)}; allowed: text")
        for what, size in (("ram", self.ram), ("flash", self.flash), ("stack", self.stack)):
            if what == "stack" or size is not None:
                whole(f"target {shown(self.name)}: {what}", size, 0, 1 << 40, TargetError)
        if self.cpu is not None and not isinstance(self.cpu, Cpu):
            known = ", ".join(CPUS)
            raise TargetError(f"target {shown(self.name)}: cpu={shown(self.cpu)}; allowed: one of "
                              f"trainlet.planning.cpu.CPUS ({known})")  # fmt: skip
        if isinstance(self.kernels, str) or not all(isinstance(k, str) for k in self.kernels):
            raise TargetError(f"target {shown(self.name)}: kernels={shown(self.kernels)}; "
                              "allowed: a tuple of folders")  # fmt: skip

    @staticmethod
    def preset(name: str) -> Target:
        """The target of that name, with 256 KB of RAM and 1 MB of Flash, or no limits on host."""
        if not isinstance(name, str) or name not in PRESETS:
            known = ", ".join(PRESETS) + closest(name, PRESETS)
            raise TargetError(f"unknown target {shown(name)}; allowed: {known}")
        return PRESETS[name]


TORCH = {
    "cpu": "float32",
    "cuda": "float32",
    "cpu-bfloat16": "bfloat16",
    "cuda-bfloat16": "bfloat16",
}
PRESETS = {
    "host": Target("host", None, None, ("reference",)),
    "wasm": Target("wasm", None, None, ("reference",), runtime=WASM),
    "onnx": Target("onnx", None, None, ("reference",), runtime="onnxruntime"),
    **{
        name: Target(name, None, None, ("reference",), runtime="torch", floats=floats)
        for name, floats in TORCH.items()
    },
    **{name: Target(name, kernels=cpu.kernels, cpu=cpu) for name, cpu in CPUS.items()},
}
