"""Penalties on what learns: equal to torch, over steps, under every scheme, and in C."""

from __future__ import annotations

import copy
import ctypes
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

import trainlet as tl
from losses.compared import RATE, check_bits, check_step, first_step, perceptron
from trainlet.backends.toolchain import compile_shared
from trainlet.passes.training import differentiate_once, step_of_scheme
from trainlet.run.simulated import OracleDevice

LABELS = torch.tensor([0, 3, 1])
NAMES = ("first.weight", "first.bias", "second.weight", "second.bias")
SCHEMES = {
    "full": dict.fromkeys(NAMES, 1.0),
    "frozen": {"second.weight": 1.0, "first.bias": 1.0},
    "part": {"first.weight": 0.5, "second.weight": 0.25, "second.bias": 1.0},
}


def masks(model: nn.Module, ratios: dict[str, float]) -> dict[str, Tensor]:
    """Ones where a parameter learns: its leading input channels."""
    found = {}
    for name, ratio in ratios.items():
        found[name] = torch.zeros_like(model.get_parameter(name))
        found[name][..., : max(1, int(found[name].shape[-1] * ratio + 0.5))] = 1
    return found


def l2(model: nn.Module, weight: float, learns: dict[str, Tensor]) -> Tensor:
    squares = [(m * model.get_parameter(n)).square().sum() for n, m in learns.items()]
    return weight / 2 * torch.stack(squares).sum()


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("target", ["host", "cortex-m7"])
def test_l2_covers_what_learns(scheme: str, target: str) -> None:
    model, x = perceptron()
    learns = masks(model, SCHEMES[scheme])
    program = tl.compile(
        model, x, SCHEMES[scheme], target=target, loss=["cross_entropy", tl.L2(0.3)]
    )
    total = lambda: F.cross_entropy(model(x), LABELS) + l2(model, 0.3, learns)  # noqa: E731
    check_step(program, x, LABELS, *first_step(model, learns, total))
    check_bits(program, x, LABELS)


def test_l2_is_the_weight_decay_of_torch_s_sgd() -> None:
    model, x = perceptron()
    program = tl.compile(model, x, "full", target="host", loss=["cross_entropy", tl.L2(0.2)])
    trainer = tl.Trainer(program, OracleDevice(program))
    own = copy.deepcopy(model)
    optimizer = torch.optim.SGD(own.parameters(), RATE, weight_decay=0.2)
    for _ in range(4):
        optimizer.zero_grad()
        F.cross_entropy(own(x), LABELS).backward()
        optimizer.step()
        trainer.step(x, LABELS, RATE)
    for name, array in trainer.state().items():
        wanted = own.get_parameter(name).detach().numpy()
        np.testing.assert_allclose(array, wanted, rtol=1e-5, atol=1e-6)


def test_l2_of_some_parameters() -> None:
    model, x = perceptron()
    chosen = ("second.weight", "first.weight")  # the second is frozen: left out
    losses = ["cross_entropy", tl.L2(0.3, chosen)]
    program = tl.compile(model, x, SCHEMES["frozen"], target="host", loss=losses)
    learns = masks(model, SCHEMES["frozen"])
    covered = {"second.weight": learns["second.weight"]}
    total = lambda: F.cross_entropy(model(x), LABELS) + l2(model, 0.3, covered)  # noqa: E731
    check_step(program, x, LABELS, *first_step(model, learns, total))


@pytest.mark.parametrize("scheme", SCHEMES)
def test_fedprox_over_steps_with_a_new_anchor(scheme: str) -> None:
    """Of what torch computes, in two rounds: the anchor is set between them."""
    model, x = perceptron()
    losses = ["cross_entropy", tl.Proximal(0.5)]
    program = tl.compile(model, x, SCHEMES[scheme], target="host", loss=losses)
    own = copy.deepcopy(model)
    learns = masks(own, SCHEMES[scheme])
    with program.build("host") as trainer:
        for _ in range(2):
            anchor = {n: own.get_parameter(n).detach().clone() for n in learns}
            trainer.set_anchor()
            for _ in range(3):
                loss = F.cross_entropy(own(x), LABELS)
                for name, mask in learns.items():
                    apart = mask * (own.get_parameter(name) - anchor[name])
                    loss = loss + 0.25 * apart.square().sum()
                own.zero_grad()
                loss.backward()
                with torch.no_grad():
                    for name, mask in learns.items():
                        p = own.get_parameter(name)
                        assert p.grad is not None
                        p -= RATE * mask * p.grad
                found = trainer.step(x, LABELS, RATE)
                np.testing.assert_allclose(found, loss.item(), rtol=2e-5)
        for name, array in trainer.state().items():
            wanted = own.get_parameter(name).detach().numpy()
            np.testing.assert_allclose(array, wanted, rtol=1e-5, atol=3e-6)


def test_the_anchor_is_saved_and_starts_as_the_parameter() -> None:
    model, x = perceptron()
    losses = [tl.Loss("cross_entropy"), tl.L2(0.1), tl.Proximal(0.5)]
    program = tl.compile(model, x, SCHEMES["part"], target="cortex-m7", loss=losses, accumulate=2)
    parameters = sum(n.type.nbytes for n in program.params)
    assert sum(n.type.nbytes for n in program.states) == 2 * parameters  # anchors, sums
    check_bits(program, x, LABELS, "host", "unicorn")
    with program.build("host") as trainer, program.build("sanitized") as other:
        trainer.step(x, LABELS, RATE)
        other.load(trainer.save())
        assert trainer.step(x, LABELS, RATE) == other.step(x, LABELS, RATE)


def test_the_anchor_in_c(tmp_path: Path) -> None:
    model, x = perceptron()
    program = tl.compile(model, x, "last", target="host", loss=["mse", tl.Proximal(0.5)])
    folder = program.write(tmp_path / "out")
    (folder / "moved.c").write_text(
        '#include "trainer.c"\n'
        "int moved(void) {\n"
        "  trainer_init();\n"
        "  trainer__state.p_second_bias[1] = 7.0f;\n"
        "  const int before = trainer__state.p_second_bias_anchor[1] != 7.0f;\n"
        "  trainer_set_anchor();\n"
        "  return before && trainer__state.p_second_bias_anchor[1] == 7.0f;\n"
        "}\n"
    )
    compile_shared([folder / "moved.c"], tmp_path / "moved.so", f"-I{folder}")
    assert ctypes.CDLL(str(tmp_path / "moved.so")).moved() == 1


def test_one_differentiated_graph_serves_penalties_of_every_scheme() -> None:
    model, x = perceptron()
    graph, every = tl.prepare(model, x), tl.UpdateScheme(dict.fromkeys(NAMES, 1.0))
    whole = differentiate_once(graph, every, [tl.Loss("mse")])
    for ratios in SCHEMES.values():
        scheme = tl.UpdateScheme(ratios)
        step = step_of_scheme(whole, scheme, tl.SGD(), penalties=[tl.L2(0.1)])
        own = tl.train(graph, scheme, loss=["mse", tl.L2(0.1)]).step
        assert sorted(n.op for n in step.nodes()) == sorted(n.op for n in own.nodes())


class Folded(nn.Module):
    """The trained beta of the norm lies beside the constant that folding leaves."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.norm = nn.Conv2d(2, 3, 3), nn.BatchNorm2d(3)
        self.fc = nn.Linear(3, 4)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc(self.norm(self.conv(x)).relu().mean((2, 3)))


@pytest.mark.parametrize("penalty", [tl.L2(0.7), tl.Proximal(0.7)])
def test_a_penalty_is_of_the_user_s_value(penalty: tl.L2 | tl.Proximal) -> None:
    torch.manual_seed(0)
    model, x = Folded().eval(), torch.randn(3, 2, 6, 6)
    with torch.no_grad():
        model.norm.get_buffer("running_mean").copy_(torch.tensor([0.5, -1.0, 2.0]))
        model.norm.bias.copy_(torch.tensor([0.3, 0.1, 0.2]))
    learns = {name: torch.ones_like(model.get_parameter(name)) for name in ("norm.bias", "fc.bias")}
    program = tl.compile(
        model, x, dict.fromkeys(learns, 1.0), target="host", loss=["cross_entropy", penalty]
    )

    def total() -> Tensor:
        loss = F.cross_entropy(model(x), LABELS)
        return loss + l2(model, 0.7, learns) if isinstance(penalty, tl.L2) else loss

    check_step(program, x, LABELS, *first_step(model, learns, total))
    found = tl.check(model, x, dict.fromkeys(learns, 1.0), loss=["cross_entropy", penalty])
    assert found.same, found


@pytest.mark.parametrize("scheme", SCHEMES)
def test_check_understands_terms(scheme: str) -> None:
    model, x = perceptron()
    losses = [
        tl.Loss("cross_entropy", weight=0.5), tl.Loss("mse", target="goal"), tl.L2(0.3),
        tl.Proximal(0.2, ("second.weight",)),
    ]  # fmt: skip
    assert tl.check(model, x, SCHEMES[scheme], loss=losses).same
    y = {"target": LABELS.numpy(), "goal": np.ones((3, 4), np.float32)}
    assert tl.check(model, x, SCHEMES[scheme], loss=losses, x=x.numpy(), y=y).same


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: tl.L2(0.0), "the weight of L2 is 0.0; allowed: a number above 0"),
        (lambda: tl.Proximal(float("inf")), "the weight of Proximal is inf"),
        (lambda: tl.L2(1.0, "fc.bias"), "the parameters of L2 are 'fc.bias'"),  # type: ignore
    ],
)
def test_penalties_that_make_no_sense(make, message: str) -> None:
    with pytest.raises(tl.TrainletError, match=message):
        make()


def test_a_parameter_that_does_not_exist() -> None:
    model, x = perceptron()
    with pytest.raises(tl.errors.SchemeError, match="'second.weigth'; did you mean"):
        tl.compile(model, x, "full", target="host", loss=["mse", tl.L2(1.0, ("second.weigth",))])
    program = tl.compile(model, x, "last", target="host", loss="mse")
    with pytest.raises(tl.TrainletError, match="no parameter has an anchor"):
        tl.Trainer(program, OracleDevice(program)).set_anchor()


def test_integers_take_no_penalty_but_their_float_head_does() -> None:
    model, x = perceptron()
    options = {"target": "host", "precision": "int8", "calibration": [x]}
    learns = {"first.bias": 1.0, "second.weight": 1.0, "second.bias": 1.0}
    with pytest.raises(tl.errors.UnsupportedError, match="'first.bias', which is trained as int32"):
        tl.compile(model, x, learns, loss=["cross_entropy", tl.L2(0.1)], **options)  # type: ignore
    head = tl.L2(0.1, ("second.weight", "second.bias"))
    losses = [tl.Loss("cross_entropy", weight=0.5), tl.Loss("mse", target="goal"), head]
    program = tl.compile(model, x, learns, loss=losses, **options)  # type: ignore[call-overload]
    y = {"target": LABELS, "goal": torch.ones(3, 4)}
    check_bits(program, x, y)
    with_head = tl.compile(model, x, "last", loss=losses, **options)  # type: ignore[call-overload]
    check_bits(with_head, x, y)
