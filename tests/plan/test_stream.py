"""An input comes in rows, or the compiler says what reads it as a whole: never a third thing."""

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

import trainlet as tl
from trainlet.errors import TrainletError, UnsupportedError

IMAGE = (1, 3, 12, 10)


def convolutions(kernel: int = 3, padding: int = 1) -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(3, 8, kernel, padding=padding), nn.ReLU(), nn.Conv2d(8, 4, 3, padding=1),
        nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 3),
    ).eval()  # fmt: skip


class Two(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.a, self.b = nn.Conv2d(3, 4, 3, padding=1), nn.Conv2d(3, 4, 3, padding=1)
        self.mean, self.head = nn.Linear(3, 3), nn.Linear(4, 3)

    def forward(self, left: Tensor, right: Tensor) -> Tensor:
        return self.head((F.relu(self.a(left)) + F.relu(self.b(right))).mean((2, 3)))


class Mean(Two):
    """Reads the image once more, as a whole."""

    def forward(self, left: Tensor) -> Tensor:
        return self.head(F.relu(self.a(left)).mean((2, 3))) + self.mean(left.mean((2, 3)))


class Gated(Two):
    """Reads the image again after all of it has been seen."""

    def forward(self, left: Tensor) -> Tensor:
        seen = F.relu(self.a(left)).mean((2, 3))[:, :3, None, None]
        return self.head(F.relu(self.b(left * torch.sigmoid(seen))).mean((2, 3)))


@pytest.mark.parametrize("size", [(12, 10), (2, 2), (1, 1)])
@pytest.mark.parametrize("scheme", ["last", "bias", {"2.weight": 1.0}, {"0.bias": 1.0}], ids=str)
def test_it_comes_in_rows(size: tuple[int, int], scheme: str | dict[str, float]) -> None:
    model, x = convolutions(), torch.randn(1, 3, *size)
    rows, whole = (
        tl.compile(model, x, scheme, target="host", stream=stream) for stream in (True, False)
    )
    assert rows.streamed is not None and whole.streamed is None
    with rows.build("sanitized") as a, whole.build("host") as b:
        assert a.step(x, [1]) == b.step(x, [1])
        assert all(np.array_equal(a.state()[k], v) for k, v in b.state().items())


@pytest.mark.parametrize(
    ("model", "shape", "scheme", "why"),
    [
        (convolutions(), IMAGE, "full", "conv2d_dw 0.* in the backward pass.* out of the scheme"),
        (convolutions(), IMAGE, {"0.weight": 0.5}, "in the backward pass.* out of the scheme"),
        (convolutions(), (2, *IMAGE[1:]), "last", "a batch of 2; compile with batch 1"),
        (convolutions(1, 1), IMAGE, "last", "conv2d 0.* does not run on rows"),
        (Mean().eval(), IMAGE, "last", "sum_to mean.* does not run on rows"),
        (Gated().eval(), IMAGE, "last", "mul.* does not run on rows"),
        (nn.Linear(8, 3).eval(), (1, 8), "last", "no map of rows; give an input of four"),
    ],
)
@pytest.mark.parametrize("target", ["host", "cortex-m7"])
def test_it_is_refused(
    model: nn.Module, shape: tuple[int, ...], scheme: object, why: str, target: str
) -> None:
    with pytest.raises(UnsupportedError, match=f"cannot come in rows.*{why}.*without `stream`"):
        tl.compile(model, torch.randn(shape), scheme, target=target, stream=True)  # type: ignore


@pytest.mark.parametrize("name", ["left", "right"])
def test_one_of_two_inputs(name: str) -> None:
    model, x = Two().eval(), {k: torch.randn(IMAGE) for k in ("left", "right")}
    rows = tl.compile(model, tuple(x.values()), "last", target="host", stream=name)
    whole = tl.compile(model, tuple(x.values()), "last", target="host")
    assert rows.streamed is not None and rows.streamed.name == name
    with rows.build("sanitized") as a, whole.build("host") as b:
        assert np.array_equal(a.predict(x), b.predict(x))


def test_no_input_of_that_name() -> None:
    with pytest.raises(TrainletError, match="stream='right': no such input.* one of left"):
        tl.compile(Mean().eval(), torch.randn(IMAGE), "last", target="host", stream="right")


class Deep(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.a, self.c = nn.Conv2d(3, 8, 3, padding=1), nn.Conv2d(8, 8, 3, padding=1)
        self.b, self.head = nn.Conv2d(8, 8, 3, padding=1, groups=8), nn.Linear(8, 3)

    def forward(self, x: Tensor) -> Tensor:
        y = F.hardswish(self.b(F.relu(self.a(x))))
        return self.head(F.hardswish(self.c(y)).mean((2, 3)))


def test_what_reads_the_stream_is_not_made_again() -> None:
    """Where RAM is short other values are."""
    model, x = Deep().eval(), torch.randn(1, 3, 24, 24)
    learns = {"b.weight": 1.0, "c.weight": 1.0, "head.bias": 1.0}
    free = tl.compile(model, x, learns, stream=True, max_recompute=None)
    limit = free.target.stack + free.state_bytes + free.arena_bytes * 3 // 4
    made = tl.compile(model, x, learns, stream=True, max_ram=limit, max_recompute=2)
    assert made.streamed is not None and made.recomputed
    assert not any(made.streamed in n.inputs for n in made.recomputed)


def test_tiles_of_nothing() -> None:
    for model, shape in ((nn.Linear(8, 3).eval(), (1, 8)), (convolutions(), (2, *IMAGE[1:]))):
        with pytest.raises(UnsupportedError, match="tile=True: no operation runs on a few rows"):
            tl.compile(model, torch.randn(shape), "last", target="host", tile=True)
