"""What a plan costs, as numbers and as a table."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from rich.console import Console
from rich.table import Table
from rich.text import Text

from trainlet.ir.graph import Node
from trainlet.ir.printable import printable
from trainlet.planning.plan import Plan

KIB = 1024
SHOWN = 60  # characters of a name


@dataclass(frozen=True)
class Cost:
    """Bytes of one part of `where`."""

    where: str
    name: str
    nbytes: int


@dataclass(frozen=True)
class ProgramChoice:
    """What training would take with other options.

    ram_bytes = arena + parameters + state; the stack is left out, for only the chosen program has
    been compiled.  arena_bytes is 0 where the others are too much already.
    chosen:  whether it is the program's own
    python:  how the options are given to `compile`; command: how on the command line
    flash_bytes: weights and tables, without code
    fits:    whether the target has so much, the reserved stack included
    """

    gradient: str
    extra_bits: int
    arena_bytes: int
    parameter_bytes: int
    ram_bytes: int
    chosen: bool
    python: str = ""
    command: str = ""
    flash_bytes: int = 0
    fits: bool = True


@dataclass(frozen=True)
class Report:
    """Bytes and multiply-accumulates of a program on its target.

    ram_bytes = arena + parameters + state + stack.  stack_bytes and flash_bytes are measured on
    the compiled firmware; they are None where there is none (the host).  costs: what an int8
    program's RAM consists of; empty in float32.  macs_recomputed are those of the forward pass
    that run again in the backward pass; what they win, in arena bytes, is recompute_won_bytes.
    No placement of this order needs fewer bytes than lower_bound_bytes, and no order fewer than
    every_order_bytes; that is None where operations run some rows at a time, which goes below it.
    feature_bytes, macs_front: of an example's features and of the frozen layers that make them,
    where these are a part of their own; a step from features has the work of the others.
    folded: a parameter that the scheme names -> the one that quantisation made it a part of, which
    learns for both.
    """

    target: str
    arena_bytes: int
    lower_bound_bytes: int
    every_order_bytes: int | None
    parameter_bytes: int
    state_bytes: int
    saved_bytes: int
    constant_bytes: int
    macs_forward: int
    macs_backward: int
    macs_recomputed: int
    recompute_won_bytes: int
    stack_bytes: int | None
    flash_bytes: int | None
    ram_limit: int | None
    flash_limit: int | None
    plan: Plan
    feature_bytes: int = 0
    macs_front: int = 0
    costs: tuple[Cost, ...] = ()
    folded: Mapping[str, str] = field(default_factory=dict)
    alternatives: Callable[[], tuple[ProgramChoice, ...]] = field(
        default=tuple, repr=False, compare=False
    )

    def choices(self) -> tuple[ProgramChoice, ...]:
        """Every gradient precision with every number of extra bits, each planned anew, which takes
        seconds; nothing for a float32 program."""
        return self.alternatives()

    def choices_table(self) -> Table:
        """The choices as a table; the program's own is marked."""
        table = Table(title="Bytes of RAM, without stack", title_justify="left")
        for name in ("gradients", "extra bits", "arena", "trained parameters", "in all", "", ""):
            table.add_column(name, justify="right")
        rows = self.choices()
        own = next((c.ram_bytes for c in rows if c.chosen), 0)
        for c in rows:
            sizes = (f"{n:,}" for n in (c.arena_bytes, c.parameter_bytes, c.ram_bytes))
            more = "this one" if c.chosen else f"{c.ram_bytes - own:+,}"
            share = f"{100 * c.ram_bytes / max(own, 1):.0f} %"
            table.add_row(c.gradient, str(c.extra_bits), *sizes, more, share)
        return table

    @property
    def ram_bytes(self) -> int:
        return self.arena_bytes + self.parameter_bytes + self.state_bytes + (self.stack_bytes or 0)

    def record(self) -> dict[str, object]:
        """The figures as JSON data; None where one is not known."""
        names = (
            "target", "ram_bytes", "arena_bytes", "lower_bound_bytes", "every_order_bytes",
            "parameter_bytes", "state_bytes", "stack_bytes", "saved_bytes", "flash_bytes",
            "constant_bytes", "macs_forward", "macs_backward", "macs_recomputed",
            "recompute_won_bytes", "ram_limit", "flash_limit",
        )  # fmt: skip
        return {name: getattr(self, name) for name in names}

    def table(self) -> Table:
        """The report as a table."""
        table = Table(title=Text(f"Trainer for {printable(self.target)}"), title_justify="left")
        table.add_column("")
        table.add_column("bytes", justify="right")
        table.add_column("")
        within = f" = {self.arena_bytes / max(self.lower_bound_bytes, 1):.3f} x the lower bound"
        table.add_row("RAM", f"{self.ram_bytes:,}", _share(self.ram_bytes, self.ram_limit))
        table.add_row("  arena", f"{self.arena_bytes:,}", f"{self.lower_bound_bytes:,}{within}")
        if self.every_order_bytes is not None:
            ratio = self.arena_bytes / max(self.every_order_bytes, 1)
            needed = f"{self.every_order_bytes:,} = {ratio:.3f} x what every order needs"
            table.add_row("", "", needed)
        if self.plan.tiles:
            tiled = sum(len(tile.nodes) for tile in self.plan.tiles)
            table.add_row("", "", f"{tiled} operations run some rows at a time")
        for x in self.plan.streamed:
            table.add_row("", "", f"a callback gives the rows of {printable(x.name, SHOWN)}")
        self._add_costs(table, "arena at its peak")
        table.add_row("  trained parameters", f"{self.parameter_bytes:,}", "")
        self._add_costs(table, "trained parameters")
        for name, into in self.folded.items():
            table.add_row("", "", f"{name} learns as part of {into}")
        table.add_row("  optimiser's state", f"{self.state_bytes:,}", "")
        table.add_row("  stack", _known(self.stack_bytes), "worst case of the compiled code")
        table.add_row("kept for the backward pass", f"{self.saved_bytes:,}", "part of the arena")
        table.add_row("Flash", _known(self.flash_bytes), _share(self.flash_bytes, self.flash_limit))
        table.add_row("  frozen weights", f"{self.constant_bytes:,}", "")
        table.add_section()
        table.add_row("multiply-accumulates", f"{self.macs_forward:,}", "forward")
        table.add_row("", f"{self.macs_backward:,}", "backward")
        if self.feature_bytes:
            table.add_row("", f"{self.macs_front:,}", "of the forward ones before the features")
            table.add_row("features of an example", f"{self.feature_bytes:,}", "")
        if self.recompute_won_bytes:
            won = f"recomputed: {self.recompute_won_bytes:,} bytes of arena less"
            table.add_row("", f"{self.macs_recomputed:,}", won)
        return table

    def _add_costs(self, table: Table, where: str) -> None:
        for cost in self.costs:
            if cost.where == where:
                table.add_row("", f"{cost.nbytes:,}", cost.name)

    def __str__(self) -> str:
        console = Console(width=100, record=True, file=None)
        with console.capture() as capture:
            console.print(self.table())
        return capture.get()


def options_table(choices: Sequence[ProgramChoice], title: str) -> Table:
    """What other options take, as they are written in Python and on the command line."""
    table = Table(title=title, title_justify="left")
    for name in ("in Python", "on the command line"):
        table.add_column(name)
    for name in ("RAM without stack", "Flash without code", ""):
        table.add_column(name, justify="right")
    for c in choices:
        sizes = (f"{n:,}" for n in (c.ram_bytes, c.flash_bytes))
        table.add_row(c.python, c.command, *sizes, "fits" if c.fits else "too much")
    return table


def _known(value: int | None) -> str:
    return "-" if value is None else f"{value:,}"


def _share(value: int | None, limit: int | None) -> str:
    if value is None or limit is None:
        return ""
    return f"{100 * value / limit:.1f} % of {limit / KIB:,.0f} KB"


def peak(plan: Plan) -> tuple[int, list[Node]]:
    """The moment of most live bytes, and the buffers alive then, largest first."""
    moments = range(-1, max(plan.moment.values(), default=0) + 1)

    def alive(t: int) -> list[Node]:
        return [n for n, (born, dies) in plan.live.items() if born <= t <= dies]

    top = max(moments, key=lambda t: sum(plan.size[n] for n in alive(t)))
    return top, sorted(alive(top), key=lambda n: -plan.size[n])


def label(n: Node) -> str:
    """How a buffer is called in pictures and errors."""
    return f"{n.op} {printable(n.name, SHOWN)}".strip()
