"""Every kind of loss: value, gradients and first update as torch's; the C as the oracle."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

import trainlet as tl
from losses.compared import check_bits, check_step, first_step, perceptron
from trainlet.run.fit import mean_loss

LABELS = torch.tensor([0, 3, 1])
SOME = torch.tensor([0, -100, 1])
GOAL = torch.rand(3, 4, generator=torch.Generator().manual_seed(1))
WEIGHTS = (0.5, 2.0, 1.0, 3.0)
FULL = dict.fromkeys(("first.weight", "first.bias", "second.weight", "second.bias"), 1.0)
Total = Callable[[Tensor], Tensor]
KINDS: dict[str, tuple[object, Tensor, Total]] = {
    "l1": ("l1", GOAL, lambda z: F.l1_loss(z, GOAL)),
    "huber": (nn.HuberLoss(delta=0.3), GOAL, lambda z: F.huber_loss(z, GOAL, delta=0.3)),
    "smooth_l1": (
        tl.Loss("smooth_l1", beta=0.4, weight=2.0),
        GOAL,
        lambda z: 2 * F.smooth_l1_loss(z, GOAL, beta=0.4),
    ),
    "class weights": (
        nn.CrossEntropyLoss(weight=torch.tensor(WEIGHTS)),
        LABELS,
        lambda z: F.cross_entropy(z, LABELS, weight=torch.tensor(WEIGHTS)),
    ),
    "ignored": (
        tl.Loss("cross_entropy", ignore_index=-100, class_weights=WEIGHTS),
        SOME,
        lambda z: F.cross_entropy(z, SOME, weight=torch.tensor(WEIGHTS)),
    ),
    "a class is ignored": (
        nn.CrossEntropyLoss(ignore_index=3),
        LABELS,
        lambda z: F.cross_entropy(z, LABELS, ignore_index=3),
    ),
}


@pytest.mark.parametrize("name", KINDS)
def test_a_loss_of_one_output(name: str) -> None:
    model, x = perceptron()
    loss, y, total = KINDS[name]
    program = tl.compile(model, x, "full", target="cortex-m7", loss=loss)  # type: ignore[arg-type]
    check_step(program, x, y, *first_step(model, FULL, lambda: total(model(x))))
    check_bits(program, x, y)
    assert tl.check(model, x, "last", loss=loss).same  # type: ignore[arg-type]
    z = model(x).detach()
    found = mean_loss(program.losses, {"logits": z.numpy()}, {"target": y.numpy()})
    np.testing.assert_allclose(found, total(z), rtol=1e-5)


class LogProbabilities(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(6, 4)

    def forward(self, x: Tensor) -> Tensor:
        return F.log_softmax(self.fc(x), dim=1)


@pytest.mark.parametrize("weights", [None, WEIGHTS])
def test_nll_of_log_probabilities(weights: tuple[float, ...] | None) -> None:
    torch.manual_seed(0)
    model, x = LogProbabilities(), torch.randn(3, 6)
    given = None if weights is None else torch.tensor(weights)
    program = tl.compile(model, x, "full", target="host", loss=nn.NLLLoss(weight=given))  # type: ignore[arg-type]
    names = {"fc.weight": 1.0, "fc.bias": 1.0}
    total = lambda: F.nll_loss(model(x), LABELS, given)  # noqa: E731
    check_step(program, x, LABELS, *first_step(model, names, total))
    check_bits(program, x, LABELS)


class Segmentation(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv, self.head = nn.Conv2d(2, 4, 3, padding=1), nn.Conv2d(4, 3, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.conv(x).relu())


PIXELS = torch.randint(3, (2, 5, 6), generator=torch.Generator().manual_seed(3))
HOLES = torch.where(torch.rand(2, 5, 6, generator=torch.Generator().manual_seed(4)) < 0.3, 255,
                    PIXELS)  # fmt: skip


@pytest.mark.parametrize("precision", ["float32", "int8"])
@pytest.mark.parametrize("holes", [False, True])
def test_cross_entropy_of_every_pixel(precision: str, holes: bool) -> None:
    torch.manual_seed(0)
    model, x = Segmentation(), torch.randn(2, 2, 5, 6)
    y = HOLES if holes else PIXELS
    loss = tl.Loss("cross_entropy", ignore_index=255 if holes else None)
    options = {"precision": precision, "calibration": [x]} if precision == "int8" else {}
    program = tl.compile(model, x, "full", target="cortex-m7", loss=loss, **options)  # type: ignore
    assert program.targets[0].type.shape == (2, 5, 6)
    check_bits(program, x, y)
    if precision == "float32":
        names = dict.fromkeys(("conv.weight", "conv.bias", "head.weight", "head.bias"), 1.0)
        total = lambda: F.cross_entropy(model(x), y, ignore_index=255)  # noqa: E731
        check_step(program, x, y, *first_step(model, names, total))


@pytest.mark.parametrize("loss", ["cross_entropy", "nll"])
def test_logits_without_a_batch_are_refused(loss: str) -> None:
    with pytest.raises(tl.errors.ShapeError, match=r"allowed: logits \[N,C\]"):
        tl.compile(torch.nn.Linear(8, 4), torch.zeros(8), "full", loss=loss)


def test_labels_out_of_range_are_refused_beside_those_that_are_ignored() -> None:
    torch.manual_seed(0)
    model, x = Segmentation(), torch.randn(2, 2, 5, 6)
    loss = tl.Loss("cross_entropy", ignore_index=255)
    program = tl.compile(model, x, "last", target="host", loss=loss)
    with program.build("host") as trainer:
        before = trainer.save()
        with pytest.raises(tl.errors.DataError, match="allowed: 0..2, or 255: ignored"):
            trainer.step(x, torch.full((2, 5, 6), 3))
        with pytest.raises(tl.errors.DataError, match="not a class"):
            trainer.device.step({"x": x.numpy()}, torch.full((2, 5, 6), 3).numpy(), 0.1)
        with pytest.raises(tl.errors.DivergedError):  # as torch, whose mean is NaN
            trainer.step(x, torch.full((2, 5, 6), 255))
        assert trainer.save() == before


class Embedding(nn.Module):
    """One network, read several times: its layers are shared."""

    def __init__(self) -> None:
        super().__init__()
        self.f = nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(4 * 16, 5))


class Two(Embedding):
    def forward(self, a: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
        return self.f(a), self.f(b)


class Three(Embedding):
    def forward(self, a: Tensor, b: Tensor, c: Tensor) -> dict[str, Tensor]:
        return {"a": self.f(a), "p": self.f(b), "n": self.f(c)}


PAIR = torch.tensor([1.0, 0.0, 1.0])
SIGN = torch.tensor([1.0, -1.0, -1.0])


def contrastive(a: Tensor, b: Tensor, margin: float) -> Tensor:
    d = F.pairwise_distance(a, b)
    return (PAIR * d**2 + (1 - PAIR) * F.relu(margin - d) ** 2).mean() / 2


METRIC: dict[str, tuple[type[Embedding], tl.Loss, object, Callable[..., Tensor]]] = {
    "triplet": (
        Three,
        tl.Loss("triplet_margin", output=("a", "p", "n"), margin=0.5),
        None,
        lambda made: F.triplet_margin_loss(made["a"], made["p"], made["n"], margin=0.5),
    ),
    "contrastive": (
        Two,
        tl.Loss("contrastive", output=("0", "1"), margin=1.5),
        PAIR,
        lambda made: contrastive(made[0], made[1], 1.5),
    ),
    "cosine": (
        Two,
        tl.Loss("cosine_embedding", output=("0", "1"), margin=0.1),
        SIGN,
        lambda made: F.cosine_embedding_loss(made[0], made[1], SIGN, margin=0.1),
    ),
}


@pytest.mark.parametrize("name", METRIC)
@pytest.mark.parametrize("precision", ["float32", "int8"])
def test_a_loss_of_embeddings_of_shared_layers(name: str, precision: str) -> None:
    torch.manual_seed(0)
    kind, loss, y, total = METRIC[name]
    model = kind().eval()
    x = tuple(torch.randn(3, 1, 6, 6) for _ in range(3 if kind is Three else 2))
    options = {"precision": precision, "calibration": [x]} if precision == "int8" else {}
    program = tl.compile(model, x, "full", target="cortex-m7", loss=loss, **options)  # type: ignore
    targets = {} if y is None else y
    check_bits(program, x, targets, "host", *(["unicorn"] if name == "triplet" else []))
    if precision == "float32":
        names = dict.fromkeys((n for n, _ in model.named_parameters()), 1.0)
        check_step(program, x, targets, *first_step(model, names, lambda: total(model(*x))))
        assert tl.check(model, x, "bias", loss=loss).same


class OwnLoss(nn.Module):
    """The loss is part of the model, written in torch: a smooth form of the absolute error."""

    def __init__(self, both: bool) -> None:
        super().__init__()
        self.fc, self.both = nn.Linear(6, 4), both

    def forward(self, x: Tensor, y: Tensor) -> dict[str, Tensor] | Tensor:
        z = self.fc(x)
        loss = ((z - y).square() + 1).sqrt().mean() - 1
        return {"loss": loss, "logits": z} if self.both else loss


@pytest.mark.parametrize("both", [True, False])
def test_a_user_s_own_loss_is_exported_with_the_model(both: bool) -> None:
    torch.manual_seed(0)
    model, x = OwnLoss(both), torch.randn(3, 6)
    loss = tl.Loss("output", output="loss" if both else None)
    program = tl.compile(model, (x, GOAL), "full", target="host", loss=loss)
    names = {"fc.weight": 1.0, "fc.bias": 1.0}

    def total() -> Tensor:
        made = model(x, GOAL)
        return made["loss"] if isinstance(made, dict) else made

    check_step(program, (x, GOAL), {}, *first_step(model, names, total))
    check_bits(program, (x, GOAL), {})
    shapes = {name: n.type.shape for name, n in program.outputs.items()}
    assert shapes == {"logits": (3, 4) if both else ()}


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: tl.Loss("triplet_margin"), "reads 3 outputs, a tuple of their names"),
        (lambda: tl.Loss("mse", output=("a", "b")), "reads one output"),
        (lambda: tl.Loss("mse", margin=1.0), "margin applies only to the loss 'triplet_margin', "),
        (lambda: tl.Loss("huber", delta=0.0), "delta 0.0 is not in"),
        (lambda: tl.Loss("nll", class_weights=(1.0, -1.0)), "class_weights .* numbers from 0"),
        (lambda: tl.Loss("nll", ignore_index=1.5), "ignore_index=1.5"),  # type: ignore[arg-type]
        (lambda: tl.Loss("cross_entropy", 0.1, ignore_index=0), "label_smoothing goes without"),
    ],
)
def test_options_that_do_not_go_together(make: Callable[[], tl.Loss], message: str) -> None:
    with pytest.raises(tl.TrainletError, match=message):
        make()


def test_class_weights_of_another_number_of_classes() -> None:
    model, x = perceptron()
    with pytest.raises(tl.TrainletError, match="2 class weights of 4 classes"):
        loss = tl.Loss("cross_entropy", class_weights=(1.0, 2.0))
        tl.compile(model, x, "last", target="host", loss=loss)


SOFT = torch.softmax(GOAL, 1)
WRITTEN: dict[str, tuple[Tensor, Callable[[Tensor, Tensor], Tensor]]] = {
    "labels": (LABELS, lambda z, y: F.cross_entropy(z, y, label_smoothing=0.1)),
    "an ignored class": (LABELS, lambda z, y: F.cross_entropy(z, y, ignore_index=3)),
    "weights": (LABELS, lambda z, y: F.nll_loss(z.log_softmax(1), y, torch.tensor(WEIGHTS))),
    "soft labels": (SOFT, lambda z, y: F.cross_entropy(z, y, label_smoothing=0.2)),
    "huber": (GOAL, lambda z, y: F.huber_loss(z, y, delta=0.3) + F.l1_loss(z, y)),
    "both": (LABELS, lambda z, y: F.cross_entropy(z, y) * 0.5 + z.square().mean()),
}


class Written(nn.Module):
    def __init__(self, loss: Callable[[Tensor, Tensor], Tensor]) -> None:
        super().__init__()
        self.fc, self.loss = nn.Linear(6, 4), loss

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        return self.loss(self.fc(x), y)


@pytest.mark.parametrize("name", WRITTEN)
def test_torch_s_losses_in_forward(name: str) -> None:
    torch.manual_seed(0)
    y, loss = WRITTEN[name]
    model, x = Written(loss), torch.randn(3, 6)
    program = tl.compile(model, (x, y), "full", target="host", loss="output")
    names = {"fc.weight": 1.0, "fc.bias": 1.0}
    check_step(program, (x, y), {}, *first_step(model, names, lambda: model(x, y)))
    if name != "soft labels":  # functions of elements are compared in their own tests
        check_bits(program, (x, y), {})


def test_labels_in_forward_are_checked() -> None:
    model, x = Written(WRITTEN["labels"][1]), torch.randn(3, 6)
    program = tl.compile(model, (x, LABELS), "full", target="host", loss="output")
    with pytest.raises(tl.errors.DataError, match="0..3"), program.build("host") as trainer:
        trainer.step((x, LABELS + 1), {})
