"""The rows of maps: which nodes run on them, how many there are and how large they are."""

from __future__ import annotations

from trainlet.ir.graph import Node
from trainlet.ir.types import TensorType
from trainlet.ops.op import OPS
from trainlet.ops.row_access import RowAccess, SummedRowAccess


def rows_of(n: Node) -> RowAccess | None:
    """How n runs on rows; None if it cannot, if its maps are no single images, or if a row of it
    reads no row of them."""
    how = None if n.is_leaf else OPS[n.op].rows(n)
    if how is None:
        return None
    maps = [n.inputs[k] for k in how.maps]
    single = all(_shape(m)[:1] == (1,) and len(_shape(m)) == 4 for m in maps)
    in_rows = maps if isinstance(how, SummedRowAccess) else (n, *maps)
    if not single or not all(map(row_bytes, in_rows)):
        return None
    return how if all(how.all_read(height(n), height(m)) for m in maps) else None


def height(n: Node) -> int:
    """Rows of a map; a packed mask has those of what it masks, a sum those that it sums."""
    return _shape(n)[1]


def row_bytes(n: Node) -> int:
    """Bytes of a row; 0 if rows do not begin at a byte, or if it is no map."""
    if len(_shape(n)) != 4:
        return 0
    if n.type.rank == 4:
        return n.type.nbytes // n.type.shape[1]
    elements = n.inputs[0].type.size // height(n)
    packed = n.type.dtype == "uint8" and n.type.nbytes * 8 == n.inputs[0].type.size
    return elements // 8 if packed and elements % 8 == 0 else 0


def _shape(n: Node) -> tuple[int, ...]:
    """Of a map, or of the map that is masked or summed."""
    return n.type.shape if n.type.rank == 4 or n.is_leaf else n.inputs[0].type.shape


def rows_type(m: Node, rows: int) -> TensorType:
    """Type of `rows` rows of the map m."""
    if m.type.rank != 4:
        return m.type.with_shape((rows * row_bytes(m),))
    return m.type.with_shape((m.type.shape[0], rows, *m.type.shape[2:]))
