"""Estimates rank schemes as full plans do; a step made of a shared graph is the pipeline's own."""

from functools import cache

import pytest

import trainlet as tl
from int8.networks import quantised
from trainlet.frontends.losses import objective_of
from trainlet.ir.graph import Graph
from trainlet.passes.training import differentiate_once, step_of_scheme
from trainlet.planning.estimate import estimate, estimate_tiled
from trainlet.planning.order.best_order import find_order
from trainlet.planning.place import plan_graph
from trainlet.planning.tiles.tiled import plan_in_tiles

PRECISION = tl.Int8(gradient="int16")
PRESETS = ("last", "bias", "full")


@cache
def network() -> tuple[Graph, Graph]:
    """DS-CNN in int8, and the same differentiated once for all of its parameters."""
    graph, _ = quantised("ds_cnn")
    assert isinstance(graph, Graph)
    every = tl.UpdateScheme({n.name: 1.0 for n in graph.leaves("param")})
    return graph, differentiate_once(graph, every, objective_of("cross_entropy").losses, PRECISION)


def steps(preset: str) -> tuple[Graph, Graph]:
    """The pipeline's step, and that of the shared graph."""
    graph, whole = network()
    scheme = tl.UpdateScheme({n.name: 1.0 for n in graph.leaves("param")})
    if preset != "full":
        names = {"last": [n for n in scheme.ratios if n.startswith(last_layer(graph))],
                 "bias": [n for n in scheme.ratios if n.endswith("bias")]}[preset]  # fmt: skip
        scheme = tl.UpdateScheme(dict.fromkeys(names, 1.0))
    own = tl.train(graph, scheme, precision=PRECISION).step
    return own, step_of_scheme(whole, scheme, tl.SGD(), PRECISION)


def last_layer(graph: Graph) -> str:
    return graph.leaves("param")[-1].name.rpartition(".")[0]


@pytest.mark.parametrize("preset", PRESETS)
def test_a_step_of_the_shared_graph_needs_the_same_bytes(preset: str) -> None:
    own, shared = steps(preset)
    assert estimate_tiled(own) == estimate_tiled(shared)
    assert {n.name for n in own.leaves("param")} == {n.name for n in shared.leaves("param")}


@pytest.mark.parametrize("preset", PRESETS)
def test_an_estimate_holds(preset: str) -> None:
    step, _ = steps(preset)
    found, best = estimate(step), find_order(step)
    plan = plan_graph(step, best.order)
    assert found.lower == best.bound <= plan.arena
    assert found.tiled <= found.arena and plan.lower_bound <= found.arena
    tiled = plan_in_tiles(step, best.order)
    assert abs(tiled.arena - found.tiled) <= 0.2 * tiled.arena  # windows of rows do not count


def test_more_learns_more_bytes() -> None:
    last, bias, full = (estimate_tiled(steps(preset)[0]) for preset in PRESETS)
    assert last <= bias < full
