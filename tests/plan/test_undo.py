"""Old values lie in the arena until the last update that can overflow is judged."""

from __future__ import annotations

import random
from dataclasses import replace

import numpy as np
import pytest

import trainlet as tl
from plan.small import case, learning
from trainlet.compiled import CompiledProgram
from trainlet.errors import DivergedError, PlanError
from trainlet.ir.graph import Node
from trainlet.ops.op import OPS
from trainlet.planning.place import plan_apply
from trainlet.planning.plan import Plan
from trainlet.planning.program import Stage, training_stages
from trainlet.planning.replay import check_plan
from trainlet.planning.undo import Copy, Undo, can_overflow
from trainlet.run.simulated import ArenaDevice

RATE = 3e38
MOMENTUM = tl.SGD(0.1, momentum=0.9)


def program() -> CompiledProgram:
    """Its old values are copied: of a parameter and of its momentum."""
    return learning(optimizer=MOMENTUM)


def node(op: str, k: int = 0) -> Node:
    return [n for n in program().plan.order if n.op == op][k]


def undo() -> Undo:
    found = program().plan.undo
    assert found is not None
    return found


def changed(**fields: object) -> Plan:
    return replace(program().plan, undo=replace(undo(), **fields))


def first() -> Copy:
    """The first copy that is made: of what the head updates, while all maps are still there."""
    return undo().copies[0]


def moved(start: int) -> Plan:
    others = (c for c in undo().copies if c is not first())
    return changed(copies=(replace(first(), start=start), *others))


def a_copy_on_a_live_map() -> Plan:
    """The input is read by the gradient of the first weight, which comes last."""
    x = next(n for n in program().plan.offset if n.name == "x")
    return moved(program().plan.offset[x])


def a_copy_on_the_gradient_that_is_due() -> Plan:
    """Of the momentum, which is updated first."""
    return moved(program().plan.offset[first().update.inputs[1]])


def two_copies_at_one_place() -> Plan:
    return moved(undo().copies[1].start)


def a_copy_where_a_later_map_is_written() -> Plan:
    return moved(program().plan.offset[node("conv2d_dw", 1)])


def a_copy_past_the_end() -> Plan:
    return moved(program().plan.arena - 4)


def a_copy_that_no_word_may_have() -> Plan:
    return moved(first().start + 2)


def one_copy_missing() -> Plan:
    return changed(copies=undo().copies[1:])


def judged_too_early() -> Plan:
    """Before the last update: what that makes is never looked at."""
    return changed(last=undo().copies[-2].update)


def one_leaf_not_judged() -> Plan:
    return changed(judged=undo().judged[1:])


def swapped_by_an_update_that_cannot() -> Plan:
    others = undo().copies[1:]
    return changed(copies=(replace(first(), swapped=True), *others))


def nothing_judged() -> Plan:
    return replace(program().plan, undo=None)


FAULTS = {
    a_copy_on_a_live_map: "reads <input x.* after its bytes were overwritten",
    a_copy_on_the_gradient_that_is_due: "after its bytes were overwritten",
    two_copies_at_one_place: "the old value of .* is overwritten before the check",
    a_copy_where_a_later_map_is_written: "overwritten",
    a_copy_past_the_end: "does not lie in the arena",
    a_copy_that_no_word_may_have: "does not lie in the arena",
    one_copy_missing: "and no copy of its old value is made",
    judged_too_early: "can overflow, and no check of the new values follows",
    one_leaf_not_judged: "may be infinite, and is not checked",
    swapped_by_an_update_that_cannot: "cannot keep the old value of .* in place",
    nothing_judged: "can overflow, and no check of the new values follows",
}


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.__name__)
def test_the_check_refuses(fault):
    with pytest.raises(PlanError, match=FAULTS[fault]):
        check_plan(fault(), program().graph)


def test_every_leaf_that_learns_is_copied_and_judged():
    plan = program().plan
    check_plan(plan, program().graph)
    updates = [n for n in plan.order if OPS[n.op].mutates is not None]
    assert [c.update for c in undo().copies] == updates
    assert not any(c.swapped for c in undo().copies)
    assert undo().last is updates[-1]
    assert set(undo().judged) == {c.leaf for c in undo().copies}


def diverged(plan: Plan | None = None, made: CompiledProgram | None = None) -> bool:
    """Whether the arena takes every value back after a step that overflows."""
    given, made = case(), made or program()
    made = made if plan is None else replace(made, stages=training_stages(Stage(made.graph, plan)))
    trainer = tl.Trainer(made, ArenaDevice(made))
    before = trainer.save()
    try:
        trainer.step(given.x * 1e3, given.y, lr=RATE)
    except DivergedError:
        return trainer.save() == before
    return False


def test_the_arena_takes_all_back():
    assert diverged()


def test_what_the_check_lets_pass_goes_back():
    """Copies at random addresses: where the check finds no fault, no value is lost."""
    rng, plan = random.Random(0), program().plan
    passed = refused = lost = 0
    for _ in range(300):
        copy = rng.choice(undo().copies)
        start = rng.randrange(0, 2 * plan.arena, 8)
        copies = tuple(replace(c, start=start) if c is copy else c for c in undo().copies)
        damaged = replace(changed(copies=copies), arena=3 * plan.arena)
        try:
            check_plan(damaged, program().graph)
        except PlanError:
            refused += 1
            lost += not diverged(damaged)
        else:
            passed += 1
            assert diverged(damaged), copy
    assert passed > 10 and refused > 50 and lost > 10, (passed, refused, lost)


def swapping() -> CompiledProgram:
    """Plain SGD leaves the old values in the place of its gradients, where copies had no room."""
    return learning()


def test_old_values_take_the_place_of_gradients():
    undo, bare = swapping().plan.undo, learning(rollback=False)
    assert undo is not None and all(c.swapped for c in undo.copies)
    params = sum(n.type.nbytes for n in swapping().params)
    assert swapping().plan.arena < bare.plan.arena + params // 2
    for c in undo.copies:
        assert c.start == swapping().plan.offset[c.update.inputs[1]]
    assert diverged(swapping().plan, swapping())


def test_a_gradients_place_that_is_taken_again():
    """Before the step is judged another buffer lies there."""
    plan, undo = swapping().plan, swapping().plan.undo
    assert undo is not None
    named = {n.inputs[0] for n in plan.order if OPS[n.op].alias}
    gradients = {c.update.inputs[1] for c in undo.copies}
    after = plan.order[plan.order.index(undo.copies[0].update) :]
    later = [n for n in after if n in plan.live and n not in named | gradients]
    offset = {**plan.offset, later[0]: undo.copies[0].start}
    bad = replace(plan, arena=plan.arena + 4096, offset=offset)
    with pytest.raises(PlanError, match="overwritten"):
        check_plan(bad, swapping().graph)
    assert not diverged(bad, swapping())


def test_a_swap_elsewhere():
    plan, undo = swapping().plan, swapping().plan.undo
    assert undo is not None
    moved = replace(undo.copies[0], start=undo.copies[0].start + 8)
    bad = replace(plan, undo=replace(undo, copies=(moved, *undo.copies[1:])))
    with pytest.raises(PlanError, match="is not where .* was"):
        check_plan(bad, swapping().graph)


def summed() -> CompiledProgram:
    return learning(accumulate=2)


def test_copies_of_the_sums_stay_while_they_are_applied():
    made = summed()
    assert made.plan.undo is not None
    check_plan(made.stages["apply"].plan, made.stages["apply"].graph)
    assert made.stages["apply"].plan.undo is not None
    assert made.stages["apply"].plan.undo.earlier == made.plan.undo.copies
    lr = next(n for n in made.stages["apply"].plan.offset if n.name == "lr")
    onto = replace(made.plan.undo.copies[0], start=made.stages["apply"].plan.offset[lr])
    others = made.plan.undo.copies[1:]
    undo = replace(made.stages["apply"].plan.undo, earlier=(onto, *others))
    bad = replace(made.stages["apply"].plan, arena=made.stages["apply"].plan.arena + 64, undo=undo)
    with pytest.raises(PlanError, match="overwritten before the check"):
        check_plan(bad, made.stages["apply"].graph)


def test_applying_is_planned_around_what_the_step_keeps():
    """Wherever the copies of the step lie."""
    made = summed()
    assert made.plan.undo is not None
    rng = random.Random(1)
    for _ in range(20):
        at, copies = 0, []
        for c in rng.sample(made.plan.undo.copies, len(made.plan.undo.copies)):
            at += rng.randrange(0, 400, 8)
            copies.append(replace(c, start=at))
            at += -(-c.leaf.type.nbytes // 8) * 8
        step = replace(made.plan, undo=replace(made.plan.undo, copies=tuple(copies)))
        check_plan(plan_apply(made.stages["apply"].graph, step), made.stages["apply"].graph)


def test_integers_and_what_only_shrinks_cannot_overflow():
    model = case().model
    made = tl.compile(
        model, case().x, tl.schemes.bias(model), target="host", precision="int8",
        calibration=[np.random.default_rng(0).normal(size=(8, 3, 6, 6)).astype(np.float32)],
    )  # fmt: skip
    assert made.plan.undo is not None
    names = {n.name for n in made.plan.undo.judged}
    assert names == {"fc.weight", "fc.bias"} & {n.name for n in made.params}
    shrinking = {n.op for n in summed().stages["apply"].plan.order if not can_overflow(n)}
    assert shrinking == {"clear"}
