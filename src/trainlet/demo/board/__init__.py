"""The demo's board: its firmware, and the emulated machine around it."""

from trainlet.demo.board.machine import (
    JUDGE,
    JUDGED,
    KNOWN,
    LEARN,
    NOTHING,
    STEPPED,
    Board,
    Moment,
    PowerCut,
)

__all__ = [
    "JUDGE",
    "JUDGED",
    "KNOWN",
    "LEARN",
    "NOTHING",
    "STEPPED",
    "Board",
    "Moment",
    "PowerCut",
]
