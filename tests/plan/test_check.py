"""check_plan catches every kind of bad plan, and each of them computes something wrong."""

import random
from dataclasses import replace

import pytest

from plan.small import moved, node, program, reordered, step
from trainlet.errors import PlanError
from trainlet.ir.graph import Graph, Node
from trainlet.ops.op import OPS, float32, leaf
from trainlet.planning.buffers import in_arena
from trainlet.planning.plan import Plan
from trainlet.planning.replay import check_plan
from trainlet.run.simulated import ArenaDevice, OracleDevice


def at(op: str, name: str = "", k: int = 0) -> int:
    return program().plan.offset[node(op, name, k)]


def updated_too_early() -> Plan:
    """fc.weight learns before the gradient of what fc reads has been taken with it."""
    plan = reordered(node("linear_dw"), node("linear_dx"))
    update = next(n for n in plan.order if n.op == "sgd" and n.inputs[0].name == "fc.weight")
    order = [n for n in plan.order if n is not update]
    order.insert(order.index(node("linear_dx")), update)
    plan = replace(plan, order=tuple(order), arena=plan.arena + 4096)
    return replace(plan, offset={**plan.offset, node("linear_dw"): plan.arena - 4096})


def two_live_buffers_overlap() -> Plan:
    """The saved mask of the last ReLU lies within the logits' gradient."""
    return moved({node("relu_mask"): at("cross_entropy_dz")})


def overwritten_before_its_last_reader() -> Plan:
    """The map before the head, which its gradient reads at the end, makes room for another."""
    return moved({node("conv2d_dx"): at("permute", "relu")})


def an_input_overwritten() -> Plan:
    """The gradient of the first weight needs x, which lies in the arena too."""
    x = next(n for n in program().plan.offset if n.name == "x")
    return moved({node("sum_to", "second"): program().plan.offset[x]})


def in_place_where_it_may_not_be() -> Plan:
    """A convolution over its own input."""
    return moved({node("conv2d", "second"): at("relu", "relu")})


def before_its_input() -> Plan:
    return reordered(node("add", "add"), node("conv2d", "second"))


def past_the_end() -> Plan:
    return moved({node("linear_dw"): program().plan.arena - 8})


def below_the_start() -> Plan:
    return moved({node("linear_dw"): -16})


def not_run_at_all() -> Plan:
    plan = program().plan
    return replace(plan, order=tuple(n for n in plan.order if n is not node("mask_dx")))


def an_alias_elsewhere() -> Plan:
    """A reshape is no copy: whoever reads it reads its input's bytes."""
    return moved({node("reshape", "flatten"): at("reshape", "flatten") + 8})


FAULTS = {
    updated_too_early: "reads .*fc.weight.* after .*sgd.* updated it",
    two_live_buffers_overlap: "after its bytes were overwritten",
    overwritten_before_its_last_reader: "after its bytes were overwritten",
    an_input_overwritten: "reads <input x.* after its bytes were overwritten",
    in_place_where_it_may_not_be: "writes over its input .*, which it may not",
    before_its_input: "reads .* before it is made",
    past_the_end: r"takes bytes \d+\.\.\d+ of \d+",
    below_the_start: "takes bytes -16",
    not_run_at_all: "1 nodes are missing from the order, first <mask_dx",
    an_alias_elsewhere: "is not where .* is, whose storage it shares",
}
EACH = pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.__name__)


def test_the_plan_itself_is_good():
    check_plan(program().plan, program().graph)
    assert step(ArenaDevice) == step(OracleDevice)


@EACH
def test_the_check_refuses(fault):
    with pytest.raises(PlanError, match=FAULTS[fault]):
        check_plan(fault(), program().graph)


@EACH
def test_the_arena_computes_something_else(fault):
    assert step(ArenaDevice, fault()) != step(OracleDevice)


def test_an_address_that_no_float_may_have():
    free = replace(program().plan, arena=program().plan.arena + 4096)
    spot = free.arena - 4094
    with pytest.raises(PlanError, match="not aligned for float32"):
        check_plan(replace(free, offset={**free.offset, node("linear_dw"): spot}), program().graph)


def test_a_leaf_is_updated_once():
    graph, plan = program().graph, program().plan
    update = node("sgd")
    second = leaf("input", "other rate", float32())
    again = update.with_inputs((*update.inputs[:-1], second))
    doubled = Graph({**graph.outputs, "again": again}, graph.values)
    order = (*plan.order, again)
    with pytest.raises(PlanError, match="after .* updated it|updated twice"):
        check_plan(replace(plan, order=order, offset={**plan.offset, second: 0}), doubled)


@pytest.mark.parametrize(
    ("where", "message"),
    [
        ("free", None),
        ("a value that is read later", "after its bytes were overwritten"),
        ("its input", "the work space of .*second.* lies on its input"),
        ("its result", "the work space of .*second.* overlaps live bytes"),
        ("past the end", "the work space of .*second.* overlaps live bytes"),
    ],
)
def test_work_space(where, message, monkeypatch):
    """Of the second convolution, had it any: bytes that it writes and nobody reads."""
    monkeypatch.setitem(OPS, "conv2d", replace(OPS["conv2d"], workspace=_of_the_second))
    plan = program().plan
    image = next(n for n in plan.offset if n.name == "x")  # the first weight's gradient reads it
    start = {
        "free": plan.arena,
        "a value that is read later": plan.offset[image],
        "its input": at("relu", "relu"),
        "its result": at("conv2d", "second"),
        "past the end": plan.arena + 4096,
    }[where]
    spacious = replace(plan, arena=plan.arena + 4096, scratch={node("conv2d", "second"): start})
    if message is None:
        check_plan(spacious, program().graph)
        return
    with pytest.raises(PlanError, match=message):
        check_plan(spacious, program().graph)


def _of_the_second(n: Node) -> int:
    return 8 if n is node("conv2d", "second") else 0


def test_a_result_lies_on_all_of_an_input_or_on_nothing_of_it():
    """An addition may take the place of an operand; begun in its middle it reads what it wrote."""
    plan = program().plan
    n = node("add", "add")
    source = next(i for i in n.inputs if plan.offset[i] == plan.offset[n])
    shifted = replace(plan, arena=plan.arena + 4096)
    apart = {**shifted.offset, source: plan.arena, n: plan.arena + 64}
    with pytest.raises(PlanError, match="writes over its input .*, which it may not"):
        check_plan(replace(shifted, offset=apart), program().graph)


def test_what_the_check_lets_pass_is_right():
    """Random damage: whatever plan gets through, the arena agrees with the oracle."""
    rng, plan, expected = random.Random(0), program().plan, step(OracleDevice)
    places = [n for n in plan.offset if in_arena(n) and not (n.inputs and OPS[n.op].alias)]
    passed = refused = wrong = 0
    for _ in range(300):
        order, offset = list(plan.order), dict(plan.offset)
        if rng.random() < 0.5:
            n = order.pop(rng.randrange(len(order)))
            order.insert(rng.randrange(len(order) + 1), n)
        else:
            n = rng.choice(places)
            offset[n] = rng.randrange(0, plan.arena, 8)
            for m in plan.order:
                if OPS[m.op].alias and m.inputs[0] is n:
                    offset[m] = offset[n]
        damaged = replace(plan, order=tuple(order), offset=offset)
        differs = step(ArenaDevice, damaged) != expected
        wrong += differs
        try:
            check_plan(damaged, program().graph)
        except PlanError:
            refused += 1
        else:
            passed += 1
            assert not differs, f"moved {n!r}"
    assert passed > 10 and refused > 100 and wrong > 100, (passed, refused, wrong)
