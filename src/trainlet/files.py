"""Files that are whole or absent.  All that Trainlet leaves on a disk is written here.

New files are made in a temporary folder inside their own folder, so on the same file system, and
then take their places.  Writers of one folder wait for each other by a lock on the folder itself.
"""

from __future__ import annotations

import errno
import fcntl
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from trainlet.errors import FileError
from trainlet.interrupt import interrupt_afterwards

MARK = ".trainlet-"  # how the names of our temporary folders begin
NEW, OLD = "new", "old"
LOCKLESS = (errno.ENOTSUP, errno.ENOSYS, errno.EINVAL, errno.EBADF, errno.ENOLCK)


@contextmanager
def filling(folder: Path, shown: Path | None = None) -> Iterator[Path]:
    """A temporary folder whose files move to `folder` when the block ends well: all, or none.

    No moment shows a mixture: the files that are replaced leave before the first new one comes.
    What a killed writer left behind is removed.  Raises FileError when `folder` cannot be written;
    it names `shown`, or the folder.
    """
    with _errors(shown or folder), _made_and_locked(folder := _real(folder)) as alone:
        if alone:
            _tidy(folder, lambda work: not _entries(work / OLD))
        work = Path(tempfile.mkdtemp(dir=folder, prefix=MARK))
        try:
            (work / NEW).mkdir()
            (work / OLD).mkdir()
            yield work / NEW
            _switch(work / NEW, work / OLD, folder)
        except BaseException:
            _remove(work, unless=_entries(work / OLD))
            raise
        _remove(work)
        if alone:
            _tidy(folder, lambda _: True)


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Where to write instead of `path`; it takes its place when the block ends well.

    A link is followed.  Raises FileError when `path` cannot be written.
    """
    path = _regular(path)
    with filling(path.parent, shown=path) as new:
        yield new / path.name


def write_text(path: Path, text: str) -> None:
    """Raises FileError; `path` is then as it was."""
    with replacing(path) as part:
        part.write_text(text, encoding="utf-8")


def write_bytes(path: Path, content: bytes) -> None:
    """On the disk when this returns.  Raises FileError; `path` is then as it was."""
    with replacing(path) as part, part.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def check_folder(folder: Path) -> None:
    """Raise FileError if no file can be made in `folder`; nothing is left there."""
    _check(folder, folder)


def check_file(path: Path | None) -> None:
    """Raise FileError if `path` cannot be written; nothing is left there."""
    if path is not None:
        _check(_regular(path).parent, path)


def _check(folder: Path, shown: Path) -> None:
    with _errors(shown), _made_and_locked(folder := _real(folder), keep=False):
        _remove(Path(tempfile.mkdtemp(dir=folder, prefix=MARK)))


def _regular(path: Path) -> Path:
    """Where the file is or will be."""
    with _errors(path):
        path = _real(path) if path.is_symlink() else path
        if path.is_dir():
            raise FileError(f"cannot write {path}: it is a folder")
        if path.exists() and not path.is_file():
            raise FileError(f"cannot write {path}: it is not a regular file")
    return path


def _real(path: Path) -> Path:
    """Where links lead, also to what is not there yet."""
    return Path(os.path.realpath(path))


@contextmanager
def _errors(path: Path) -> Iterator[None]:
    if "\0" in str(path):
        raise FileError(f"cannot write {str(path)!r}: the name contains a zero byte")
    try:
        yield
    except OSError as error:
        raise FileError(f"cannot write {path}: {error.strerror or error}") from None


@contextmanager
def _made_and_locked(folder: Path, keep: bool = True) -> Iterator[bool]:
    """The folder exists and is ours alone, if True; a file system without locks gives False.

    Folders that were made for a block that fails are removed, also after the others if not `keep`.
    """
    while True:
        made = [path for path in (folder, *folder.parents) if not path.exists()]
        folder.mkdir(parents=True, exist_ok=True)
        handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            alone = _lock(handle)
            if alone and not _is_still(folder, handle):
                continue  # a failing writer has removed it meanwhile
            try:
                yield alone
            except BaseException:
                keep = False
                raise
            finally:
                for path in () if keep else made:
                    with suppress(OSError):
                        path.rmdir()
            return
        finally:
            os.close(handle)


def _lock(handle: int) -> bool:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
    except OSError as error:
        if error.errno in LOCKLESS:
            return False
        raise
    return True


def _is_still(folder: Path, handle: int) -> bool:
    try:
        return os.path.samestat(os.stat(folder), os.fstat(handle))
    except OSError:
        return False


def _switch(new: Path, old: Path, folder: Path) -> None:
    """Move the new files into place and what they replace to `old`; or change nothing."""
    names = _entries(new)
    for name in names:
        check_replaceable(folder / name)
    replaced = [name for name in names if os.path.lexists(folder / name)]
    moves = [(folder / name, old / name) for name in replaced if len(names) > 1]
    moves += [(new / name, folder / name) for name in names]
    done: list[tuple[Path, Path]] = []
    with interrupt_afterwards():
        try:
            for source, target in moves:
                os.replace(source, target)
                done.append((source, target))
        except BaseException as error:
            for source, target in reversed(done):
                with suppress(OSError):
                    os.rename(target, source)
            if not isinstance(error, OSError):
                raise
            name = moves[len(done)][0].name
            left = f"; the old files are in {old}" if _entries(old) else ""
            why = error.strerror or error
            raise FileError(f"cannot write {folder / name}: {why}{left}") from None


def check_replaceable(path: Path) -> None:
    """Raise FileError if a folder has the place of a file."""
    if path.is_dir() and not path.is_symlink():
        raise FileError(f"cannot write {path}: it is a folder; move it away")


def _entries(folder: Path) -> list[str]:
    return sorted(os.listdir(folder)) if folder.is_dir() else []


def _tidy(folder: Path, removable: Callable[[Path], bool]) -> None:
    """Remove what killed writers left behind."""
    for name in _entries(folder):
        if name.startswith(MARK) and removable(folder / name):
            _remove(folder / name)


def _remove(work: Path, unless: object = False) -> None:
    if not unless:
        with interrupt_afterwards():
            shutil.rmtree(work, ignore_errors=True)
