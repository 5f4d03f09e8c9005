"""The vocabulary of llama2.c, such as tok512.bin, and the speeches of a role of Shakespeare's."""

from __future__ import annotations

import gzip
import json
import struct
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

BEGIN = 1
FIRST_BYTE = 3
"""The token of byte 0, for characters that are no token."""


@dataclass(frozen=True)
class Vocabulary:
    """The text of each token, and its score.

    Of all neighbours that together are a token, those whose token has the highest score are joined
    first.
    """

    texts: list[bytes]
    scores: list[float]

    @staticmethod
    def read(path: Path) -> Vocabulary:
        data, at = path.read_bytes(), 4
        texts, scores = [], []
        while at < len(data):
            score, length = struct.unpack_from("<fi", data, at)
            texts.append(data[at + 8 : at + 8 + length])
            scores.append(score)
            at += 8 + length
        return Vocabulary(texts, scores)

    def encode(self, text: str) -> list[int]:
        """The tokens of a text, behind the one that begins every text."""
        known = {piece: token for token, piece in reversed(list(enumerate(self.texts)))}
        found: list[int] = []
        for piece in (character.encode() for character in " " + text):
            whole = known.get(piece)
            found += [FIRST_BYTE + byte for byte in piece] if whole is None else [whole]
        while True:
            joined = [known.get(self.texts[a] + self.texts[b]) for a, b in pairwise(found)]
            pairs = [(-self.scores[t], k, t) for k, t in enumerate(joined) if t is not None]
            if not pairs:
                return [BEGIN, *found]
            _, at, token = min(pairs)
            found[at : at + 2] = [token]

    def decode(self, tokens: list[int]) -> str:
        """The text of tokens."""
        return b"".join(self.texts[t] for t in tokens if t != BEGIN).decode(errors="replace")


def speeches(path: Path, role: str) -> list[str]:
    """What a role says, of tinyshakespeare_by_speaker.jsonl.gz."""
    with gzip.open(path, "rt") as lines:
        said = map(json.loads, lines)
        return [line["text"] for line in said if line["speaker"] == role]
