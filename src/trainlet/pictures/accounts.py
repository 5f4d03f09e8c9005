"""The RAM of each update scheme as a bar."""

from __future__ import annotations

from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from trainlet.accounting.account import Account, Accounts
from trainlet.ir.printable import printable
from trainlet.planning.report import KIB

COLOURS = {
    "kept for the backward pass": "#fdae6b",
    "rest of the arena": "#9ecae1",
    "trained parameters": "#a1d99b",
    "optimiser's state": "#bcbddc",
    "stack": "#bdbdbd",
}


def draw_accounts(accounts: Accounts, path: str | Path) -> None:
    """Write an .svg or .png file with a bar for each scheme, from the parts of its RAM, and with
    what PyTorch keeps for the same update as a number."""
    figure = Figure(figsize=(9, 1.5 + 0.5 * len(accounts.rows)), layout="constrained")
    account_axes(figure.add_subplot(), accounts)
    figure.legend(loc="outside lower center", ncols=len(COLOURS), fontsize=8, frameon=False)
    figure.savefig(path, dpi=150)


def account_axes(axes: Axes, accounts: Accounts) -> None:
    """Draw into given axes; the first scheme is on top."""
    names = [printable(row.scheme) for row in accounts.rows]
    start = [0.0] * len(names)
    for part, colour in COLOURS.items():
        width = [parts(row)[part] / KIB for row in accounts.rows]
        axes.barh(names, width, left=start, color=colour, label=part)
        start = [a + b for a, b in zip(start, width, strict=True)]
    for k, row in enumerate(accounts.rows):
        torch = "" if row.torch_bytes is None else f", PyTorch keeps {row.torch_bytes / KIB:,.1f}"
        axes.annotate(f"{start[k]:,.1f}{torch}", (start[k], k), (3, 0),
                      textcoords="offset points", va="center", fontsize=7)  # fmt: skip
    if accounts.target.ram is not None:
        axes.axvline(accounts.target.ram / KIB, color="black", lw=0.8, ls="--")
    axes.invert_yaxis()
    axes.margins(x=0.35)
    axes.set_xlabel("KB of RAM (dashed: the target's)")
    axes.spines[["top", "right"]].set_visible(False)


def parts(row: Account) -> dict[str, int]:
    """Bytes of the parts of a scheme's RAM."""
    report = row.report
    kept = min(report.saved_bytes, report.arena_bytes)
    sizes = (kept, report.arena_bytes - kept, report.parameter_bytes, report.state_bytes,
             report.stack_bytes or 0)  # fmt: skip
    return dict(zip(COLOURS, sizes, strict=True))
