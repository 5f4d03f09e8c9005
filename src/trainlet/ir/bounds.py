"""What a file or a network may cost this machine.  What costs more is refused before any work.

The defaults leave room for any network that a microcontroller could hold.  An environment variable
raises (or lowers) each of them.
"""

from __future__ import annotations

import os
from dataclasses import dataclass

from trainlet.errors import FileError, TrainletError


@dataclass(frozen=True)
class Bound:
    """A number that is not exceeded; the environment variable of its name replaces `default`."""

    variable: str
    default: int
    unit: str

    @property
    def value(self) -> int:
        """Raises TrainletError where the variable holds no positive whole number."""
        text = os.environ.get(self.variable, "").strip()
        if not text:
            return self.default
        if not (text.isascii() and text.isdigit() and len(text) < 20 and int(text) > 0):
            raise TrainletError(f"{self.variable}={text[:40]!r}; allowed: a whole number above 0")
        return int(text)

    def check(self, count: int, what: str, kind: type[TrainletError] = FileError) -> None:
        """Raise `kind` if `count` exceeds the bound; `what` names what was counted."""
        if count > self.value:
            raise kind(
                f"{what}: {_number(count)} {self.unit}; at most {self.value:,} are accepted; "
                f"if this machine can handle more, set {self.variable} to a larger number"
            )


FILE_BYTES = Bound("TRAINLET_MAX_FILE_BYTES", 1 << 30, "bytes")
"""A file that is read, and all that is unpacked of an archive."""

TENSOR_BYTES = Bound("TRAINLET_MAX_TENSOR_BYTES", 1 << 29, "bytes")
"""A tensor of a network, and all of its parameters and constants together."""

NODES = Bound("TRAINLET_MAX_NODES", 4096, "operations")
"""Operations of a network's forward pass."""

GRAPH_NODES = Bound("TRAINLET_MAX_GRAPH_NODES", 8 * NODES.default, "nodes")
"""Nodes of a forward graph: one operation of torch becomes several."""


def _number(count: int) -> str:
    return f"{count:,}" if count < 1 << 64 else "over 2^64"
