"""A profile: what was counted, as rows and as tables."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass

from rich.console import Console
from rich.table import Table
from rich.text import Text

from trainlet.ir.printable import printable
from trainlet.planning.report import Report

AROUND = "(around the calls)"
LEFT_OUT = "waits for Flash, cache misses, wrong predictions, interrupts"
"""What no estimate of cycles has."""
PHASES = ("forward", "backward", "update", "around")


@dataclass(frozen=True)
class Row:
    """One call of the generated C, or all calls of an op in a phase.

    node:            its name, or that of the parameter or constant that it reads
    op:              the C function, without k_: an op, or the links of a chain
    phase:           "forward" (what predicts), "backward" (the loss, what is kept for the
                     gradients, the gradients), "update", or "around": taking the inputs and the
                     rest of the step that belongs to no call
    shapes:          of its first two inputs and its result, as the device keeps them
    result_bytes:    of the tensors that it makes, those that it updates in place left out
    workspace_bytes: of the largest call's work space
    cycles:          an estimate; None where none was asked for
    """

    node: str
    op: str
    phase: str
    shapes: str
    instructions: int
    macs: int
    result_bytes: int
    workspace_bytes: int
    calls: int = 1
    cycles: int | None = None

    @property
    def instructions_per_mac(self) -> float | None:
        return self.instructions / self.macs if self.macs else None


@dataclass(frozen=True)
class Profile:
    """Instructions of one training step on an emulated device, exact and the same each time.

    instructions_step and instructions_predict are of the program as it is; the rows were counted
    with marks between the calls, and their sum is instructions_step + disturbance.
    mhz: the clock at which estimated cycles are shown as time.
    """

    target: str
    device: str
    rows: tuple[Row, ...]
    instructions_predict: int
    instructions_step: int
    disturbance: int
    report: Report
    mhz: float | None = None

    @property
    def cycles_step(self) -> int | None:
        """Estimated cycles of the step; None where none were asked for."""
        known = [row.cycles for row in self.rows if row.cycles is not None]
        return sum(known) if known else None

    def by_op(self) -> tuple[Row, ...]:
        """A row an op and phase, the most instructions first."""
        groups: dict[tuple[str, str], list[Row]] = {}
        for row in self.rows:
            groups.setdefault((row.op, row.phase), []).append(row)
        return by_instructions(total(rows, op, phase) for (op, phase), rows in groups.items())

    def of_phase(self, phase: str) -> Row:
        """The total of a phase."""
        return total([row for row in self.rows if row.phase == phase], "", phase)

    def table(self, nodes: bool = False) -> Table:
        """A row an op and phase; with `nodes` a row a call, in the order in which they run."""
        title = f"One training step on {printable(self.target)} ({self.device}), instructions"
        table = Table(title=Text(title), title_justify="left", caption_justify="left")
        for name in ("phase", "op", *(("node", "shapes") if nodes else ("calls",))):
            table.add_column(name, justify="right" if name == "calls" else "left")
        estimated = ("cycles", "ms") if self.mhz else ()
        for name in ("instructions", "%", "MACs", "per MAC", "result", "work space", *estimated):
            table.add_column(name, justify="right")
        for row in self.rows if nodes else self.by_op():
            which = (Text(printable(row.node)), row.shapes) if nodes else (str(row.calls),)
            table.add_row(row.phase, row.op, *which, *self._figures(row))
        none = ("", "") if nodes else ("",)
        table.add_section()
        for phase in PHASES:
            summed = self.of_phase(phase)
            calls = none if nodes else (str(summed.calls),)
            table.add_row(phase, "", *calls, *self._figures(summed))
        table.add_section()
        macs = self.report.macs_forward + self.report.macs_backward
        whole = Row("", "", "", "", self.instructions_step, macs, 0, 0, cycles=self.cycles_step)
        table.add_row("step", "", *none, *self._figures(whole))
        alone = Row("", "", "", "", self.instructions_predict, self.report.macs_forward, 0, 0)
        table.add_row("predict", "", *none, *self._figures(alone))
        share = 100 * self.disturbance / max(self.instructions_step, 1)
        table.caption = (
            f"the rows are {self.disturbance:+,} instructions off the step ({share:+.2f} %)"
        )
        if self.mhz:
            estimate = f"cycles are an estimate by llvm-mca, ms at {self.mhz:g} MHz"
            table.caption += f"\n{estimate}; left out: {LEFT_OUT}"
        return table

    def _figures(self, row: Row) -> tuple[str, ...]:
        per_mac = row.instructions_per_mac
        time = ()
        if self.mhz:
            cycles = row.cycles
            time = ("", "") if cycles is None else (
                f"{cycles:,}", f"{cycles / self.mhz / 1000:,.2f}"
            )  # fmt: skip
        return (
            f"{row.instructions:,}",
            f"{100 * row.instructions / max(self.instructions_step, 1):.1f}",
            f"{row.macs:,}" if row.macs else "",
            "" if per_mac is None else f"{per_mac:.2f}",
            f"{row.result_bytes:,}" if row.result_bytes else "",
            f"{row.workspace_bytes:,}" if row.workspace_bytes else "",
            *time,
        )

    def __str__(self) -> str:
        console = Console(width=140, record=True, file=None)
        with console.capture() as capture:
            console.print(self.table())
        return capture.get()

    def record(self) -> dict[str, object]:
        """The profile as JSON data."""
        report = self.report
        return {
            "target": self.target,
            "device": self.device,
            "instructions_step": self.instructions_step,
            "instructions_predict": self.instructions_predict,
            "disturbance": self.disturbance,
            "macs_forward": report.macs_forward,
            "macs_backward": report.macs_backward,
            "ram_bytes": report.ram_bytes,
            "arena_bytes": report.arena_bytes,
            "stack_bytes": report.stack_bytes,
            "flash_bytes": report.flash_bytes,
            "cycles_step": self.cycles_step,
            "mhz": self.mhz,
            "rows": [asdict(row) for row in self.rows],
        }


def by_instructions(rows: Iterable[Row]) -> tuple[Row, ...]:
    return tuple(sorted(rows, key=lambda row: (-row.instructions, row.op, row.phase)))


def total(rows: list[Row], op: str, phase: str) -> Row:
    """The sum of the rows as one row."""
    known = [row.cycles for row in rows if row.cycles is not None]
    return Row(
        node="",
        op=op,
        phase=phase,
        shapes="",
        instructions=sum(row.instructions for row in rows),
        macs=sum(row.macs for row in rows),
        result_bytes=sum(row.result_bytes for row in rows),
        workspace_bytes=max((row.workspace_bytes for row in rows), default=0),
        calls=sum(row.calls for row in rows),
        cycles=sum(known) if known else None,
    )
