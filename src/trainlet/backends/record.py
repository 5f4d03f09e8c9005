"""The layout and the initial values of a program's state, as a JSON file beside its C.

With it a saved state can be shown, checked and converted without the network.
"""

from __future__ import annotations

import base64
import json
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from trainlet.errors import FileError, ShapeError, StateError, TrainletError
from trainlet.ir.files import read_file
from trainlet.ir.graph import Node
from trainlet.ir.storage import Delta, Order, Part, Planes, Storage
from trainlet.ir.types import Quant, TensorType
from trainlet.planning.blob import WITHIN, Layout, Saved, describe_leaf
from trainlet.planning.program import Program

MOST = 256 << 20
"""Bytes of a record, at most."""
FORMAT = 1


@dataclass(frozen=True)
class Record:
    """Where a program's state lies, and the state that `init` gives."""

    layout: Layout
    start: Saved

    @staticmethod
    def of(program: Program) -> Record:
        start = {n.name: program.initial(n) for n in program.kept}
        return Record(program.layout, Saved(start))


def print_record(record: Record) -> str:
    """The JSON text of a record."""
    layout = record.layout
    leaves = [{**describe_leaf(n), WITHIN: n.attrs.get(WITHIN)} for n in layout.leaves]
    return json.dumps(
        {
            "about": "the trained state: `trainlet state` reads this file",
            "format": FORMAT,
            "fingerprint": layout.fingerprint,
            "accumulate": layout.accumulate,
            "leaves": leaves,
            "start": base64.b64encode(zlib.compress(layout.pack(record.start))).decode(),
        },
        indent=1,
    )


def read_record(path: str | Path) -> Record:
    """The record of a project: its folder, or the .json file in it; raises FileError."""
    path = Path(path)
    if path.is_dir():
        found = sorted(path.glob("*.json"))
        if len(found) != 1:
            raise FileError(
                f"{path} holds {len(found)} .json files; name the file of the program: PREFIX.json"
            )
        path = found[0]
    try:
        return parse_record(read_file(path, MOST).decode())
    except (ValueError, KeyError, TypeError, OverflowError, RecursionError, zlib.error) as error:
        raise FileError(f"{path} is not the description of a trainer's state: {error}") from None
    except (ShapeError, StateError) as error:
        raise FileError(f"{path}: {error}") from None


def parse_record(text: str) -> Record:
    """The record of a JSON text; raises what is wrong with it as it comes."""
    told = json.loads(text)
    if told["format"] != FORMAT:
        raise ValueError(f"format {told['format']!r}; allowed: {FORMAT}")
    accumulate = told["accumulate"]
    if type(accumulate) is not int or accumulate < 1:
        raise ValueError(f"accumulate {accumulate!r}")
    layout = Layout(tuple(_leaf(one) for one in told["leaves"]), accumulate)
    if layout.fingerprint != told["fingerprint"]:
        raise ValueError("its fingerprint does not match its parameters and state")
    room = zlib.decompressobj()
    blob = room.decompress(base64.b64decode(told["start"]), layout.blob_bytes + 1)
    return Record(layout, layout.unpack(blob))


def record_of(place: Program | Record | str | Path) -> Record:
    """The record of a program, or of a project's folder or file."""
    if isinstance(place, Record):
        return place
    if isinstance(place, Program):
        return Record.of(place)
    if isinstance(place, (str, Path)):
        return read_record(place)
    raise TrainletError(
        f"a {type(place).__name__} has no trained state; allowed: a program, or the "
        "folder of a project"
    )


def _leaf(told: dict[str, Any]) -> Node:
    attrs: dict[str, Any] = {"storage": _storage(told["storage"])}
    if told[WITHIN] is not None:
        attrs[WITHIN] = tuple(told[WITHIN])
    if told["kind"] not in ("param", "state"):
        raise ValueError(f"a leaf of kind {told['kind']!r}")
    return Node(told["kind"], (), _type(told["type"]), attrs, str(told["name"]))


def _type(told: dict[str, Any]) -> TensorType:
    quant = told["quant"]
    if quant is not None:
        quant = Quant(tuple(quant["scale"]), tuple(quant["zero_point"]), quant["axis"])
    return TensorType(tuple(told["shape"]), told["dtype"], quant)


def _storage(told: dict[str, Any]) -> Storage:
    offset, planes, part = told["offset"], told["planes"], told["part"]
    if planes is not None:
        planes = Planes(**{**planes, "tensor": _type(planes["tensor"])})
    if part is not None:
        part = Part(**{**part, "whole": _type(part["whole"])})
    offset, factor = (None if v is None else tuple(v) for v in (offset, told.get("factor")))
    shape, permutation = tuple(told["shape"]), tuple(told["permutation"])
    orders = told.get("orders")
    if orders is not None:
        orders = tuple(Order(order["axis"], tuple(order["index"])) for order in orders)
    delta = told.get("delta")
    if delta is not None:
        delta = Delta(_type(delta["tensor"]), tuple(map(int, delta["base"])))
        if len(delta.base) != delta.tensor.size:
            raise ValueError(f"{len(delta.base)} values to differ from")
    channels = told.get("channels")
    if channels is not None and channels not in range(len(shape)):
        raise ValueError(f"channels {channels!r}")
    return Storage(shape, permutation, factor, offset, planes, part, orders, channels, delta)
