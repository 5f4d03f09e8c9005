"""Networks of several outputs: a loss on each, one of them, and what they are called."""

from __future__ import annotations

import warnings
from typing import NamedTuple

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

import trainlet as tl
from losses.compared import check_bits, check_step, first_step

LABELS = torch.tensor([0, 3, 1])
AGE = torch.tensor([[0.2], [1.5], [0.7]])


class TwoHeads(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.trunk = nn.Sequential(nn.Conv2d(2, 4, 3), nn.BatchNorm2d(4), nn.ReLU())
        self.gender, self.age = nn.Linear(4, 4), nn.Linear(4, 1)

    def heads(self, x: Tensor) -> tuple[Tensor, Tensor]:
        features = self.trunk(x).mean((2, 3))
        return self.gender(features), self.age(features)


class InTuple(TwoHeads):
    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        return self.heads(x)


class InDict(TwoHeads):
    """With what no loss reads: integers, and an operator that is not supported."""

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        gender, age = self.heads(x)
        return {"class": gender.argmax(1), "gender": gender, "age": age, "other": age.erfinv()}


class Pair(NamedTuple):
    gender: Tensor
    age: Tensor


class InFields(TwoHeads):
    def forward(self, x: Tensor) -> Pair:
        return Pair(*self.heads(x))


NAMES = {InTuple: ("0", "1"), InDict: ("gender", "age"), InFields: ("gender", "age")}


def network(kind: type[TwoHeads]) -> tuple[TwoHeads, Tensor]:
    torch.manual_seed(0)
    return kind().eval(), torch.randn(3, 2, 6, 6)


def both(kind: type[TwoHeads]) -> list[tl.Loss]:
    gender, age = NAMES[kind]
    return [
        tl.Loss("cross_entropy", output=gender, target="gender", weight=0.5),
        tl.Loss("mse", output=age, target="age"),
    ]


Y = {"gender": LABELS, "age": AGE}


def total(model: TwoHeads, x: Tensor) -> Tensor:
    gender, age = model.heads(x)
    return 0.5 * F.cross_entropy(gender, LABELS) + F.mse_loss(age, AGE)


@pytest.mark.parametrize("kind", NAMES, ids=lambda k: k.__name__)
def test_a_loss_on_each_output(kind: type[TwoHeads]) -> None:
    model, x = network(kind)
    program = tl.compile(model, x, "full", target="cortex-m7", loss=both(kind))
    names = dict.fromkeys((name for name, _ in model.named_parameters()), 1.0)
    check_step(program, x, Y, *first_step(model, names, lambda: total(model, x)))
    check_bits(program, x, Y)
    made = tl.Trainer(program, tl.run.simulated.OracleDevice(program)).predict(x)
    gender, age = model.heads(x)
    assert list(made) == list(NAMES[kind])
    np.testing.assert_allclose(made[NAMES[kind][0]], gender.detach(), rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(made[NAMES[kind][1]], age.detach(), rtol=1e-5, atol=1e-5)
    assert tl.check(model, x, "bias", loss=both(kind)).same


@pytest.mark.parametrize("output", ["gender", "age", None])
def test_one_output_alone_is_the_logits(output: str | None) -> None:
    """The others are not even imported; a loss that names none is of the first."""
    model, x = network(InDict)
    kind, y = ("mse", AGE) if output == "age" else ("cross_entropy", LABELS)
    program = tl.compile(model, x, "last", target="host", loss=tl.Loss(kind, output=output))
    assert list(program.outputs) == ["logits"]
    head = "age" if output == "age" else "gender"
    assert [p.name for p in program.params] == [f"{head}.weight", f"{head}.bias"]
    names = dict.fromkeys((p.name for p in program.params), 1.0)

    def one() -> Tensor:
        gender, age = model.heads(x)
        return F.mse_loss(age, AGE) if output == "age" else F.cross_entropy(gender, LABELS)

    check_step(program, x, y, *first_step(model, names, one))


@pytest.mark.parametrize(("kind", "prepared"), [(InDict, False), (InTuple, True)])
def test_a_loss_that_names_none_of_several_outputs_says_which_it_reads(
    kind: type[TwoHeads], prepared: bool
) -> None:
    model, x = network(kind)
    first, other = NAMES[kind]
    said = f"reads the first, '{first}'; say so: Loss\\('mse', output='{first}'\\), or name"
    given = tl.prepare(model, x) if prepared else model
    with pytest.warns(UserWarning, match=said):
        tl.compile(given, x, "last", target="host", loss="mse")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        tl.compile(given, x, "last", target="host", loss=tl.Loss("mse", output=other))


def test_an_unknown_output_is_refused_with_their_names() -> None:
    model, x = network(InFields)
    said = "reads the output 'sex'; the network's outputs: 'gender', 'age'"
    with pytest.raises(tl.TrainletError, match=said):
        tl.compile(model, x, "last", target="host", loss=tl.Loss("mse", output="sex"))


def test_a_prepared_graph_keeps_all_outputs() -> None:
    model, x = network(InTuple)
    graph = tl.prepare(model, x)
    assert list(tl.forward(graph, x)) == ["0", "1"]
    for loss, count in ((tl.Loss("mse", output=1), 1), (both(InTuple), 2)):
        assert len(tl.plan(tl.train(graph, "full", loss=loss), "host").outputs) == count


@pytest.mark.parametrize("loss", [both(InDict), both(InDict)[1]])
def test_int8_keeps_each_head_in_float32(loss: tl.Loss | list[tl.Loss]) -> None:
    model, x = network(InDict)
    shown = [np.random.default_rng(k).standard_normal((8, 2, 6, 6)) for k in range(2)]
    program = tl.compile(
        model, x, "bias", target="cortex-m7", loss=loss, precision="int8", calibration=shown
    )
    heads = {p.name for p in program.params if p.type.dtype == "float32"}
    assert heads >= {"age.weight", "age.bias"}
    assert ("gender.weight" in heads) == isinstance(loss, list)
    check_bits(program, x, Y if isinstance(loss, list) else AGE)


def test_names_of_outputs_are_safe_in_c() -> None:
    class Odd(InTuple):
        def forward(self, x: Tensor) -> dict[str, Tensor]:  # type: ignore[override]
            a, b = self.heads(x)
            return {"*/ evil": a, "EVIL": b, "loss": a + 1, "logits": b * 2}

    model, x = network(Odd)
    names = ("*/ evil", "EVIL", "loss", "logits")
    losses = [tl.Loss("mse", output=name, target=name) for name in names]
    program = tl.compile(model, x, "last", target="host", loss=losses)
    y = dict(zip(names, [torch.ones(3, 4), AGE, torch.zeros(3, 4), AGE], strict=True))
    check_bits(program, x, y, "host", "sanitized")


def test_two_heads_on_the_emulated_core() -> None:
    model, x = network(InDict)
    program = tl.compile(model, x, "bias", target="cortex-m7", loss=both(InDict))
    check_bits(program, x, Y, "unicorn")


def test_inputs_in_order() -> None:
    class Two(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.fc = nn.Linear(3, 4)

        def forward(self, b: Tensor, a: Tensor) -> Tensor:
            return self.fc(b - 2 * a)

    torch.manual_seed(0)
    a, b = torch.randn(3, 3), torch.randn(3, 3)
    program = tl.compile(Two(), (b, a), "last", target="host")
    named, ordered = (tl.evaluate(program, x, LABELS)[0] for x in ({"a": a, "b": b}, (b, a)))
    assert named == ordered
