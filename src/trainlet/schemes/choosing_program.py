"""A compiled trainer that chooses what learns: its report, its C project, its builds."""

from __future__ import annotations

import tempfile
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from rich.table import Table

from trainlet.backends import project
from trainlet.backends.choosing import choosing_interface, write_choosing
from trainlet.backends.firmware import Firmware, build_firmware
from trainlet.backends.sections import sections_of
from trainlet.errors import TargetError, ToolchainError
from trainlet.planning.selection import WORDS, Choosing, program_bytes
from trainlet.progress import stage
from trainlet.run.choosing import ChoosingTrainer, build_choosing


@dataclass(frozen=True)
class VariantReport:
    """What one of the programs needs; weights: of which channels learn, none of the one that
    measures; memory_bytes: of its state and its arena."""

    weights: tuple[str, ...]
    memory_bytes: int
    macs_forward: int
    macs_backward: int


@dataclass(frozen=True)
class ChoosingReport:
    """Memory, Flash and work; None where nothing was measured.

    memory_bytes: that state and arena share, whichever program is in use
    """

    target: str
    memory_bytes: int
    stack_bytes: int | None
    flash_bytes: int | None
    measuring: VariantReport
    variants: tuple[VariantReport, ...]

    @property
    def ram_bytes(self) -> int:
        """With the worst case of the stack, where it is known."""
        return self.memory_bytes + WORDS + (self.stack_bytes or 0)

    def table(self) -> Table:
        """As text for people."""
        title = f"A trainer that chooses what learns, on {self.target}"
        table = Table(title=title, title_justify="left")
        for name in ("", "RAM", "MACs forward", "MACs backward"):
            table.add_column(name, justify="left" if not name else "right")
        for k, one in enumerate((self.measuring, *self.variants)):
            name = ", ".join(one.weights) if k else "measures"
            figures = one.memory_bytes, one.macs_forward, one.macs_backward
            table.add_row(name, *(f"{n:,}" for n in figures))
        table.add_section()
        stack = "not measured" if self.stack_bytes is None else f"{self.stack_bytes:,} of stack"
        table.add_row(f"RAM, with {stack}", f"{self.ram_bytes:,}", "", "")
        if self.flash_bytes is not None:
            table.add_row("Flash", f"{self.flash_bytes:,}", "", "")
        return table

    def __str__(self) -> str:
        lines = [f"{', '.join(one.weights) or 'measures'}: {one.memory_bytes:,} bytes, "
                 f"{one.macs_backward:,} MACs backward"
                 for one in (self.measuring, *self.variants)]  # fmt: skip
        return "\n".join([*lines, f"RAM {self.ram_bytes:,}, Flash {self.flash_bytes or 0:,}"])


@dataclass(frozen=True)
class ChoosingProgram:
    """What `choosing` compiles, with methods to report, write and build it."""

    choice: Choosing

    @property
    def prefix(self) -> str:
        return self.choice.prefix

    @cached_property
    def report(self) -> ChoosingReport:
        """Stack and Flash are measured by compiling the firmware."""
        choice, firmware = self.choice, self.firmware
        sets = [frozenset[int](), *choice.sets]
        first, *rest = (
            VariantReport(
                tuple(choice.candidates[k].weight for k in sorted(chosen)),
                program_bytes(program),
                program.macs_forward,
                program.macs_backward,
            )
            for program, chosen in zip(choice.programs, sets, strict=True)
        )
        return ChoosingReport(
            choice.measure.target.name,
            choice.memory_bytes,
            firmware.stack_bytes if firmware else None,
            firmware.flash_bytes if firmware else None,
            first,
            tuple(rest),
        )

    def write(self, folder: str | Path, *, sections: Mapping[str, str] | None = None) -> Path:
        """Write the C project; all of its files, or none.

        sections: as of `CompiledProgram.write`; the state shares the memory of the arena
        Raises FileError when the folder cannot be written, TargetError for bad sections.
        """
        sections_of(sections, separate=False)
        project.check(Path(folder), self.prefix)
        if kept := write_choosing(self.choice, Path(folder), self.stack, sections):
            warnings.warn(project.advice(kept, Path(folder)), stacklevel=2)
        return Path(folder)

    def build(self, device: str = "host", count: bool = True) -> ChoosingTrainer:
        """Compile and start it on "host", "sanitized", "unicorn" or "qemu"; or "simulation" in
        PyTorch.  `count=False` emulates faster and counts no instructions."""
        return build_choosing(self.choice, device, count=count)

    @cached_property
    def stack(self) -> int | None:
        """Bytes of a call's worst case; None where nothing can measure it."""
        try:
            return self.firmware.stack_bytes if self.firmware else None
        except (ToolchainError, TargetError):
            return None

    @cached_property
    def firmware(self) -> Firmware | None:
        """What the project is as firmware, measured; None on this machine."""
        target = self.choice.measure.target
        if target.cpu is None:
            return None
        stage("measure")
        with tempfile.TemporaryDirectory(prefix="trainlet-") as work:
            sources = Path(work) / self.prefix
            write_choosing(self.choice, sources)
            interface = choosing_interface(self.choice)
            return build_firmware(sources, interface, target, Path(work) / "elf")
