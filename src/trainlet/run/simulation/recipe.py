"""A graph evaluated node by node for all experiments; a value lives until its last reader."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor

from trainlet.backends.torch.eager import one_by_one
from trainlet.backends.torch.table import Lowering, find_lowering
from trainlet.ir.graph import Graph, Node
from trainlet.ops.op import OPS


@dataclass(frozen=True)
class RecipeStep:
    """One node: what computes it, and whose values nobody reads any more."""

    node: Node
    run: Lowering
    dead: tuple[Node, ...]


@dataclass(frozen=True)
class Recipe:
    """A graph, or a part of it that begins at `given` nodes, in an order that keeps few values."""

    steps: tuple[RecipeStep, ...]
    outputs: Mapping[str, Node]

    @staticmethod
    def of(graph: Graph, order: tuple[Node, ...], given: frozenset[Node] = frozenset()) -> Recipe:
        """`order` holds all of the graph's nodes, inputs first.  Raises UnsupportedError."""
        needed = _needed(graph, given)
        nodes = [n for n in order if n in needed and not n.is_leaf and n not in given]
        kept, steps = set(graph.outputs.values()), []
        for n in reversed(nodes):
            dead = tuple(i for i in dict.fromkeys(n.inputs) if i not in kept)
            kept |= set(dead)
            steps.append(RecipeStep(n, find_lowering(n), dead))
        return Recipe(tuple(reversed(steps)), graph.outputs)

    def __call__(
        self,
        leaves: Mapping[str, Tensor],
        seeds: Tensor | None = None,
        given: Mapping[Node, Tensor] | None = None,
    ) -> dict[str, Tensor]:
        """The outputs [E, *shape] by name; `seeds` int64 [E], None for the nodes' own."""
        known: dict[Node, Tensor] = dict(given or {})

        def value(n: Node) -> Tensor:
            return leaves[n.name] if n.is_leaf and n not in known else known[n]

        with torch.inference_mode(), _exact_products(), one_by_one():
            for step in self.steps:
                seed = OPS[step.node.op].seed
                inputs = [value(i) for k, i in enumerate(step.node.inputs) if k != seed]
                if "seed" in step.node.attrs:
                    own = inputs[0].new_full((1,), step.node.attrs["seed"], dtype=torch.int64)
                    inputs.append(own if seeds is None else seeds)
                known[step.node] = step.run(step.node, *inputs)
                for n in step.dead:
                    known.pop(n, None)
            return {name: value(n) for name, n in self.outputs.items()}


def _needed(graph: Graph, given: frozenset[Node]) -> set[Node]:
    """Nodes that the outputs need, up to the given ones."""
    found, open_ = set(), list(graph.outputs.values())
    while open_:
        n = open_.pop()
        if n not in found:
            found.add(n)
            open_ += () if n in given else n.inputs
    return found


@contextmanager
def _exact_products() -> Iterator[None]:
    """Float products of integers are exact only in float32's full precision."""
    chosen = torch.get_float32_matmul_precision()
    if chosen == "highest":
        yield
        return
    torch.set_float32_matmul_precision("highest")
    try:
        yield
    finally:
        torch.set_float32_matmul_precision(chosen)
