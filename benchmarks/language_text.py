"""The speeches of Shakespeare's roles as windows of tokens."""

from __future__ import annotations

import gzip
import json
from collections import defaultdict
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

FILE = "tinyshakespeare_by_speaker.jsonl.gz"
VALIDATION, HELD_OUT = 0.125, 0.25
"""Shares of a role's text: the last part is held out, and what is before it chooses rates."""


class Windows(NamedTuple):
    """x, y: int64 [windows, T], each next token"""

    x: np.ndarray
    y: np.ndarray


class Role(NamedTuple):
    name: str
    training: Windows
    validation: Windows
    held_out: Windows


def roles(folder: Path, tokenizer: Any, count: int, length: int, most: int) -> list[Role]:
    """The roles with the longest texts, in windows of `length` tokens; at most `most` windows of
    what is held out, and a quarter as many to choose rates."""
    texts = defaultdict[str, list[str]](list)
    with gzip.open(folder / FILE, "rt", encoding="utf-8") as lines:
        for line in lines:
            speech = json.loads(line)
            texts[speech["speaker"]].append(f"{speech['speaker']}:\n{speech['text']}\n\n")
    longest = sorted(texts, key=lambda name: -sum(map(len, texts[name])))[:count]
    return [_role(name, texts[name], tokenizer, length, most) for name in longest]


def _role(name: str, speeches: list[str], tokenizer: Any, length: int, most: int) -> Role:
    cuts = [round(len(speeches) * (1 - share)) for share in (HELD_OUT + VALIDATION, HELD_OUT)]
    parts = (speeches[: cuts[0]], speeches[cuts[0] : cuts[1]], speeches[cuts[1] :])
    training, *others = (_windows("".join(part), tokenizer, length) for part in parts)
    limits = (max(1, most // 4), most)
    kept = (Windows(w.x[:n], w.y[:n]) for w, n in zip(others, limits, strict=True))
    return Role(name, training, *kept)


def _windows(text: str, tokenizer: Any, length: int) -> Windows:
    tokens = np.array(tokenizer.encode(text).ids, np.int64)
    count = (len(tokens) - 1) // length
    return Windows(*(tokens[k : k + count * length].reshape(count, length) for k in (0, 1)))
