"""What each option of an int8 program costs in RAM: the parts of its parameters and of its peak."""

from __future__ import annotations

from trainlet.ir.graph import Node
from trainlet.ir.storage import storage
from trainlet.ops.op import OPS
from trainlet.passes.fuse.rematerialize import rematerialized
from trainlet.passes.recompute import backward_nodes
from trainlet.planning.plan import Plan
from trainlet.planning.program import Program
from trainlet.planning.report import Cost, peak


def costs(program: Program) -> tuple[Cost, ...]:
    """Bytes of the trained parameters and of the arena at its fullest moment, each in parts.

    Empty for a program that trains no integers.
    """
    if all(n.type.dtype == "float32" for n in program.params):
        return ()
    return (*_parameters(program), *_arena(program))


def _parameters(program: Program) -> list[Cost]:
    planes = {n: storage(n).planes for n in program.params}
    fractions = sum(p.low_bytes for p in planes.values() if p)
    bits = max((p.bits for p in planes.values() if p), default=0)

    def held(dtype: str) -> int:
        return sum(n.type.nbytes for n in program.params if n.type.dtype == dtype)

    deltas = sum(n.type.nbytes for n in program.params if storage(n).delta)
    where = "trained parameters"
    return [
        Cost(where, "int8 weights", held("int8") - fractions),
        Cost(where, f"{bits} extra bits of each", fractions),
        Cost(where, "int32 biases", held("int32")),
        *([Cost(where, "int16 deltas of biases", deltas)] if deltas else ()),
        *([Cost(where, "int16 (the head)", head)] if (head := held("int16") - deltas) else ()),
        Cost(where, "float32 (the head)", held("float32")),
    ]


def _arena(program: Program) -> list[Cost]:
    """At the moment of most live bytes: what the backward pass made, and what it still needs."""
    backward = backward_nodes(program.graph) | rematerialized(program.graph)
    updates = [n for n in program.plan.order if OPS[n.op].mutates is not None]
    sums = {i for n in updates for i in n.inputs if i.type.dtype == "float32"}
    _, alive = peak(program.plan)
    parts = {
        "made by the forward pass": [n for n in alive if n not in backward],
        "gradients of activations": [n for n in alive if n in backward and n not in sums],
        "gradients of parameters": [n for n in alive if n in backward and n in sums],
    }
    where = "arena at its peak"
    return [Cost(where, name, _covered(program.plan, part)) for name, part in parts.items()]


def _covered(plan: Plan, nodes: list[Node]) -> int:
    """Bytes that these buffers cover; two of them may partly overlap."""
    total = end = 0
    for start, size in sorted((plan.offset[n], plan.size[n]) for n in nodes):
        total += max(0, start + size - max(end, start))
        end = max(end, start + size)
    return total
