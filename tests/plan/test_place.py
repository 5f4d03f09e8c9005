"""How good the plans of real networks are: near the lower bound, below naive orders, cheap."""

from dataclasses import replace
from functools import cache
from itertools import pairwise

import pytest

import trainlet as tl
from networks.schemes import scheme
from trainlet.ir.graph import Graph
from trainlet.ops.op import build, float32, leaf
from trainlet.planning import place
from trainlet.planning.buffers import aligned
from trainlet.planning.liveness import assign_buffers
from trainlet.planning.order.schedule import before
from trainlet.planning.packing import first_fit, pack
from trainlet.planning.packing.blocks import count_pairs
from trainlet.planning.place import plan_graph
from zoo import NETWORKS

NEAR = 1.01
KINDS = ("full", "bias", "last", "norm", "sparse")
OPTIMIZERS = {"sgd": tl.SGD(0.1), "momentum": tl.SGD(0.1, momentum=0.9), "adam": tl.Adam(0.1)}
SIZES = [(name, 1) for name in NETWORKS] + [("mobilenet_v2", 4), ("audio_conv1d", 4)]


@cache
def imported(name: str, batch: int) -> Graph:
    given = NETWORKS[name](batch)
    return tl.prepare(given.model, given.x, check=False)


def step_graph(name: str, batch: int, kind: str, optimizer: str = "sgd", sums: int = 1) -> Graph:
    chosen = scheme(name, kind, NETWORKS[name](1).model)
    rule = OPTIMIZERS[optimizer]
    training = tl.train(imported(name, batch), chosen, optimizer=rule, accumulate=sums)
    return tl.Target.preset("cortex-m7").lower(training.step)[0]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("name", "batch"), SIZES)
def test_within_a_hundredth_of_the_lower_bound(name, batch, kind):
    for optimizer in OPTIMIZERS:
        plan = plan_graph(step_graph(name, batch, kind, optimizer))
        assert plan.lower_bound <= plan.arena <= NEAR * plan.lower_bound, optimizer
    plan = plan_graph(step_graph(name, batch, kind, sums=3))
    assert plan.lower_bound <= plan.arena <= NEAR * plan.lower_bound, "accumulate=3"


@pytest.mark.parametrize("name", NETWORKS)
def test_the_lower_bound_is_the_peak_of_what_is_alive(name):
    plan = plan_graph(step_graph(name, 1, "bias"))
    for t in range(len(plan.order)):
        alive = [n for n, (born, dies) in plan.live.items() if born <= t <= dies]
        assert sum(aligned(n.type.nbytes) for n in alive) <= plan.lower_bound
        ends = sorted((plan.offset[n], plan.offset[n] + n.type.nbytes) for n in alive)
        assert all(a[1] <= b[0] for a, b in pairwise(ends)), "overlap"


def test_work_space_is_alive_while_its_operation_runs():
    """No operation has any today."""
    graph = step_graph("mlp", 1, "bias")
    bare = assign_buffers(graph, plan_graph(graph).order)
    busy = next(n for n in bare.moment if n.op == "linear")
    found = replace(bare, workspace={busy: 8}).live_bytes
    expected = [size + 8 * (t == bare.moment[busy]) for t, size in enumerate(bare.live_bytes)]
    assert found == expected


@pytest.mark.parametrize("kind", ["full", "bias"])
@pytest.mark.parametrize("name", NETWORKS)
def test_no_worse_than_the_naive_order(name, kind):
    """The naive one runs all that is ready, then all that has become ready, and so on."""
    graph = step_graph(name, 1, kind)
    done: dict = {}
    wanted = before(graph)
    while len(done) < len(wanted):
        done |= {n: None for n, first in wanted.items() if n not in done and first <= set(done)}
    naive = assign_buffers(graph, tuple(done)).lower_bound
    assert plan_graph(graph, rollback=False).lower_bound <= naive


def test_gradients_do_not_wait_for_the_end():
    """Each is applied when it exists: with everything trained, they never lie side by side."""
    graph = step_graph("mlp", 1, "full")
    weights = sum(n.type.nbytes for n in graph.leaves("param"))
    assert plan_graph(graph, rollback=False).arena < weights


def test_the_search_is_bounded(monkeypatch):
    """Counted in pairs of blocks and in blocks put in, so that a slow machine does not matter."""
    pairs, put = 0, 0
    fitted, put_in = first_fit._fitted, pack._Packing.put

    def counting(order, slack, tightest):
        nonlocal pairs
        pairs += 2 * count_pairs(order)
        return fitted(order, slack, tightest)

    def putting(self, *where):
        nonlocal put
        put += 1
        return put_in(self, *where)

    monkeypatch.setattr(first_fit, "_fitted", counting)
    monkeypatch.setattr(pack._Packing, "put", putting)
    monkeypatch.setattr(place, "ENOUGH", 1 << 40)  # search on for the last byte
    for name, kind in (("mobilenet_v2", "full"), ("audio_conv1d", "bias"), ("mlp", "last")):
        pairs = put = 0
        graph = step_graph(name, 1, kind)
        plan_graph(graph)
        blocks = len(graph.nodes())
        assert pairs <= place.FEW_PAIRS + place.MANY_PAIRS + place.MANY_TRIES * 2 * blocks**2
        assert put <= 2 * len(pack.FIRST) * pack.ROUNDS * pack.TRIES * blocks


def test_a_smaller_operand_does_not_lend_its_storage():
    """Eight bytes are kept for one float as for two: the sum would overwrite what it repeats."""
    x, one = (leaf("input", name, float32(*shape)) for name, shape in (("x", (2, 1)), ("b", (1,))))
    repeated = build("scale", one, factor=2.0)
    total, later = build("add", x, repeated), build("scale", x, factor=3.0)
    graph = Graph({"total": total, "later": later})
    assert aligned(repeated.type.nbytes) == aligned(total.type.nbytes)
    assert assign_buffers(graph, (repeated, total, later)).owner[total] is total
