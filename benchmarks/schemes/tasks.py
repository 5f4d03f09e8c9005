"""The tasks of the benchmark, and how much of each is measured."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from int8.activity import activity

from .ecg import ecg
from .microphone import microphone
from .omniglot import omniglot
from .setting import Setting
from .signs import signs

COARSE = (1 / 4, 1.0)
TASKS: dict[str, Callable[[Path], Setting]] = {
    "activity": lambda data: Setting(
        activity(data, each=16),
        shares=(1 / 8, 1 / 4, 1 / 2, 3 / 4, 1.0), tested=3, random=20,
    ),
    "signs": lambda data: Setting(
        signs(data), tested=1, first=(0.0001, 0.0003), ranks=(4,), head=64, last=8,
        rates=(0.0001, 0.0003), shares=COARSE, measured=("float32",), smaller=(4.5, 3),
        equal=("sparse2",), confirmed=2,
    ),
    "ecg": lambda data: Setting(
        ecg(data), rates=(0.003, 0.01, 0.03, 0.1), shares=(1 / 8, 1 / 4, 1 / 2, 3 / 4, 1.0),
        measured=("float32",), validated=3, tested=3, ranks=(1, 2), equal=("bias", "sparse1"),
    ),
    "omniglot": lambda data: Setting(
        omniglot(data), tested=1, ranks=(1, 4), rates=(0.03, 0.1), shares=COARSE,
        measured=("float32",), smaller=(4.5, 3), equal=("sparse2",), confirmed=2,
    ),
    "microphone": lambda data: Setting(
        microphone(data), tested=1, first=(0.001, 0.003, 0.01), ranks=(1, 4),
        rates=(0.001, 0.003), shares=COARSE, last=6, measured=("float32",), smaller=(4.5, 3),
        equal=("bias", "sparse2"), confirmed=2,
    ),
}  # fmt: skip
