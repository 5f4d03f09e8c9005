"""Reading a .pt2 file without trusting it.

torch.export.load runs pickles with code execution allowed where the archive asks for it, and
evaluates symbolic expressions, compiles guards and imports modules by name.  The archive is
therefore inspected first: only raw tensors, fixed shapes and ATen operators get through, and what
is left is loaded with unpickling restricted.
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

from trainlet.errors import FileError, TrainletError, UnsupportedError

MAX_BYTES = 1 << 30
_ALLOWED_TARGETS = ("torch.ops.aten.", "_operator.getitem")
_ALLOWED_CONTAINERS = (None, "builtins.tuple", "builtins.list", "builtins.dict")


def read_archive(path: Path) -> ExportedProgram:
    """The exported program of a .pt2 file.

    Raises FileError when it is absent, truncated, of another format or tries to run code;
    UnsupportedError for operators and shapes that Trainlet cannot compile.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise FileError(f"{path}: {error.strerror or error}") from None
    inspected = _inspect(path, content)
    with _restricted_unpickling():
        try:
            return torch.export.load(inspected)
        except Exception as error:
            raise FileError(
                f"{path}: not a readable .pt2 archive ({type(error).__name__}: {error}); write it "
                "again with torch.export.save"
            ) from error


def _inspect(path: Path, content: bytes) -> io.BytesIO:
    """The archive packed anew out of what was looked at, so that no other reader of zip files
    finds something else in it."""
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
            files = {name: archive.read(name) for name in names}
        documents = {n: json.loads(text) for n, text in files.items() if n.endswith(".json")}
        for name, document in documents.items():
            for key, value in _walk(document):
                _reject(path, name, key, value)
    except TrainletError:
        raise
    except Exception as error:  # whatever a parser says of hostile bytes
        what = f"{type(error).__name__}: {error}"
        raise FileError(f"{path}: truncated, damaged, or no .pt2 archive ({what})") from None
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    packed.seek(0)
    return packed


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
    if key == "guards_code" and value:
        raise FileError(f"{path}: {name} holds Python code ({value}); refused")
    if key == "path_name" and not str(value).startswith(("weight_", "tensor_")):
        raise FileError(f"{path}: {name} holds an object that is no tensor ({value}); refused")
    if key in ("expr_str", "as_expr") and value:
        raise UnsupportedError(
            f"{path}: the program has a dynamic shape ({value}); a trainer's memory is planned at "
            "compile time: export with fixed shapes"
        )
    if key in ("in_spec", "out_spec") and value:
        _reject_containers(path, json.loads(value))
    if key == "target" and isinstance(value, str) and "." in value:
        dotted = value.startswith(("torch.", "_operator.", "math.", "builtins."))
        if dotted and not value.startswith(_ALLOWED_TARGETS):
            raise UnsupportedError(f"{path}: operator {value}; allowed: ATen operators")


def _reject_containers(path: Path, spec: Any) -> None:
    """Other containers than these import the module that their description names."""
    for key, value in _walk(spec):
        if key == "type" and value not in _ALLOWED_CONTAINERS:
            raise UnsupportedError(
                f"{path}: the model takes or returns a {value}; allowed: tensors, tuples of them"
            )
        context = json.loads(value or "null") if key == "context" else None
        if any(inner == "__enum__" for inner, _ in _walk(context)):
            raise FileError(f"{path}: the description of the inputs holds an enum; refused")


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
