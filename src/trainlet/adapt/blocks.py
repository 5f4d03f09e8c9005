"""Inverted bottlenecks in a forward graph: expand (1x1), filter (depthwise), project (1x1)."""

from __future__ import annotations

from dataclasses import dataclass

from trainlet.adapt.layers import module_of
from trainlet.ir.graph import Graph, Node
from trainlet.ops.conv import CONV2D
from trainlet.ops.depthwise import DEPTHWISE
from trainlet.ops.op import OPS
from trainlet.ops.quantized.conv import CONV2D_I8
from trainlet.ops.quantized.depthwise import DEPTHWISE_I8
from trainlet.ops.shape import source_of
from trainlet.ops.window import Geometry, Pair


@dataclass(frozen=True)
class Block:
    """name:    the module that has the three layers, or the last of them where none has
    x:       what the block reads, [N,H,W,C]
    project: its last convolution
    stride:  down and across
    """

    name: str
    x: Node
    project: Node
    stride: Pair


def bottlenecks(graph: Graph) -> list[Block]:
    """All inverted bottlenecks, in the order of the graph.

    The expansion has more channels than what the block reads and what it makes; so the pairs of
    depthwise and 1x1 convolutions of MobileNetV1 are none.
    """
    found: dict[str, Block] = {}
    for project in graph.nodes():
        wide = _layer_before(project) if _is_point(project) else None
        if wide is None or wide.op not in (DEPTHWISE.name, DEPTHWISE_I8.name):
            continue
        expand = _layer_before(wide)
        if expand is None or not _is_point(expand):
            continue
        x, channels = expand.inputs[0], expand.type.shape[-1]
        if channels > max(x.type.shape[-1], project.type.shape[-1]):
            name = _common(_name(expand), _name(project))
            name = name if name and name not in found else _name(project)
            found[name] = Block(name, x, project, Geometry.of(wide).stride)
    return list(found.values())


def _is_point(n: Node) -> bool:
    """Whether a node is a convolution of single elements, without groups."""
    if n.op not in (CONV2D.name, CONV2D_I8.name):
        return False
    geometry = Geometry.of(n)
    return geometry.kernel == geometry.stride == (1, 1) and geometry.groups == 1


def _layer_before(n: Node) -> Node | None:
    """The layer whose result a layer reads, through what keeps its size; None where several meet.

    A gate such as that of squeeze-and-excitation is smaller than the map that it scales.
    """
    n = n.inputs[0]
    while not n.is_leaf and OPS[n.op].channel_axis is None:
        whole = {i for i in n.inputs if i.type.size == n.type.size}
        if len(whole) != 1:
            return None
        (n,) = whole
    return None if n.is_leaf else n


def _name(layer: Node) -> str:
    return module_of(source_of(layer.inputs[1]))


def _common(a: str, b: str) -> str:
    """The module that has both."""
    same = []
    for one, other in zip(a.split("."), b.split("."), strict=False):
        if one != other:
            break
        same.append(one)
    return ".".join(same)
