"""trainlet targets."""

from __future__ import annotations

from rich.table import Table

from trainlet.cli.screen import OUT
from trainlet.planning.target import PRESETS, Target

KB = 1024


def targets_command() -> None:
    """List the targets."""
    table = Table("target", "core", "FPU", "RAM KB", "Flash KB", "Unicorn", "QEMU")
    for column in (3, 4):
        table.columns[column].justify = "right"
    for target in PRESETS.values():
        table.add_row(*_row(target))
    OUT.print(table)
    OUT.print("--ram and --flash set other sizes.")


def _row(target: Target) -> tuple[str, ...]:
    sizes = [f"{n // KB:,}" if n else "-" for n in (target.ram, target.flash)]
    cpu = target.cpu
    if cpu is None:
        return target.name, "-", "-", *sizes, "-", "-"
    core = "Cortex-" + cpu.name.removeprefix("cortex-").upper().replace("PLUS", "+")
    fpu, unicorn = ("yes" if has else "no" for has in (cpu.fpu, cpu.unicorn))
    return target.name, core, fpu, *sizes, unicorn, cpu.board.machine if cpu.board else "no"
