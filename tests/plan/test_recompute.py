"""Recomputation: the least that fits, against every choice; the same bits whatever is chosen."""

from dataclasses import replace
from functools import cache
from itertools import combinations, pairwise

import numpy as np
import pytest
import torch
from torch import nn

import trainlet as tl
from plan.small import Residual
from trainlet.compiled import CompiledProgram
from trainlet.errors import GraphError, PlanError, TargetError, ToolchainError, TrainletError
from trainlet.ops.op import OPS
from trainlet.passes.recompute import recompute
from trainlet.planning.liveness import assign_buffers
from trainlet.planning.order.schedule import schedule
from trainlet.planning.recompute import budget
from trainlet.planning.recompute.chain_choice import as_chain
from trainlet.planning.recompute.checkpoint import cheapest, smallest
from trainlet.planning.recompute.greedy_choice import greedy_choice
from trainlet.planning.recompute.late_order import late_order
from trainlet.planning.recompute.peak import peak_bytes
from trainlet.planning.recompute.problem import Problem, forward_first, recompute_problem
from trainlet.planning.recompute.solver_choice import cheapest_choice, smallest_choice
from trainlet.planning.replay import check_plan
from trainlet.run.simulated import ArenaDevice, OracleDevice
from zoo import NETWORKS, Case
from zoo.case import make_case

MEGABYTE = 1 << 20
ROOMY = replace(tl.Target.preset("cortex-m7"), ram=2 * MEGABYTE, flash=2 * MEGABYTE)


class Deep(nn.Module):
    """A chain with a smooth activation, so that whole maps are kept."""

    def __init__(self) -> None:
        super().__init__()
        widths = (2, 6, 3, 5, 4)
        convs = [nn.Conv2d(a, b, 3, padding=1) for a, b in pairwise(widths)]
        self.body = nn.Sequential(*(layer for conv in convs for layer in (conv, nn.GELU())))
        self.fc = nn.Linear(4, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.fc(self.body(x).mean((2, 3)))


SMALL = {
    "residual": lambda: make_case(Residual, (3, 6, 6), 3, batch=1),
    "deep": lambda: make_case(Deep, (2, 9, 9), 3, batch=1),
    "mlp": lambda: NETWORKS["mlp"](1),
}


class Choices:
    """A step, and what each choice of values to recompute really needs."""

    def __init__(self, case: Case) -> None:
        scheme = tl.schemes.full(case.model)
        self.graph = tl.train(tl.prepare(case.model, case.x, check=False), scheme).step
        self.order = forward_first(self.graph, schedule(self.graph))
        self.problem: Problem = recompute_problem(self.graph, self.order)

    def real(self, chosen: frozenset[int]) -> tuple[int, int]:
        """Live bytes of the rewritten graph, and its work beyond the graph's own."""
        made = recompute(self.graph, self.problem.nodes(chosen))
        order = late_order(made, self.order)
        work = sum(OPS[n.op].macs(n) + n.type.size for n in made.twice if not OPS[n.op].alias)
        return assign_buffers(made.graph, order).lower_bound, work

    def all(self) -> list[frozenset[int]]:
        able = [k for k, v in enumerate(self.problem.values) if v.nodes]
        assert len(able) <= 12
        return [frozenset(c) for r in range(len(able) + 1) for c in combinations(able, r)]


@cache
def choices(name: str) -> Choices:
    return Choices(SMALL[name]())


@pytest.mark.parametrize("name", SMALL)
def test_no_choice_is_better(name):
    """The solver's optimum against every set of values, planned in earnest."""
    given = choices(name)
    every = [(*given.real(chosen), chosen) for chosen in given.all()]
    kept, least = given.real(frozenset())[0], min(peak for peak, _, _ in every)
    assert smallest_choice(given.problem, given.problem.macs).peak == least <= kept
    for limit in range(least, kept + 1, max((kept - least) // 5, 1)):
        found = cheapest_choice(given.problem, limit, given.problem.macs)
        peak, work = given.real(found.values)
        assert peak <= limit and found.gap == 0
        assert work == min(work for peak, work, _ in every if peak <= limit)
    assert cheapest_choice(given.problem, least - 8, given.problem.macs) is None


@pytest.mark.parametrize("name", SMALL)
def test_the_model_counts_the_bytes_of_the_plan(name):
    """Never less than there will be, and where it is more, by little."""
    given = choices(name)
    for chosen in given.all()[::7]:
        modelled, (real, _) = peak_bytes(given.problem, chosen), given.real(chosen)
        assert real <= modelled <= real * 1.02


@cache
def program(name: str, max_ram: int | None = None, **options: object) -> CompiledProgram:
    """Without old values of a step, which take the bytes that recomputation wins here."""
    case = NETWORKS[name](1)
    scheme, own = tl.schemes.full(case.model), {"rollback": False} | options
    return tl.compile(case.model, case.x, scheme, target=ROOMY, max_ram=max_ram, **own)


def ram(made: CompiledProgram) -> int:
    return made.arena_bytes + made.state_bytes + made.target.stack


def learned(made: CompiledProgram, device: str, name: str, steps: int = 2) -> list[bytes]:
    """Everything that a device says in some steps, as bytes."""
    case = NETWORKS[name](1)
    with made.build(device, count=False) as trainer:
        losses = [trainer.step(case.x, case.y) for _ in range(steps)]
        logits, state = trainer.predict(case.x), trainer.state()
    return [repr(losses).encode(), logits.tobytes(), *(state[k].tobytes() for k in sorted(state))]


REAL = pytest.mark.parametrize(
    ("name", "arena_share", "times"),
    [("resnet8", 0.66, 1.1), pytest.param("cct2", 0.66, 1.08, marks=pytest.mark.slow)],
)


@REAL
def test_less_ram_and_the_same_bits(name, arena_share, times):
    """ResNet-8 and a transformer with everything trained, on a Cortex-M7: a third of the arena is
    gone for under a tenth more work, and nobody can tell from what is learned."""
    usual = program(name)
    fixed = ram(usual) - usual.arena_bytes
    limit = fixed + int(arena_share * usual.arena_bytes)
    made = program(name, limit)
    assert usual.recomputation is None and made.recomputation is not None
    assert made.recomputation.gap == 0
    assert ram(made) <= limit and made.arena_bytes <= arena_share * usual.arena_bytes
    total = usual.macs_forward + usual.macs_backward
    assert made.macs_forward + made.macs_backward == total
    assert 0 < made.macs_recomputed <= (times - 1) * total
    assert made.saved_bytes < 0.75 * usual.saved_bytes
    check_plan(made.plan, made.graph)
    expected = learned(usual, "host", name)
    assert learned(made, "host", name) == expected
    assert learned(made, "unicorn", name, 1) == learned(usual, "host", name, 1)
    for device, tolerance in ((OracleDevice, 0), (ArenaDevice, 1e-5)):  # of float sums in rows
        case, trainers = NETWORKS[name](1), [tl.Trainer(p, device(p)) for p in (usual, made)]
        first, second = ((t.step(case.x, case.y), t.state()) for t in trainers)
        assert first[0] == pytest.approx(second[0], rel=tolerance, abs=0)
        for k in first[1]:
            np.testing.assert_allclose(first[1][k], second[1][k], rtol=0, atol=tolerance)


def test_the_report_says_what_was_recomputed():
    case = make_case(Deep, (2, 9, 9), 3, batch=1)
    scheme = tl.schemes.full(case.model)
    usual = tl.compile(case.model, case.x, scheme, target=ROOMY)
    limit = ram(usual) - usual.arena_bytes // 3
    made = tl.compile(case.model, case.x, scheme, target=ROOMY, max_ram=limit)
    report = made.report
    assert report.ram_bytes <= ram(made) <= limit
    assert report.macs_backward == usual.macs_backward and report.macs_recomputed > 0
    assert report.recompute_won_bytes == usual.arena_bytes - made.arena_bytes > 0
    assert f"{made.macs_recomputed:,}" in str(report) and "recomputed" in str(report)
    assert "recomputed" not in str(usual.report)


def test_an_update_waits_for_the_copies_that_read_its_parameter():
    """The check finds a copy that runs after its weight has learned."""
    made = program("resnet8", 800 * 1024)
    again = next(n for n in made.recomputation.nodes if n.op == "conv2d")
    weight = again.inputs[1]
    update = next(n for n in made.plan.order if n.op == "sgd" and n.inputs[0] is weight)
    assert made.plan.order.index(again) < made.plan.order.index(update)
    order = [n for n in made.plan.order if n is not again]
    order.insert(order.index(update) + 1, again)
    with pytest.raises(PlanError):
        check_plan(replace(made.plan, order=tuple(order)), made.graph)


@pytest.mark.parametrize(
    "options",
    [{"accumulate": 2}, {"optimizer": tl.Adam(0.01)}, {"optimizer": tl.SGD(0.01, momentum=0.9)}],
    ids=["sums", "adam", "momentum"],
)
def test_with_every_optimizer(options):
    case = make_case(Deep, (2, 9, 9), 3, batch=1)
    scheme = tl.schemes.full(case.model)
    usual = tl.compile(case.model, case.x, scheme, target="host", **options)
    least = ram(usual) - usual.arena_bytes // 10
    made = tl.compile(case.model, case.x, scheme, target="host", max_ram=least, **options)
    assert made.arena_bytes < usual.arena_bytes
    found = []
    for each in (usual, made):
        with each.build("host") as trainer:
            losses = [trainer.step(case.x, case.y) for _ in range(4)]
            found.append((losses, {k: v.tobytes() for k, v in trainer.state().items()}))
    assert found[0] == found[1]


def test_without_need_nothing_is_recomputed():
    usual = program("resnet8")
    same = program("resnet8", ram(usual))
    assert same.recomputation is None and same.arena_bytes == usual.arena_bytes


def test_a_limit_of_work():
    """What 1.05 x the work cannot reach is refused, with the best that there is."""
    never = {"max_recompute": None}
    with pytest.raises(TargetError) as caught:
        program("resnet8", 720 * 1024, **never)
    assert "recomputation" not in str(caught.value)
    with pytest.raises(TargetError, match=r"least RAM found with recomputation: .*; 1\.0\d x"):
        program("resnet8", 720 * 1024, max_recompute=1.05)
    with pytest.raises(TargetError, match="Recomputation cannot lower the arena below 264,200"):
        program("resnet8", 512 * 1024)
    made = program("resnet8", 720 * 1024, max_recompute=1.08)
    total = made.macs_forward + made.macs_backward
    assert made.macs_recomputed <= 0.08 * total


@pytest.mark.parametrize(
    "options", [{"max_recompute": 0.9}, {"max_recompute": 3.0}, {"max_ram": 0}], ids=str
)
def test_refused(options):
    with pytest.raises(TrainletError, match="allowed: None, or"):
        program("mlp", **options)


def test_without_the_solver(monkeypatch):
    """Greedy: a plan that fits, and no claim that it is the best."""
    monkeypatch.setattr(budget, "have_solver", lambda: False)
    made = program("resnet8", 900 * 1024, prefix="greedy")
    assert ram(made) <= 900 * 1024 and made.recomputation.gap is None


def test_the_message_without_the_solver(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "ortools.sat.python", None)
    with pytest.raises(ToolchainError, match=r"pip install 'trainlet\[planning\]'"):
        smallest_choice(choices("mlp").problem, 0)


@pytest.mark.parametrize("name", SMALL)
def test_a_chain_without_the_solver(name):
    """The chain's optimum never claims less than the walk through the step finds."""
    problem = choices(name).problem
    chain = as_chain(problem)
    assert chain is not None
    for limit in range(2 * peak_bytes(problem, frozenset()), 0, -400):
        found = cheapest(chain.links, limit)
        assert found is None or peak_bytes(problem, chain.values(found)) <= found.peak <= limit
        if found is None:
            break
    least = smallest(chain.links, 10**9)
    assert bool(least.segments) == (name != "mlp")
    assert peak_bytes(problem, chain.values(least)) <= least.peak


def test_a_network_with_shortcuts_over_kept_values_is_no_chain():
    assert as_chain(Choices(NETWORKS["resnet8"](1)).problem) is None


@pytest.mark.parametrize("name", SMALL)
def test_greedy_keeps_to_its_limits(name):
    given = choices(name)
    least = smallest_choice(given.problem, given.problem.macs).peak
    found = greedy_choice(given.problem, least, given.problem.macs // 3)
    assert found.peak == peak_bytes(given.problem, found.values) >= least
    assert sum(given.problem.values[k].macs for k in found.values) <= given.problem.macs // 3


def test_only_the_forward_pass_can_be_recomputed():
    graph = choices("mlp").graph
    for op in ("sgd", "linear_dw"):
        later = next(n for n in graph.nodes() if n.op == op)
        with pytest.raises(GraphError, match="not an operation of the forward pass"):
            recompute(graph, [later])


def test_copies_are_named_and_read_copies():
    graph = choices("residual").graph
    first, relu = (next(n for n in graph.nodes() if n.op == op) for op in ("conv2d", "relu"))
    made = recompute(graph, [first, relu])
    assert made.copies[first].name == f"{first.name} again"
    assert made.copies[relu].inputs == (made.copies[first],)
    assert set(made.twice) == {made.copies[first], made.copies[relu]}
