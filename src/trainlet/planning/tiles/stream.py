"""Whether an input can come in rows: all that reads it must run on rows, in the forward pass."""

from __future__ import annotations

from trainlet.errors import TrainletError, UnsupportedError
from trainlet.ir.graph import Graph, Node, users
from trainlet.ir.roles import forward_part
from trainlet.planning.tiles.maps import rows_of

WITHOUT = "or compile without `stream`"
AUTO = "auto"
"""The first input comes in rows where it can and where that lowers the RAM."""


def streamed_input(graph: Graph, stream: bool | str) -> Node | None:
    """The input that is to come in rows: the first of the model, or the one of that name; with
    AUTO the first if it can.

    Raises TrainletError for a name that no input has.
    """
    if stream is False:
        return None
    forward = forward_part(graph).leaves("input")
    if stream == AUTO:
        return forward[0] if forward and _can_be_streamed(graph, forward[0]) else None
    found = [n for n in forward if stream is True or n.name == stream]
    if not found:
        names = ", ".join(n.name for n in forward)
        raise TrainletError(
            f"stream={stream!r}: no such input; allowed: 'auto', True, or one of {names}"
        )
    return found[0]


def check_rows(graph: Graph) -> None:
    """Raise UnsupportedError where no operation of a graph can run on rows."""
    if not any(rows_of(n) for n in graph.nodes()):
        raise UnsupportedError(
            "tile=True: no operation runs on a few rows of a map; compile a network of images of "
            "batch 1, or leave `tile` out"
        )


def check_streamed(graph: Graph, x: Node) -> None:
    """Raise UnsupportedError unless every reader of the input x runs on rows of it before the
    backward pass, in which x is gone."""
    readers = users(graph.nodes())[x]
    if not readers:
        raise not_in_rows(x, "nothing reads it")
    if x.type.rank != 4:
        raise not_in_rows(x, f"{x.type} is no map of rows; give an input of four dimensions")
    if x.type.shape[0] != 1:
        raise not_in_rows(x, f"{x.type} is a batch of {x.type.shape[0]}; compile with batch 1")
    forward = set(forward_part(graph).nodes())
    for n in readers:
        if n not in forward:
            raise not_in_rows(
                x,
                f"{n!r} reads it in the backward pass, for a parameter of the first layers that "
                "learns; take that layer's weight out of the scheme",
            )
        if rows_of(n) is None or any(n.inputs[k] is x for k in _whole(n)):
            raise not_in_rows(
                x,
                f"{n!r} does not run on rows of it; let only convolutions, poolings and "
                "element-wise operations read it",
            )


def _can_be_streamed(graph: Graph, x: Node) -> bool:
    """Whether all that reads x runs on rows of it."""
    try:
        check_streamed(graph, x)
    except UnsupportedError:
        return False
    return True


def not_in_rows(x: Node, reason: str) -> UnsupportedError:
    """The error that says why the input x cannot be streamed, and what to do."""
    return UnsupportedError(f"the input {x.name!r} cannot come in rows: {reason}, {WITHOUT}")


def _whole(n: Node) -> list[int]:
    """The inputs that n reads as a whole."""
    how = rows_of(n)
    return [k for k in range(len(n.inputs)) if how and k not in how.maps]
