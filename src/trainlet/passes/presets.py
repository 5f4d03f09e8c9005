"""The classic answers to 'what is worth updating?', as a choice among a model's parameters."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from trainlet.errors import SchemeError, shown
from trainlet.ir.arguments import closest
from trainlet.ir.graph import Graph, Node, users
from trainlet.ir.scheme import UpdateScheme


@dataclass(frozen=True)
class Parameter:
    """What a preset asks about a parameter: is it a bias, a norm's, the classifier's?"""

    name: str
    bias: bool
    norm: bool
    last: bool


PRESETS: dict[str, Callable[[Parameter], bool]] = {
    "full": lambda p: True,
    "last": lambda p: p.last,
    "bias": lambda p: p.bias or p.last,
    "norm": lambda p: p.norm or p.last,
}


LAYERS = ("linear", "conv2d", "depthwise")


def choose(preset: str, parameters: Iterable[Parameter]) -> UpdateScheme:
    """The scheme of a preset: "full", "last", "bias" (with last) or "norm" (with last).

    Raises SchemeError for another name.
    """
    if not isinstance(preset, str) or preset not in PRESETS:
        known = ", ".join(PRESETS) + closest(preset, PRESETS)
        raise SchemeError(f"no preset {shown(preset)}; allowed: {known}")
    return UpdateScheme({p.name: 1.0 for p in parameters if PRESETS[preset](p)}, preset=preset)


def is_bias(name: str) -> bool:
    """PyTorch calls additive vectors `bias` (attention's: `in_proj_bias`)."""
    return name.rsplit(".", 1)[-1].endswith("bias")


def graph_parameters(graph: Graph) -> list[Parameter]:
    """The parameters of a forward graph; the last linear layer or convolution is the classifier."""
    nodes = graph.nodes()
    readers = users(nodes)
    layers = [n for n in nodes if n.op.removesuffix("_i8") in LAYERS and _owned(n)]
    last = _owned(layers[-1]) if layers else set()
    norms = {
        leaf for n in nodes if n.op in ("batch_norm", "normalize") for leaf in _affine(n, readers)
    }
    return [Parameter(n.name, is_bias(n.name), n in norms, n in last) for n in learning(graph)]


def learning(graph: Graph) -> list[Node]:
    """The parameters that a gradient of the outputs reaches, in topological order."""
    reached: set[Node] = set()
    todo = list(graph.outputs.values())
    while todo:
        n = todo.pop()
        if n not in reached and n.op != "detach":
            reached.add(n)
            todo.extend(n.inputs)
    return [n for n in graph.leaves("param") if n in reached]


def _owned(layer: Node) -> set[Node]:
    """The parameters of a layer, through reshapes and permutes."""
    found = set()
    for i in layer.inputs[1:]:
        while i.op in ("reshape", "permute"):
            i = i.inputs[0]
        if i.op == "param":
            found.add(i)
    return found


def _affine(norm: Node, readers: dict[Node, list[Node]]) -> set[Node]:
    """gamma and beta: of a batch_norm its own, else of the mul and add that follow."""
    found = {i for i in norm.inputs[1:] if i.op == "param"}
    node = norm
    for op in ("mul", "add"):
        following = [r for r in readers[node] if r.op == op and r.inputs[0] is node]
        if norm.op != "normalize" or not following:
            break
        node = following[0]
        found |= {i for i in node.inputs[1:] if i.op == "param"}
    return found
