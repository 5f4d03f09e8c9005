"""The tasks of the benchmark, and how much of each is measured."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from int8.activity import activity

from .ecg import ecg
from .microphone import microphone
from .omniglot import omniglot
from .setting import Setting

TASKS: dict[str, Callable[[Path], Setting]] = {
    "activity": lambda data: Setting(
        activity(data, each=16), shares=(1 / 8, 1 / 4, 1 / 2, 3 / 4, 1.0), tested=3, random=20
    ),
    "ecg": lambda data: Setting(ecg(data), tested=3),
    "omniglot": lambda data: Setting(omniglot(data), tested=1, ranks=(1, 4), searched=()),
    "microphone": lambda data: Setting(
        microphone(data), tested=1, first=(0.001, 0.003, 0.01), ranks=(1, 4), searched=()
    ),
}
