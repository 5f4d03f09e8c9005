"""Training that goes on where it was interrupted."""

from __future__ import annotations

import hashlib
import io
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch

from trainlet.errors import FileError
from trainlet.files import check_file, write_bytes

VERSION = 1


class Stateful(Protocol):
    def state_dict(self) -> dict[str, Any]: ...
    def load_state_dict(self, state_dict: dict[str, Any], /) -> Any: ...


class Checkpoint:
    """A file with the number of steps done and the states of some parts.

    identity names what is trained on what: a file of another identity is refused.  Without a path
    nothing is kept.
    """

    def __init__(self, path: Path | None, identity: str, **parts: Stateful) -> None:
        self.path, self.identity, self.parts = path, identity, parts
        if path is not None:
            check_file(path)

    def load(self) -> int:
        """The steps that are done, and the parts as they were then; 0 without a file.

        Raises FileError for a file that is damaged or of another run.
        """
        if self.path is None or not self.path.exists():
            return 0
        try:
            kept = torch.load(self.path, map_location="cpu", weights_only=True)
            if kept["version"] != VERSION or kept["identity"] != self.identity:
                raise FileError(f"{self.path} is of another network, data or setting; choose "
                                "another file, or remove it to start again")  # fmt: skip
            for name, part in self.parts.items():
                part.load_state_dict(kept["parts"][name])
            return int(kept["done"])
        except FileError:
            raise
        except Exception as error:
            raise FileError(f"{self.path} is no whole checkpoint: {error}; remove it to start "
                            "again") from error  # fmt: skip

    def save(self, done: int) -> None:
        """Raises FileError; the file is then as it was."""
        if self.path is None:
            return
        states = {name: part.state_dict() for name, part in self.parts.items()}
        kept = {"version": VERSION, "identity": self.identity, "done": done, "parts": states}
        buffer = io.BytesIO()
        torch.save(kept, buffer)
        write_bytes(self.path, buffer.getvalue())


def identity(network: torch.nn.Module, x: np.ndarray, y: np.ndarray, *settings: Any) -> str:
    """A digest of the parameters at the start, the data and the settings."""
    digest = hashlib.sha256(repr(settings).encode())
    for name, value in network.state_dict().items():
        digest.update(name.encode())
        digest.update(value.detach().cpu().contiguous().numpy().tobytes())
    for array in (x, y):
        digest.update(f"{array.dtype} {array.shape}".encode())
        digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()
