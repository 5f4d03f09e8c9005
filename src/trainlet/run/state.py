"""Saved states: what is in one, whether a program takes it, and how another program can.

A program is given as what `compile` returns, or as the folder of its C project.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from rich.table import Table

from trainlet.backends.record import Record, record_of
from trainlet.errors import StateError
from trainlet.ir.graph import Node
from trainlet.ir.storage import Storage, kept_type, read_type, storage, to_device, to_user
from trainlet.ir.types import TensorType
from trainlet.planning.blob import HEADER, Layout, Saved, checked
from trainlet.planning.program import Program

Place = Program | Record | str | Path


@dataclass(frozen=True)
class LeafShown:
    """One parameter, or one part of the optimiser's state: in real values, the user's shape.

    changed: elements that are not as `init` makes them.
    """

    name: str
    kind: str
    dtype: str
    shape: tuple[int, ...]
    least: float
    most: float
    changed: int


@dataclass(frozen=True)
class StateShown:
    """What a saved state holds.  pending: steps summed but not applied, of `accumulate`."""

    fingerprint: int
    state_bytes: int
    pending: int
    accumulate: int
    leaves: tuple[LeafShown, ...]

    def table(self) -> Table:
        """A row a leaf."""
        title = f"Saved state, fingerprint {self.fingerprint:08x}, {self.state_bytes:,} bytes"
        table = Table(title=title, title_justify="left", caption_justify="left")
        for name in ("leaf", "kind", "type", "shape"):
            table.add_column(name)
        for name in ("least", "most", "changed"):
            table.add_column(name, justify="right")
        for n in self.leaves:
            shape = "x".join(map(str, n.shape)) or "1"
            values = f"{n.least:.6g}", f"{n.most:.6g}", f"{n.changed:,}"
            table.add_row(n.name, n.kind, n.dtype, shape, *values)
        if self.accumulate > 1:
            table.caption = f"{self.pending} of {self.accumulate} steps are pending"
        return table


@dataclass(frozen=True)
class Converted:
    """blob: the state for the new program; notes: what did not come along, a sentence each."""

    blob: bytes
    notes: tuple[str, ...]


def describe(blob: bytes, place: Place) -> StateShown:
    """What a saved state of a program holds.

    Raises StateError where the program would refuse it, FileError for a folder that is no project.
    """
    record = record_of(place)
    saved = record.layout.unpack(blob)
    shown = (_shown(n, saved.arrays[n.name], record.start.arrays[n.name]) for n in
             record.layout.leaves)  # fmt: skip
    layout = record.layout
    return StateShown(
        layout.fingerprint, layout.state_bytes, saved.pending, layout.accumulate, tuple(shown)
    )


def fingerprint(blob: bytes) -> int:
    """The fingerprint in any blob; raises StateError for a damaged one."""
    return HEADER.unpack_from(checked(blob))[2]


def convert(blob: bytes, old: Place, new: Place) -> Converted:
    """The saved state of one program as another takes it.

    Parameters go over by name and shape, in the real values of the user's model, so float32 and
    int8 with extra bits can be converted into each other.  The optimiser's state goes over where
    the new program has the same; all else begins as `init` makes it, and is noted.

    Raises StateError where the old program would refuse the blob, or nothing fits.
    """
    source, target = record_of(old), record_of(new)
    saved = source.layout.unpack(blob)
    known = {n.name: n for n in source.layout.leaves}
    arrays, notes = dict(target.start.arrays), list[str]()
    moved = 0
    for n in target.layout.leaves:
        was = known.pop(n.name, None)
        if n.op == "param" and _fits(was, n, notes):
            assert was is not None
            arrays[n.name] = _parameter(was, saved.arrays[n.name], n, arrays[n.name], notes)
            moved += 1
        elif n.op == "state" and was is not None and _same(was, n):
            arrays[n.name] = saved.arrays[n.name].copy()
        elif n.op == "state":
            notes.append(f"{n.name!r} of the optimiser begins anew")
    notes += [f"{name!r} has no place in the new program" for name in known]
    if not moved:
        raise StateError(
            "no parameter of the saved state fits the new program by name and shape; it has "
            + ", ".join(repr(n.name) for n in target.layout.leaves if n.op == "param")
        )
    pending = _pending(saved, source.layout, target, arrays, notes)
    return Converted(target.layout.pack(Saved(arrays, pending)), tuple(notes))


def _fits(was: Node | None, n: Node, notes: list[str]) -> bool:
    if was is None or was.op != "param":
        notes.append(f"{n.name!r} is new: it begins as the new program has it")
        return False
    if storage(was).shape != storage(n).shape:
        notes.append(
            f"{n.name!r} has shape {storage(n).shape}, was {storage(was).shape}: it begins as the "
            "new program has it"
        )
        return False
    return True


def _parameter(
    was: Node, array: np.ndarray, n: Node, start: np.ndarray, notes: list[str]
) -> np.ndarray:
    """The new leaf's tensor: the old one's values where the old one learns, else what it has."""
    if _same(was, n):
        return array.copy()
    learnt, learns = learned_elements(was), learned_elements(n)
    if lost := int((learnt & ~learns).sum()):
        notes.append(f"{lost:,} elements of {n.name!r} no longer learn: what they learnt is lost")
    if fresh := int((learns & ~learnt).sum()):
        notes.append(f"{fresh:,} elements of {n.name!r} did not learn: they begin as they are")
    wanted = np.where(learnt & learns, _real(was, array), _real(n, start)).astype(np.float32)
    with np.errstate(over="ignore"):
        made = to_device(n, wanted)
    if n.type.dtype == "float32" and not np.isfinite(made).all():
        raise StateError(f"{n.name!r} is beyond float32 in the new program")
    if n.type.dtype != "float32":
        _note_clipped(n, wanted, _real(n, made), learns, notes)
    return made


def _note_clipped(
    n: Node, wanted: np.ndarray, found: np.ndarray, learns: np.ndarray, notes: list[str]
) -> None:
    quant, planes = kept_type(n).quant, storage(n).planes
    unit = max(quant.scale) / (1 << planes.bits if planes else 1) if quant else 0.0
    if clipped := int((np.abs(wanted - found) > unit)[learns].sum()):
        notes.append(f"{clipped:,} values of {n.name!r} are beyond its range and were clipped")


def _pending(
    saved: Saved, old: Layout, target: Record, arrays: dict[str, np.ndarray], notes: list[str]
) -> int:
    """Steps that stay pending; the sums start anew where they cannot."""
    sums = [n.name for n in target.layout.leaves if n.name.endswith(".gradient")]
    same = old.accumulate == target.layout.accumulate
    whole = same and all(_same_named(old, n) for n in target.layout.leaves if n.name in sums)
    if saved.pending and not whole:
        notes.append(f"the gradients of {saved.pending} pending steps are dropped")
    if not whole:
        arrays |= {name: target.start.arrays[name] for name in sums}
    return saved.pending if whole else 0


def _same_named(layout: Layout, n: Node) -> bool:
    return any(was.name == n.name and _same(was, n) for was in layout.leaves)


def _same(a: Node, b: Node) -> bool:
    """Whether the same bytes mean the same values in both leaves."""
    return (a.op, a.type, storage(a)) == (b.op, b.type, storage(b))


def _real(n: Node, array: np.ndarray) -> np.ndarray:
    """The user's array; of a leaf that is a part, zeros where the rest would be."""
    part = storage(n).part
    if part is None:
        return to_user(n, array)
    shape = list(part.whole.shape)
    shape[part.axis] -= part.stop - part.start
    return to_user(n, array, np.zeros(shape, read_type(n).dtype))


def learned_elements(n: Node) -> np.ndarray:
    """Which elements of the user's array the leaf holds: bool, in the shape of that array."""
    how = storage(n)
    if how.part is None:
        return np.ones(how.shape, bool)
    part, whole = how.part, how.part.whole.shape
    shape = tuple(part.stop - part.start if k == part.axis else m for k, m in enumerate(whole))
    plain = Storage(how.shape, how.permutation, part=part, orders=how.orders)
    leaf = Node("param", (), TensorType(shape), {"storage": plain}, n.name)
    return _real(leaf, np.ones(shape, np.float32)) > 0


def _shown(n: Node, array: np.ndarray, start: np.ndarray) -> LeafShown:
    values = _real(n, array)[learned_elements(n)]
    changed = int((array != start).sum())
    least, most = float(values.min()), float(values.max())
    return LeafShown(n.name, n.op, n.type.dtype, storage(n).shape, least, most, changed)
