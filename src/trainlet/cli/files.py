"""Output files that are whole or absent."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from trainlet.errors import TrainletError


@contextmanager
def filling(folder: Path) -> Iterator[Path]:
    """A temporary folder whose files move to `folder` when the block ends well.

    Raises TrainletError when that cannot be, if possible before the block.
    """
    made = [path for path in (folder, *folder.parents) if not path.exists()]
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder, prefix=".trainlet-") as work:
            yield Path(work)
            for part in sorted(Path(work).iterdir()):
                os.replace(part, folder / part.name)
    except BaseException as error:
        for path in made:
            with suppress(OSError):
                path.rmdir()
        if not isinstance(error, OSError):
            raise
        raise TrainletError(f"cannot write into {folder}: {error.strerror or error}") from None


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Where to write instead of `path`; it takes its place when the block ends well."""
    if path.is_dir():
        raise TrainletError(f"cannot write {path}: it is a folder")
    with filling(path.parent) as work:
        yield work / path.name


def write_text(path: Path, text: str) -> None:
    with replacing(path) as part:
        part.write_text(text)
