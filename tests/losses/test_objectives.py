"""Several losses of one output, their weights and targets, a teacher: equal to torch, and in C."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
import torch
import torch.nn.functional as F

import trainlet as tl
from losses.compared import check_bits, check_step, first_step, perceptron

LABELS = torch.tensor([0, 3, 1])
GOAL = torch.rand(3, 4, generator=torch.Generator().manual_seed(1))
TEACHER = 3 * torch.randn(3, 4, generator=torch.Generator().manual_seed(2))


def distilled(z: torch.Tensor, temperature: float) -> torch.Tensor:
    """Hinton et al.: the cross-entropy with the teacher's soft labels, less their entropy."""
    soft = F.softmax(TEACHER / temperature, 1)
    own = F.log_softmax(z / temperature, 1)
    return temperature**2 * (soft * (soft.log() - own)).sum(1).mean()


TOTALS = {
    "weighted": ([tl.Loss("mse", weight=0.25)], GOAL, lambda z: 0.25 * F.mse_loss(z, GOAL)),
    "one target": (
        [tl.Loss("mse", weight=2.0), tl.Loss("bce_with_logits")],
        GOAL,
        lambda z: 2 * F.mse_loss(z, GOAL) + F.binary_cross_entropy_with_logits(z, GOAL),
    ),
    "two targets": (
        ["cross_entropy", tl.Loss("mse", weight=0.5, target="goal")],
        {"target": LABELS, "goal": GOAL},
        lambda z: F.cross_entropy(z, LABELS) + 0.5 * F.mse_loss(z, GOAL),
    ),
    "teacher": (
        [
            tl.Loss("cross_entropy", 0.1, weight=0.3),
            tl.Loss("distillation", weight=0.7, temperature=4.0, target="teacher"),
        ],
        {"teacher": TEACHER, "target": LABELS},
        lambda z: 0.3 * F.cross_entropy(z, LABELS, label_smoothing=0.1) + 0.7 * distilled(z, 4.0),
    ),
    "teacher alone": (
        tl.Loss("distillation", temperature=2.0, target="teacher"),
        TEACHER,
        lambda z: distilled(z, 2.0),
    ),
}
FULL: dict[str, float] = dict.fromkeys(
    ("first.weight", "first.bias", "second.weight", "second.bias"), 1.0
)


@pytest.mark.parametrize("name", TOTALS)
@pytest.mark.parametrize("target", ["host", "cortex-m7"])
def test_a_step_of_several_losses_is_torch_s(name: str, target: str) -> None:
    model, x = perceptron()
    loss, y, total = TOTALS[name]
    program = tl.compile(model, x, "full", target=target, loss=loss)
    check_step(program, x, y, *first_step(model, FULL, lambda: total(model(x))))
    check_bits(program, x, y)


def test_two_targets_on_the_emulated_core() -> None:
    model, x = perceptron()
    loss, y, _ = TOTALS["teacher"]
    check_bits(tl.compile(model, x, "full", target="cortex-m7", loss=loss), x, y, "unicorn")


def test_targets_come_in_the_order_of_the_losses() -> None:
    model, x = perceptron()
    loss, y, _ = TOTALS["teacher"]
    program = tl.compile(model, x, "last", target="host", loss=loss)
    given = y["target"], y["teacher"]
    by_name, in_order = (tl.evaluate(program, x, targets)[0] for targets in (y, given))
    assert by_name == in_order
    with pytest.raises(tl.errors.DataError, match="found 1 arrays"):
        tl.evaluate(program, x, [y["target"]])
    with pytest.raises(tl.errors.DataError, match=r"read the targets \['target', 'teacher'\]"):
        tl.evaluate(program, x, {"target": y["target"]})
    with pytest.raises(tl.errors.DataError, match="the target 'teacher' has 3 values"):
        tl.evaluate(program, x, (y["target"], y["target"]))


def test_targets_in_the_c_api() -> None:
    model, x = perceptron()
    losses = [tl.Loss("mse", target=name) for name in ("goal", "a*/ b", "A b", "int", "target")]
    program = tl.compile(model, x, "last", target="host", loss=losses)
    y = {name: GOAL * k for k, name in enumerate(("goal", "a*/ b", "A b", "int", "target"))}
    check_bits(program, x, y, "host", "sanitized")


@pytest.mark.parametrize(
    ("loss", "message"),
    [
        ([], r"loss=\[\] has no loss; allowed: cross_entropy, mse"),
        ([tl.L2(1.0)], "has no loss"),
        ([object()], "allowed: cross_entropy, mse.*or a list of these"),
        (
            ["mse", "cross_entropy"],
            "as float32.3,4. and, for .cross_entropy., as int32.3.",
        ),
        (tl.Loss("mse", output="age"), "reads the output 'age'; the .* outputs: 'logits'"),
    ],
)
def test_what_does_not_go_together(loss: object, message: str) -> None:
    model, x = perceptron()
    with pytest.raises(tl.TrainletError, match=message):
        tl.compile(model, x, "last", target="host", loss=loss)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"weight": np.nan}, "the weight of a loss is nan"),
        ({"temperature": 2.0}, "temperature applies only to the loss 'distillation'"),
        ({"output": ""}, "the output of a loss is ''"),
        ({"target": None}, "the target of a loss is None"),
    ],
)
def test_options_of_a_loss(options: dict, message: str) -> None:
    with pytest.raises(tl.TrainletError, match=message):
        tl.Loss("mse", **options)


def test_a_plain_loss_adds_no_operation() -> None:
    model, x = perceptron()
    one, other = (
        tl.train(tl.prepare(model, x), "full", loss=loss)
        for loss in ("cross_entropy", [tl.Loss("cross_entropy", weight=1.0)])
    )
    assert tl.plan(one).graph.outputs.keys() == tl.plan(other).graph.outputs.keys()
    assert [n.op for n in one.step.nodes()] == [n.op for n in other.step.nodes()]


@pytest.mark.parametrize(("loss", "warned"), [("cross_entropy", True), ("mse", False)])
def test_warns_of_a_second_softmax(loss, warned):
    model, x = perceptron()
    model = torch.nn.Sequential(model, torch.nn.Softmax(1))
    with warnings.catch_warnings(record=True) as found:
        warnings.simplefilter("always")
        tl.compile(model, (x,), "full", target="host", loss=loss)
    assert any("'logits' is a softmax" in str(w.message) for w in found) == warned
