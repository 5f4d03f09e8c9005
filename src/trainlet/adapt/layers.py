"""The layers of a forward graph that can have an adapter, by the names of their modules."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

from trainlet.errors import SchemeError, shown
from trainlet.ir.arguments import closest
from trainlet.ir.graph import Graph, Node, users
from trainlet.ir.storage import storage
from trainlet.ops.conv import CONV2D
from trainlet.ops.linear import LINEAR
from trainlet.ops.norm import BATCH_NORM
from trainlet.ops.op import OPS
from trainlet.ops.quantized.conv import CONV2D_I8
from trainlet.ops.quantized.linear import LINEAR_I8
from trainlet.ops.shape import source_of
from trainlet.passes.presets import graph_parameters

ADAPTED = (LINEAR.name, CONV2D.name, LINEAR_I8.name, CONV2D_I8.name)


@dataclass(frozen=True)
class Layer:
    """A linear layer or a convolution.

    name:   of its weight without `.weight`
    weight: the leaf
    uses:   the nodes that compute it, one for each time that the model calls the module
    last:   whether it is the classifier
    """

    name: str
    weight: Node
    uses: tuple[Node, ...]
    last: bool

    @property
    def shape(self) -> tuple[int, ...]:
        """Of the weight, in the layout of the user's model."""
        return storage(self.weight).shape

    @property
    def groups(self) -> int:
        return self.uses[0].attrs.get("groups", 1)

    @property
    def integer(self) -> bool:
        return self.weight.type.quant is not None

    @property
    def keeps_h(self) -> bool:
        """Whether a product of low rank is two layers, one after the other, of which the second
        reads few channels; else it is one weight, computed first."""
        return self.groups == 1 and self.kernel[0] == 1

    @property
    def kernel(self) -> tuple[int, int]:
        """Height and width; 1 by 1 of a linear layer, a height of 1 in one dimension."""
        height, width = (1, 1, *self.shape[2:])[-2:]
        return height, width

    def parameter(self, name: str) -> str:
        """What a parameter of that name of the module is called."""
        return f"{self.name}.{name}" if self.name else name


def adaptable(graph: Graph) -> dict[str, Layer]:
    """All layers that can have an adapter, by name, in the order of the graph."""
    last = {p.name for p in graph_parameters(graph) if p.last}
    uses: dict[Node, list[Node]] = {}
    for n, weight in _weighted(graph):
        if n.op in ADAPTED:
            uses.setdefault(weight, []).append(n)
    found = [Layer(module_of(w), w, tuple(nodes), w.name in last) for w, nodes in uses.items()]
    return {layer.name: layer for layer in found}


def chosen(graph: Graph, names: Sequence[str]) -> list[Layer]:
    """The layers that names or patterns such as "encoder.*" match.

    Raises SchemeError for one that matches none, and says why where the name is a layer's.
    """
    known = adaptable(graph)
    listed = isinstance(names, (list, tuple)) and names
    if not listed or not all(isinstance(name, str) for name in names):
        raise SchemeError(f"layers={shown(names)}; allowed: None, or a list of names of layers")
    matched = {p: [layer for name, layer in known.items() if fnmatchcase(name, p)] for p in names}
    for pattern, found in matched.items():
        if not found:
            raise SchemeError(_why_not(graph, pattern, list(known)))
    return list({layer.name: layer for found in matched.values() for layer in found}.values())


def _why_not(graph: Graph, name: str, known: Sequence[str]) -> str:
    others = {module_of(weight) for _, weight in _weighted(graph)}
    if name in others:
        return (
            f"the layer {name!r} is a depthwise or transposed convolution; allowed: linear layers "
            "and other convolutions (an adapter of a depthwise weight has more numbers than the "
            "weight: name the weight in the scheme instead)"
        )
    some = ", ".join(known[:8]) + (", ..." if len(known) > 8 else "")
    return (
        f"no layer is called {name!r}{closest(name, known)}; the graph's layers: {some or 'none'}"
    )


def _weighted(graph: Graph) -> Iterator[tuple[Node, Node]]:
    """The nodes that multiply by a weight of the model, and the weight."""
    for n in graph.nodes():
        if n.is_leaf or OPS[n.op].channel_axis is None:
            continue
        weight = source_of(n.inputs[1])
        if weight.op in ("param", "const"):
            yield n, weight


def module_of(weight: Node) -> str:
    """The name of the layer that has a weight."""
    return "" if weight.name == "weight" else weight.name.removesuffix(".weight")


def norm_after(graph: Graph) -> dict[Node, tuple[Node, ...]]:
    """For each layer that only a batch norm reads, the moves of its result up to the batch norm,
    and the batch norm."""
    readers = users(graph.nodes())
    asked = set(graph.outputs.values())
    found: dict[Node, tuple[Node, ...]] = {}
    for n in readers:
        path: list[Node] = []
        end = n
        while len(readers[end]) == 1 and end not in asked:
            end = readers[end][0]
            path.append(end)
            if end.op == BATCH_NORM.name and source_of(end.inputs[0]) is n:
                found[n] = tuple(path)
            if not _moves(end):
                break
    return found


def _moves(n: Node) -> bool:
    layout = OPS[n.op].layout
    return OPS[n.op].alias or bool(layout and layout.permutes)
