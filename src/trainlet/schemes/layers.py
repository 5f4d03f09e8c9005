"""The layers of a network as a search sees them, and schemes as choices among them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

from trainlet.errors import SchemeError
from trainlet.frontends.losses import objective_of
from trainlet.ir.graph import Graph
from trainlet.ir.scheme import LEADING, UpdateScheme
from trainlet.ops.objective import Losses
from trainlet.ops.quantized.precision import Int8
from trainlet.passes.presets import graph_parameters
from trainlet.passes.prune import prune
from trainlet.passes.training import differentiate_once

SHARES = (1 / 8, 1 / 4, 1 / 2, 1.0)


@dataclass(frozen=True)
class Layer:
    """A weight, empty for biases before any weight, and the biases that follow it.

    shares: of the weight's input channels that may learn, in ascending order
    """

    weight: str
    biases: tuple[str, ...] = ()
    shares: tuple[float, ...] = ()

    @property
    def name(self) -> str:
        return self.weight or self.biases[0]


@dataclass(frozen=True)
class Layers:
    """The layers before the classifier, in the order in which they run, and the classifier.

    channels: how a share of a weight becomes channels, as in an UpdateScheme
    """

    body: tuple[Layer, ...]
    head: tuple[str, ...]
    channels: str = LEADING

    @property
    def numbers_of_biases(self) -> list[int]:
        """Every k for which the biases of the last k layers are others than those of the last
        k - 1; 0 first."""
        many = len(self.body)
        return [0, *(k for k in range(1, many + 1) if self.body[many - k].biases)]

    def reaching(self, number: int) -> int:
        """How many layers there are from a layer to the last one."""
        return len(self.body) - number


@dataclass(frozen=True)
class Choice:
    """The biases of the last layers, and shares of the weights of some layers; the head always.

    biases: of how many layers, counted from the last
    shares: {number of a layer: share of its input channels}, as sorted pairs
    """

    biases: int = 0
    shares: tuple[tuple[int, float], ...] = field(default=())

    @staticmethod
    def of(biases: int, shares: Iterable[tuple[int, float]]) -> Choice:
        return Choice(biases, tuple(sorted((k, float(r)) for k, r in shares if r)))

    def scheme(self, layers: Layers) -> UpdateScheme:
        """In the names of the network's parameters."""
        ratios = dict.fromkeys(layers.head, 1.0)
        for layer in layers.body[len(layers.body) - self.biases :]:
            ratios |= dict.fromkeys(layer.biases, 1.0)
        ratios |= {layers.body[k].weight: share for k, share in self.shares}
        return UpdateScheme(ratios, channels=layers.channels)


def layers_of(
    graph: Graph,
    shares: Sequence[float] = SHARES,
    loss: Losses = "cross_entropy",
    precision: Int8 | None = None,
    channels: str = LEADING,
) -> Layers:
    """The layers of a forward graph.

    shares: of each weight; of a weight whose gradient cannot be cut to some channels only 1.0, and
    of shares that are the same number of channels the first.
    """
    body: list[Layer] = []
    head: list[str] = []
    for parameter in graph_parameters(graph):
        if parameter.last:
            head.append(parameter.name)
        elif parameter.bias:
            body = body or [Layer("")]
            body[-1] = replace(body[-1], biases=(*body[-1].biases, parameter.name))
        elif not parameter.norm:
            body.append(Layer(parameter.name))
    if not head:
        raise SchemeError("the network has no layer with parameters before its output; a search "
                          "always trains that layer")  # fmt: skip
    weights = [layer.weight for layer in body if layer.weight]
    sizes = _Sizes(graph, weights, loss, precision)
    body = [replace(layer, shares=sizes.different(layer.weight, shares)) for layer in body]
    return Layers(tuple(body), tuple(head), channels)


class _Sizes:
    """How much of a weight each share trains."""

    def __init__(
        self, graph: Graph, weights: Sequence[str], loss: Losses, precision: Int8 | None
    ) -> None:
        every = UpdateScheme(dict.fromkeys(weights, 1.0))
        objective = objective_of(loss)
        self._graph = (
            differentiate_once(graph, every, objective.losses, precision) if weights else graph
        )

    def different(self, weight: str, shares: Sequence[float]) -> tuple[float, ...]:
        found: dict[int, float] = {}
        for share in sorted(shares) if weight else ():
            try:
                gradient = prune(self._graph, UpdateScheme({weight: share}))
            except SchemeError:
                continue
            found.setdefault(gradient.outputs[f"grad.{weight}"].type.size, share)
        return tuple(found.values())
