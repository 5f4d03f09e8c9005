"""What a program is compiled for: a core, its RAM and its Flash."""

from __future__ import annotations

from dataclasses import dataclass

from trainlet.backends.cpu import CPUS, Cpu
from trainlet.errors import TargetError

GRAIN = 1024  # the memory protection unit guards sizes that are multiples of it


@dataclass(frozen=True)
class Target:
    """A device.  `Target("cortex-m4", ram=65536)` is a preset's core with another size of RAM;
    any other name takes its core from `cpu`, one of CPUS; without one it is this machine.

    `kernels` is the search path: a kernel in an earlier folder shadows later ones of its name.
    `stack` is the part of `ram` that is reserved for the stack.  `ram` and `flash` in bytes, None
    for no limit; `compiler` is "gcc" or "zig", None for gcc where it is installed, else zig.
    """

    name: str
    ram: int | None = 256 * 1024
    flash: int | None = 1024 * 1024
    kernels: tuple[str, ...] = ("cortex_m", "reference")
    compiler: str | None = None
    stack: int = 4096
    cpu: Cpu | None = None

    def __post_init__(self) -> None:
        if self.compiler not in (None, "gcc", "zig"):
            raise TargetError(f"target '{self.name}': compiler '{self.compiler}', not gcc or zig")
        object.__setattr__(self, "cpu", self.cpu or CPUS.get(self.name))
        if self.cpu is None:
            return
        for what, size in (("ram", self.ram), ("flash", self.flash)):
            if not size or size < 0 or size % GRAIN:
                raise TargetError(
                    f"target '{self.name}': {what}={size}; a microcontroller needs "
                    f"a positive multiple of {GRAIN} bytes"
                )
        if self.stack <= 0 or self.stack % 8 or self.stack >= (self.ram or 0):
            raise TargetError(
                f"target '{self.name}': stack={self.stack}; "
                f"use a positive multiple of 8 below ram={self.ram}"
            )

    @staticmethod
    def preset(name: str) -> Target:
        """The target of that name, with 256 KB of RAM and 1 MB of Flash, or no limits on host."""
        if name not in PRESETS:
            raise TargetError(f"no target '{name}'; there are {', '.join(PRESETS)}")
        return PRESETS[name]


KERNELS = {
    "cortex-m0plus": ("reference",),
    "cortex-m3": ("reference",),
    "cortex-m55": ("helium", "cortex_m", "reference"),
}
PRESETS = {"host": Target("host", None, None, ("reference",))} | {
    name: Target(name, kernels=KERNELS.get(name, ("cortex_m", "reference")), cpu=cpu)
    for name, cpu in CPUS.items()
}
