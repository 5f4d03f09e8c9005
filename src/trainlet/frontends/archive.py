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
import re
import warnings
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from math import prod
from pathlib import Path
from typing import Any

import torch
from torch.export import ExportedProgram

from trainlet.errors import FileError, TrainletError, UnsupportedError, shown
from trainlet.frontends.sizes import check_program
from trainlet.ir.bounds import FILE_BYTES, NODES, TENSOR_BYTES
from trainlet.ir.zip_file import open_zip

PARTS_PER_NODE = 500
"""Of JSON: brackets, braces and commas.  torch writes about 100 for an operation."""
CHUNK = 1 << 20

_ALLOWED_TARGETS = ("torch.ops.aten.", "_operator.getitem")
_ALLOWED_CONTAINERS = (None, "builtins.tuple", "builtins.list", "builtins.dict")
_READ = re.compile(
    r"[^/]+/(archive_format|archive_version|byteorder|\.data/version|\.data/serialization_id"
    r"|models/[^/]+\.json|data/(weights|constants)/(?![^/]*\.pt$)[^/]+)"
)
"""What a program is made of.  Pickles, extra files and compiled code are left in the archive."""


def read_archive(path: Path) -> ExportedProgram:
    """The exported program of a .pt2 file.

    Raises FileError when it is absent, truncated, too large, of another format or tries to run
    code; UnsupportedError for operators and shapes that Trainlet cannot compile.
    """
    inspected = _inspect(path)
    with _restricted_unpickling():
        try:
            program = torch.export.load(inspected)
        except Exception as error:  # whatever torch says of hostile bytes
            why = f"not a readable .pt2 archive ({_short(error)})"
            raise FileError(f"{path}: {why}; write it again with torch.export.save") from error
    return check_program(program)


def _inspect(path: Path) -> io.BytesIO:
    """The archive packed anew out of what was looked at, so that no other reader of zip files
    finds something else in it."""
    try:
        with open_zip(path) as archive:
            return _packed(path, archive)
    except TrainletError:
        raise
    except Exception as error:  # whatever a parser says of hostile bytes
        what = f"truncated, damaged, or no .pt2 archive ({_short(error)})"
        raise FileError(f"{path}: {what}") from None


def _short(error: Exception) -> str:
    return f"{type(error).__name__}: {str(error)[:500]}"


def _packed(path: Path, archive: zipfile.ZipFile) -> io.BytesIO:
    members, names = archive.infolist(), archive.namelist()
    if len(set(names)) != len(names):
        raise FileError(f"{path}: the archive contains two files with the same name")
    FILE_BYTES.check(sum(member.file_size for member in members), f"{path}: unpacked")
    if not any(name.endswith("/archive_format") for name in names):
        raise FileError(
            f"{path}: not a .pt2 archive of torch 2.13; write it with torch.export.save"
        )
    read = [member for member in members if _READ.fullmatch(member.filename)]
    weights = sum(member.file_size for member in read if "/data/" in member.filename)
    TENSOR_BYTES.check(weights, f"{path}: the weights")
    packed, left = io.BytesIO(), PARTS_PER_NODE * NODES.value
    with zipfile.ZipFile(packed, "w") as made:
        for member in read:
            name = member.filename
            if not name.endswith(".json"):
                made.writestr(name, archive.read(member))
                continue
            data = _read_document(path, archive, name, left)
            left -= _parts(data)
            made.writestr(name, data)
            _check_document(path, name, json.loads(data))
            if match := re.fullmatch(r"([^/]+)/models/(.+)\.json", name):
                made.writestr(f"{match[1]}/data/sample_inputs/{match[2]}.pt", b"")
    packed.seek(0)
    return packed


def _read_document(path: Path, archive: zipfile.ZipFile, name: str, left: int) -> bytes:
    """A file of JSON; raises FileError as soon as more than `left` parts of it are unpacked."""
    pieces = []
    with archive.open(name) as file:
        while piece := file.read(CHUNK):
            pieces.append(piece)
            left -= _parts(piece)
            if left < 0:
                raise FileError(
                    f"{path}: {name} is too large for a network of {NODES.value:,} operations; if "
                    f"this machine can handle more, set {NODES.variable} to a larger number"
                )
    return b"".join(pieces)


def _parts(text: bytes) -> int:
    return sum(map(text.count, (b"[", b"{", b",")))


def _check_document(path: Path, name: str, document: Any) -> None:
    nodes = 0
    for key, value in _walk(document):
        _reject(path, name, key, value)
        if key == "nodes" and isinstance(value, list):
            nodes += len(value)
        if key == "sizes" and isinstance(value, list):
            _check_size(path, name, value)
    NODES.check(nodes, f"{path}: the network")


def _check_size(path: Path, name: str, sizes: list[Any]) -> None:
    """Four bytes an element: torch would make a tensor of strides 0 as large as it likes."""
    known = [size.get("as_int") for size in sizes if isinstance(size, dict)]
    whole = [n for n in known if isinstance(n, int)]
    if len(whole) == len(sizes) <= 64 and all(abs(n) < 1 << 63 for n in whole):
        TENSOR_BYTES.check(4 * prod(whole), f"{path}: {name}: a tensor of shape {tuple(whole)}")


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
        raise FileError(f"{path}: {name} contains a pickle, which can run code; refused")
    if key == "guards_code" and value:
        raise FileError(f"{path}: {name} contains Python code ({shown(value)}); refused")
    if key == "path_name" and not str(value).startswith(("weight_", "tensor_")):
        raise FileError(
            f"{path}: {name} contains an object that is not a tensor ({shown(value)}); refused"
        )
    if key in ("expr_str", "as_expr") and value:
        raise UnsupportedError(
            f"{path}: the program has a dynamic shape ({shown(value)}); a trainer's memory is "
            "planned at compile time: export with fixed shapes"
        )
    if key in ("in_spec", "out_spec") and value:
        _reject_containers(path, json.loads(value))
    if key == "target" and isinstance(value, str) and "." in value:
        dotted = value.startswith(("torch.", "_operator.", "math.", "builtins."))
        if dotted and not value.startswith(_ALLOWED_TARGETS):
            raise UnsupportedError(f"{path}: operator {value[:200]}; allowed: ATen operators")


def _reject_containers(path: Path, spec: Any) -> None:
    """Other containers than these import the module that their description names."""
    for key, value in _walk(spec):
        if key == "type" and value not in _ALLOWED_CONTAINERS:
            raise UnsupportedError(
                f"{path}: the model takes or returns a {str(value)[:200]}; allowed: tensors, "
                "tuples of them"
            )
        context = json.loads(value or "null") if key == "context" else None
        if any(inner == "__enum__" for inner, _ in _walk(context)):
            raise FileError(f"{path}: the description of the inputs contains an enum; refused")


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
