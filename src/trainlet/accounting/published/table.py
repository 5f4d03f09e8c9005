"""A paper's figures beside those of our rules, as a record and as a table."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from rich.table import Table

MB, KB = 10**6, 1024


@dataclass(frozen=True)
class PublishedFigure:
    """A figure that a paper printed.

    paper: as printed, in the table's unit; None of what it did not print
    by_rules: bytes by the paper's own rules
    true: {column: bytes that are really needed}
    """

    name: str
    paper: str | None
    by_rules: int
    true: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class PublishedTable:
    """The figures of one paper; `notes` say what the columns count."""

    title: str
    unit: str
    figures: tuple[PublishedFigure, ...]
    notes: tuple[str, ...] = ()

    def in_unit(self, nbytes: int) -> str:
        """Bytes as the paper writes them, such as 37.1."""
        return f"{nbytes / (MB if self.unit == 'MB' else KB):.1f}"

    def table(self) -> Table:
        """As a table, to print."""
        columns = list(dict.fromkeys(c for figure in self.figures for c in figure.true))
        table = Table(title=f"{self.title} ({self.unit})", title_justify="left")
        table.add_column("")
        for name in ("paper", "its rules", *columns):
            table.add_column(name, justify="right")
        for figure in self.figures:
            true = (self.in_unit(figure.true[c]) if c in figure.true else "" for c in columns)
            table.add_row(figure.name, figure.paper or "", self.in_unit(figure.by_rules), *true)
        return table
