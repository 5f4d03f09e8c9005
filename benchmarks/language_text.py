"""The speeches of Shakespeare's roles as windows of tokens."""

from __future__ import annotations

import gzip
import json
from collections import defaultdict
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

FILE = "tinyshakespeare_by_speaker.jsonl.gz"
HELD_OUT = 0.25
"""The last part of a role's text."""


class Windows(NamedTuple):
    """x, y: int64 [windows, T], each next token"""

    x: np.ndarray
    y: np.ndarray


class Role(NamedTuple):
    name: str
    training: Windows
    held_out: Windows


def roles(folder: Path, tokenizer: Any, count: int, length: int, most: int) -> list[Role]:
    """The roles with the longest texts, in windows of `length` tokens; of what is held out at most
    `most` windows."""
    texts = defaultdict[str, list[str]](list)
    with gzip.open(folder / FILE, "rt", encoding="utf-8") as lines:
        for line in lines:
            speech = json.loads(line)
            texts[speech["speaker"]].append(f"{speech['speaker']}:\n{speech['text']}\n\n")
    longest = sorted(texts, key=lambda name: -sum(map(len, texts[name])))[:count]
    return [_role(name, texts[name], tokenizer, length, most) for name in longest]


def _role(name: str, speeches: list[str], tokenizer: Any, length: int, most: int) -> Role:
    cut = round(len(speeches) * (1 - HELD_OUT))
    parts = (speeches[:cut], speeches[cut:])
    training, held_out = (_windows("".join(part), tokenizer, length) for part in parts)
    return Role(name, training, Windows(held_out.x[:most], held_out.y[:most]))


def _windows(text: str, tokenizer: Any, length: int) -> Windows:
    tokens = np.array(tokenizer.encode(text).ids, np.int64)
    count = (len(tokens) - 1) // length
    return Windows(*(tokens[k : k + count * length].reshape(count, length) for k in (0, 1)))
