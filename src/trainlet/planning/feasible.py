"""A lower bound of what a program needs under any plan. It refuses a program that can never fit
before that program is planned."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence

from trainlet.errors import TargetError, UnsupportedError
from trainlet.ir.bounds import TENSOR_BYTES
from trainlet.ir.graph import Graph, Node
from trainlet.ops.op import OPS
from trainlet.ops.shape import source_of
from trainlet.passes.update import Training
from trainlet.planning.limits import Alternatives, Limits, listed
from trainlet.planning.report import ProgramChoice, label
from trainlet.planning.target import Target
from trainlet.planning.tiles.stream import streamed_input


def check_forward(graph: Graph, target: Target, limits: Limits, stream: bool | str) -> None:
    """Refuse a forward graph by its inputs and its layers' weights.

    An input that does not come in rows lies in the arena as a whole, and a weight that a layer
    reads is in Flash: frozen it lies there, trained it has its initial value there.  An element of
    either takes one byte at least, since another precision may keep it so.

    Raises TargetError where these exceed the RAM or the Flash, UnsupportedError where one
    operation and the inputs take more than this machine is to plan.
    """
    inputs = graph.leaves("input")
    whole = sorted(inputs, key=lambda n: n.type.size)[:-1] if stream else inputs
    weights = _weights(graph)
    ram, flash = (sum(n.type.size for n in leaves) for leaves in (whole, weights))
    rows = ["stream=True"] if not stream and any(n.type.rank == 4 for n in inputs) else []
    _refuse_more(target.stack + ram, flash, target, limits, [*whole, *weights], lambda: rows)
    for n in graph.nodes():
        held = {*inputs, *map(source_of, (n, *n.inputs))}
        what = f"the inputs with {label(n)} {n.type} and what it reads"
        TENSOR_BYTES.check(sum(h.type.nbytes for h in held), what, UnsupportedError)


def check_training(
    training: Training,
    target: Target,
    limits: Limits,
    stream: bool | str,
    others: Alternatives | None = None,
) -> None:
    """Raise TargetError if the program would not fit with an arena of its inputs alone."""
    ram, flash = least_needed(training, target, stream)
    leaves = training.step.leaves("input", "param", "state", "const")
    _refuse_more(ram, flash, target, limits, leaves, others.hints if others else tuple,
                 others.fitting if others else tuple)  # fmt: skip


def least_needed(training: Training, target: Target, stream: bool | str) -> tuple[int, int]:
    """RAM and Flash of a program whose arena would hold the inputs that do not come in rows, and
    nothing else: no plan is needed to know them."""
    graphs = [g for g in (training.front, training.step, training.apply) if g]
    sizes = {n.name: (n.op, n.type.nbytes) for g in graphs for n in g.leaves()}
    kept, initial, constant = (
        sum(size for op, size in sizes.values() if op in kinds)
        for kinds in (("param", "state"), ("param",), ("const",))
    )
    streamed = streamed_input(training.front or training.step, stream)
    arena = max(
        sum(n.type.nbytes for n in g.leaves("input") if n is not streamed)
        for g in (training.front, training.step)
        if g
    )
    return arena + kept + target.stack, constant + initial


def _refuse_more(
    ram: int,
    flash: int,
    target: Target,
    limits: Limits,
    leaves: Collection[Node],
    hints: Callable[[], Sequence[str]],
    choices: Callable[[], tuple[ProgramChoice, ...]] = tuple,
) -> None:
    if limits.allow(ram, flash):
        return
    over = [
        f"{what} needs at least {need:,} bytes, {need - limit:,} more than its {limit:,}"
        for what, need, limit in (("RAM", ram, limits.ram), ("Flash", flash, limits.flash))
        if limit is not None and need > limit
    ]
    largest = sorted(leaves, key=lambda n: n.type.nbytes, reverse=True)[:3]
    named = ", ".join(f"{n.op} {n.name!r} {n.type} {n.type.nbytes:,}" for n in largest)
    raise TargetError(
        f"the program does not fit {target.name} with any plan: {'; '.join(over)} (reserved "
        f"stack {target.stack:,}). Largest: {named}. These need less: {listed(hints())}smaller "
        "input or network, or a larger target",
        choices,
    )


def _weights(graph: Graph) -> set[Node]:
    """The weights that layers read as they are or moved about; without layers of constants alone,
    which are computed beforehand."""
    found, moving = set(), set()
    for n in graph.nodes():
        if n.op == "input" or any(i in moving for i in n.inputs):
            moving.add(n)
        if not n.is_leaf and OPS[n.op].channel_axis is not None and n.inputs[0] in moving:
            weight = source_of(n.inputs[1])
            found |= {weight} if weight.op in ("param", "const") else set()
    return found
