"""Damaged and dishonest files, drawn from good ones."""

from __future__ import annotations

import copy
import io
import json
import random
import zipfile
import zlib
from collections.abc import Callable
from typing import Any

VALUES = (
    None, True, -1, 0, 1, 7, 2**31, 2**63 - 1, 2**64, -(2**63), 10**400, 1e308, -0.5, 1e-320,
    float("nan"), float("inf"), "", "x", "x" * 5000, "as_int", "torch.ops.aten.add.Tensor",
    "torch.ops.aten.zeros.default", "\0", "../../etc/passwd", "é\U0001f600", [], {}, [[]],
)  # fmt: skip
LINES = (
    "= 1", "[update]", '"fc.bias" = nan', '"fc.bias" = -1', '"fc.bias" = 1e400', "[[update]]",
    '"fc.bias" = "1"', "x = " + "[" * 3000, "y = " + "9" * 5000, '"\\ud800" = 1', "a.b.c = {}",
    '"fc.bias" = [1]', '"nope" = 1', '"x" = 1', "update = 1", '"\\u0000" = 1',
)  # fmt: skip


def change_bytes(rng: random.Random, good: bytes) -> bytes:
    """Cut short, with bits turned, or with other bytes somewhere."""
    content, how = bytearray(good), rng.randrange(3)
    if how == 0:
        return good[: rng.randrange(len(good))]
    if how == 1:
        for _ in range(rng.choice([1, 3, 20])):
            content[rng.randrange(len(good))] ^= 1 << rng.randrange(8)
    else:
        at, count = rng.randrange(len(good)), rng.randrange(1, 64)
        content[at : at + count] = rng.randbytes(count)
    return bytes(content)


def change_member(rng: random.Random, good: bytes) -> bytes:
    """An archive with another content of one file, and checksums that fit."""
    files = _unpacked(good)
    name = rng.choice([n for n in files if files[n]])
    return _packed(files | {name: change_bytes(rng, files[name])})


def change_json(rng: random.Random, good: bytes) -> bytes:
    """An archive with other values in one of its JSON files; in every second the network's own."""
    files = _unpacked(good)
    names = [n for n in files if n.endswith(".json") and files[n]]
    network = [n for n in names if n.endswith("model.json")]
    name = rng.choice(network if network and rng.random() < 0.5 else names)
    changed = json.dumps(_changed(rng, json.loads(files[name])))
    return _packed(files | {name: changed.encode()})


def change_lines(rng: random.Random, good: bytes) -> bytes:
    """A text with lines that are odd, twice there or missing."""
    lines = good.decode().splitlines()
    for _ in range(rng.choice([1, 2])):
        at = rng.randrange(len(lines) + 1)
        lines[at : at + rng.randrange(2)] = [rng.choice([*LINES, *lines])]
    return "\n".join(lines).encode()


def change_checked(rng: random.Random, good: bytes) -> bytes:
    """A saved state with bits turned, and the checksum in its last bytes that fits."""
    content = change_bytes(rng, good[:-4])
    return content + zlib.crc32(content).to_bytes(4, "little")


MUTATIONS: dict[str, tuple[Callable[[random.Random, bytes], bytes], ...]] = {
    "pt2": (change_bytes, change_member, change_json, change_json),
    "tflite": (change_bytes,),
    "onnx": (change_bytes,),
    "npz": (change_bytes, change_member),
    "toml": (change_bytes, change_lines),
    "state": (change_bytes, change_checked),
}
"""By the end of the file's name."""


def mutants(kind: str, good: bytes, count: int, seed: int) -> list[tuple[str, bytes]]:
    """So many files, each with the name of its mutation; always the same ones for a seed."""
    rng, ways = random.Random(f"{kind} {seed}"), MUTATIONS[kind]
    turns = [ways[k % len(ways)] for k in range(count)]
    return [(way.__name__.removeprefix("change_"), way(rng, good)) for way in turns]


def _changed(rng: random.Random, document: Any) -> Any:
    document = copy.deepcopy(document)
    for _ in range(rng.choice([1, 1, 2, 4])):
        places = list(_places(document))
        if not places:
            break
        parent, key = rng.choice(places)
        how = rng.random()
        if how < 0.2 and type(parent[key]) is int:
            parent[key] += rng.choice([-1, 1, 100, 10**6])
        elif how < 0.35:
            other, its = rng.choice(places)
            parent[key] = copy.deepcopy(other[its])
        elif how < 0.5:
            del parent[key]
        elif how < 0.65 and isinstance(parent, list):
            parent.append(copy.deepcopy(parent[key]))
            rng.shuffle(parent)
        else:
            parent[key] = rng.choice(VALUES)
    return document


def _places(document: Any) -> list[tuple[Any, Any]]:
    """Each value's holder and the key or index there."""
    found, waiting = [], [document]
    while waiting:
        value = waiting.pop()
        keys = value if isinstance(value, dict) else range(len(value))
        for key in keys:
            found.append((value, key))
            if isinstance(value[key], (dict, list)):
                waiting.append(value[key])
    return found


def _unpacked(archive: bytes) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(archive)) as opened:
        return {name: opened.read(name) for name in opened.namelist()}


def _packed(files: dict[str, bytes]) -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return made.getvalue()
