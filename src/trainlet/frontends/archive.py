"""Reading a .pt2 file without trusting it.

torch.export.load runs pickles with code execution allowed where the archive asks for it, and
evaluates symbolic expressions.  The archive is therefore inspected first: only raw tensors, fixed
shapes and ATen operators get through, and what is left is loaded with unpickling restricted.
"""

from __future__ import annotations

import io
import json
import os
import warnings
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch.export import ExportedProgram

from trainlet.errors import FileError, UnsupportedError

MAX_BYTES = 1 << 30
_ALLOWED_TARGETS = ("torch.ops.aten.", "_operator.getitem")


def read_archive(path: Path) -> ExportedProgram:
    """The exported program of a .pt2 file.

    Raises FileError when it is absent, truncated, of another format or tries to run code;
    UnsupportedError for operators and shapes that Trainlet cannot compile.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise FileError(f"{path}: {error.strerror or error}") from None
    _inspect(path, content)
    with _restricted_unpickling():
        try:
            return torch.export.load(io.BytesIO(content))
        except Exception as error:
            raise FileError(
                f"{path}: not a readable .pt2 archive ({type(error).__name__}: {error}); write it "
                "again with torch.export.save"
            ) from error


def _inspect(path: Path, content: bytes) -> None:
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            names = archive.namelist()
            size = sum(info.file_size for info in archive.infolist())
            if len(set(names)) != len(names):
                raise FileError(f"{path}: the archive holds two files of one name")
            if size > MAX_BYTES:
                raise FileError(f"{path}: {size} bytes unpacked, at most {MAX_BYTES} are read")
            if not any(name.endswith("/archive_format") for name in names):
                raise FileError(
                    f"{path}: no .pt2 archive of torch 2.13; write it with torch.export.save"
                )
            if archive.testzip() is not None:
                raise FileError(f"{path}: damaged: {archive.testzip()} fails its checksum")
            documents = {n: json.loads(archive.read(n)) for n in names if n.endswith(".json")}
    except (zipfile.BadZipFile, ValueError, EOFError, NotImplementedError) as error:
        raise FileError(f"{path}: truncated, or no .pt2 archive ({error})") from None
    for name, document in documents.items():
        for key, value in _walk(document):
            _reject(path, name, key, value)


def _walk(document: Any) -> Iterator[tuple[str, Any]]:
    """Every (key, value) of nested JSON, without recursion: a hostile file may nest deeply."""
    todo = [document]
    while todo:
        item = todo.pop()
        if isinstance(item, dict):
            yield from item.items()
            todo.extend(item.values())
        elif isinstance(item, list):
            todo.extend(item)


def _reject(path: Path, name: str, key: str, value: Any) -> None:
    if key == "use_pickle" and value:
        raise FileError(f"{path}: {name} asks for a pickle, which can run code; refused")
    if key == "path_name" and not str(value).startswith(("weight_", "tensor_")):
        raise FileError(f"{path}: {name} holds an object that is no tensor ({value}); refused")
    if key in ("expr_str", "as_expr") and value:
        raise UnsupportedError(
            f"{path}: the program has a dynamic shape ({value}); a trainer's memory is planned at "
            "compile time: export with fixed shapes"
        )
    if key == "target" and isinstance(value, str) and "." in value:
        dotted = value.startswith(("torch.", "_operator.", "math.", "builtins."))
        if dotted and not value.startswith(_ALLOWED_TARGETS):
            raise UnsupportedError(f"{path}: operator {value}; allowed: ATen operators")


@contextmanager
def _restricted_unpickling() -> Iterator[None]:
    """torch.load falls back to code execution nowhere while this is active."""
    key = "TORCH_FORCE_WEIGHTS_ONLY_LOAD"
    before = os.environ.get(key)
    os.environ[key] = "1"
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        if before is None:
            del os.environ[key]
        else:
            os.environ[key] = before
