"""Networks as chains of layers, measured on their graphs."""

from __future__ import annotations

import torch
from torch import nn

import trainlet as tl
from trainlet.ir.graph import Node
from trainlet.ops.op import OPS, leaf
from trainlet.planning.recompute.checkpoint import ChainStage
from zoo.mobilenet_v2 import MobileNetV2


def mobilenet_v2(size: int = 224) -> list[ChainStage]:
    """MobileNetV2, everything trained, one image: convolutions, norms, activations, the head."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = MobileNetV2(1.0, 1000).eval()
    return layers(model, torch.zeros(1, 3, size, size))


def layers(model: nn.Module, x: torch.Tensor) -> list[ChainStage]:
    """The layers of a network in the order in which they run, shortcuts left out; a norm is the
    scalings and shifts that it has become."""
    graph = tl.train(
        tl.prepare(model, x, check=False), tl.schemes.full(model), stop_after="fold"
    ).step
    made: dict[str, list[Node]] = {}
    for n in graph.nodes():
        if (n.inputs and any(i.op in ("param", "const") for i in n.inputs)) or n.op == "relu6":
            made.setdefault(n.name, []).append(n)
    return [_link(nodes) for nodes in made.values()]


def _link(nodes: list[Node]) -> ChainStage:
    x, saved = nodes[0].inputs[0], set[Node]().union(*map(_read_by_gradients, nodes))
    total = sum(s.type.nbytes for s in saved)
    macs = sum(OPS[n.op].macs(n) for n in nodes)
    return ChainStage(macs, x.type.nbytes, total, x.type.nbytes if x in saved else 0)


def _read_by_gradients(n: Node) -> set[Node]:
    """Of the forward pass, what the gradients of a layer read: its input, or a mask."""
    g = leaf("input", "gradient", n.type)
    rule = OPS[n.op].vjp
    assert rule is not None
    thunks = zip(n.inputs, rule(n, g), strict=True)
    stack = [thunk() for i, thunk in thunks if thunk and i.op != "const"]
    read: set[Node] = set()
    while stack:  # from the gradients to g, which is where the new nodes end
        late = stack.pop()
        stack += [i for i in late.inputs if g in i.inputs]
        read |= {i for i in late.inputs if g not in i.inputs}
    return {i for i in read if i is not g and i.op not in ("param", "const")}


def textbook(chain: list[ChainStage], bounds: list[int]) -> int:
    """Bytes of segments that begin at `bounds` as they are usually counted: the inputs of all of
    them at once, and what the largest saves, its own input again included."""
    ends = [*bounds[1:], len(chain)]
    largest = max(sum(k.saved for k in chain[a:b]) for a, b in zip(bounds, ends, strict=True))
    return sum(chain[a].input for a in bounds) + largest


def textbook_optimum(chain: list[ChainStage]) -> list[int]:
    """The bounds for which `textbook` is smallest: of all ways to reach a link, those that no
    other beats in both the inputs' sum and the largest segment."""
    fronts: list[list[tuple[int, int, list[int]]]] = [[(0, 0, [])]]
    for end in range(1, len(chain) + 1):
        ways, segment = [], 0
        for first in reversed(range(end)):
            segment += chain[first].saved
            for inputs, largest, bounds in fronts[first]:
                way = inputs + chain[first].input, max(largest, segment), [*bounds, first]
                ways.append(way)
        front: list[tuple[int, int, list[int]]] = []
        for way in sorted(ways):
            if not front or way[1] < front[-1][1]:
                front.append(way)
        fronts.append(front)
    return min(fronts[-1], key=lambda way: way[0] + way[1])[2]
