"""The update schemes that have a name, such as "bias": which of a model's parameters each one
trains."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from trainlet.errors import SchemeError, shown
from trainlet.ir.arguments import closest
from trainlet.ir.graph import Graph, Node, topological, users
from trainlet.ir.scheme import UpdateScheme
from trainlet.ops.op import OPS
from trainlet.ops.shape import source_of

CLASSIFIER = "classifier"
"""The attribute of the parameters of a classifier that is no layer."""


@dataclass(frozen=True)
class Parameter:
    """What a preset has to know of a parameter: whether it is a bias, belongs to a normalisation,
    or to the classifier; which part of an adapter it is, if it is one; and whether it is the weight
    of a linear layer or convolution."""

    name: str
    bias: bool
    norm: bool
    last: bool
    adapter: str = ""
    weight: bool = False


PRESETS: dict[str, Callable[[Parameter], bool]] = {
    "full": lambda p: True,
    "last": lambda p: p.last,
    "bias": lambda p: p.bias or p.last,
    "norm": lambda p: p.norm or p.last,
}
ADAPTER_PRESETS: dict[str, Callable[[Parameter], bool]] = {
    "lora": lambda p: p.adapter in ("lora_A", "lora_B") or p.last,
    "lora_fa": lambda p: p.adapter == "lora_B" or p.last,
    "tinytl": lambda p: p.adapter == "lite" or (p.bias and p.adapter != "lite_shift") or p.last,
    "tinytl_l": lambda p: p.adapter in ("lite", "lite_shift") or p.last,
}
"""Of graphs that have adapters (`trainlet.adapt`)."""
SCHEMES = {**PRESETS, **ADAPTER_PRESETS}


def choose(preset: str, parameters: Iterable[Parameter]) -> UpdateScheme:
    """The scheme of a preset: one of SCHEMES; "bias", "norm" and those of adapters include "last".

    Raises SchemeError for another name, and for one of adapters where the network has none.
    """
    if not isinstance(preset, str) or preset not in SCHEMES:
        known = ", ".join(SCHEMES) + closest(preset, SCHEMES)
        raise SchemeError(f"unknown preset {shown(preset)}; allowed: {known}")
    chosen = [p for p in parameters if SCHEMES[preset](p)]
    if preset in ADAPTER_PRESETS and not any(p.adapter for p in chosen):
        raise SchemeError(
            f"the preset {preset!r} finds no adapter in the network; add adapters first: --adapt "
            "lora:rank=8 or --adapt tinytl, trainlet.adapt.lora or trainlet.adapt.tinytl"
        )
    return UpdateScheme({p.name: 1.0 for p in chosen}, preset=preset)


def is_bias(name: str) -> bool:
    """PyTorch calls additive vectors `bias` (attention's: `in_proj_bias`, a recurrent layer's:
    `bias_ih_l0`)."""
    own = name.rsplit(".", 1)[-1]
    return own.endswith("bias") or own.startswith(("bias_ih", "bias_hh"))


def graph_parameters(graph: Graph) -> list[Parameter]:
    """The parameters of a forward graph; its classifier are those that are marked so, or else the
    last linear layer or convolution before an output."""
    nodes = graph.nodes()
    readers = users(nodes)
    marked = {n for n in graph.leaves("param") if n.attrs.get(CLASSIFIER)}
    last = marked or {p for output in graph.outputs.values() for p in _classifier(output)}
    norms = {leaf for n in nodes if not n.is_leaf for leaf in _affine(n, readers)}
    weights = {source_of(n.inputs[1]) for n in nodes if _is_layer(n)}
    return [
        Parameter(
            n.name, is_bias(n.name), n in norms, n in last, n.attrs.get("adapter", ""), n in weights
        )
        for n in learning(graph)
    ]


def _is_layer(n: Node) -> bool:
    return not n.is_leaf and OPS[n.op].channel_axis is not None


def _classifier(output: Node) -> set[Node]:
    """The parameters of the last layer that an output depends on."""
    nodes = topological([output])
    owned = [_owned(n) for n in nodes if _is_layer(n)]
    return next((parameters for parameters in reversed(owned) if parameters), set())


def learning(graph: Graph) -> list[Node]:
    """The parameters that a gradient of the outputs reaches, in topological order."""
    reached: set[Node] = set()
    todo = list(graph.outputs.values())
    while todo:
        n = todo.pop()
        if n not in reached and not _stops(n):
            reached.add(n)
            todo.extend(n.inputs)
    return [n for n in graph.leaves("param") if n in reached]


def _stops(n: Node) -> bool:
    return not n.is_leaf and OPS[n.op].detaches


def _owned(layer: Node) -> set[Node]:
    """The parameters of a layer, through reshapes and permutes."""
    return {i for i in map(source_of, layer.inputs[1:]) if i.op == "param"}


def _affine(n: Node, readers: Mapping[Node, Sequence[Node]]) -> set[Node]:
    """gamma and beta of a normalisation."""
    affine = OPS[n.op].affine
    return {i for i in affine(n, readers) if i.op == "param"} if affine else set()
