"""The results of an audit: a row for each attack on each example, and what they say together."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rich.table import Table


@dataclass(frozen=True)
class Row:
    """One attack on one example.

    adaptive: whether the attacker knew the share
    psnr_db, ssim: of the restart with the smallest objective, which is all that an attacker sees
    psnr_best, psnr_mean: over all restarts
    floor_db: of the best constant input, or of what public examples let expect
    """

    share: str
    attack: str
    adaptive: bool
    image: int
    psnr_db: float
    ssim: float | None
    mse: float
    label_correct: bool
    psnr_best: float
    psnr_mean: float
    floor_db: float
    bytes_sent: int


@dataclass(frozen=True)
class Audit:
    """All rows, and for each example what the best attack recovered.

    truth, recovered: float32 [examples, ...] in the layout of the user's model
    low, high: the range of the elements
    """

    rows: tuple[Row, ...]
    truth: NDArray
    recovered: NDArray
    low: float
    high: float

    def best(self, share: str | None = None) -> dict[int, Row]:
        """{example: the row with the highest PSNR}, of one share or of all."""
        found: dict[int, Row] = {}
        for row in self.rows:
            known = found.get(row.image)
            if share in (None, row.share) and (known is None or row.psnr_db > known.psnr_db):
                found[row.image] = row
        return found

    def verdict(self, share: str) -> str:
        """What was tried and what was recovered.  No attack that fails shows that data are safe."""
        rows = [row for row in self.rows if row.share == share]
        best = self.best(share).values()
        tried = ", ".join(dict.fromkeys(row.attack for row in rows))
        psnr = np.array([row.psnr_db for row in best])
        floor = np.array([row.floor_db for row in best])
        labels = {row.image for row in rows if row.label_correct}
        attacks = ", ".join(dict.fromkeys(_name(row) for row in best))
        return (
            f"{share}: the best of what was tried ({tried}) recovered {len(psnr)} examples at "
            f"{psnr.min():.1f} to {psnr.max():.1f} dB, median {np.median(psnr):.1f} dB "
            f"({attacks}); without a message it would be {np.median(floor):.1f} dB. Labels: "
            f"{len(labels)} of {len(psnr)}. An attack that was not tried may recover more."
        )

    def table(self) -> Table:
        """A row for each share, attack and kind of attacker: medians over the examples."""
        columns = "share", "attack", "attacker", "PSNR (dB)", "without", "SSIM", "labels", "bytes"
        table = Table(*columns)
        groups: dict[tuple[str, str, bool], list[Row]] = {}
        for row in self.rows:
            groups.setdefault((row.share, row.attack, row.adaptive), []).append(row)
        for (share, attack, adaptive), rows in groups.items():
            similar = [row.ssim for row in rows if row.ssim is not None]
            psnr = [row.psnr_db for row in rows]
            table.add_row(
                share, attack, "adaptive" if adaptive else "naive",
                f"{np.median(psnr):.1f} ({min(psnr):.1f} to {max(psnr):.1f})",
                f"{np.median([row.floor_db for row in rows]):.1f}",
                f"{np.median(similar):.2f}" if similar else "",
                f"{sum(row.label_correct for row in rows)}/{len(rows)}",
                f"{rows[0].bytes_sent:,}",
            )  # fmt: skip
        return table

    def records(self) -> list[dict[str, Any]]:
        """The rows as plain values, for JSON."""
        return [asdict(row) for row in self.rows]


def _name(row: Row) -> str:
    return f"{row.attack}, adaptive" if row.adaptive else f"{row.attack}, naive"
