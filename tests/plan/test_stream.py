"""An input comes in rows, or the compiler says what reads it as a whole: never a third thing."""

import subprocess
from pathlib import Path

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


class Layers(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.a, self.b = nn.Conv2d(3, 4, 3, padding=1), nn.Conv2d(3, 4, 3, padding=1)
        self.mean, self.head = nn.Linear(3, 3), nn.Linear(4, 3)


class Two(Layers):
    def forward(self, left: Tensor, right: Tensor) -> Tensor:
        return self.head((F.relu(self.a(left)) + F.relu(self.b(right))).mean((2, 3)))


class Mean(Layers):
    """Reads the image once more, as a whole."""

    def forward(self, left: Tensor) -> Tensor:
        return self.head(F.relu(self.a(left)).mean((2, 3))) + self.mean(left.mean((2, 3)))


class Gated(Layers):
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


def strided(classes: int = 3) -> nn.Module:
    """The image is the largest map, as it is in networks for microcontrollers."""
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(3, 8, 3, 2, 1), nn.ReLU(), nn.Conv2d(8, 4, 3, 2, 1), nn.ReLU(),
        nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, classes),
    ).eval()  # fmt: skip


def test_rows_come_by_themselves_where_they_save_ram() -> None:
    """On a target whose RAM is limited, and nowhere else; the bits are the same."""
    model, x = strided(), torch.randn(1, 3, 32, 32)
    auto = tl.compile(model, x, "last", target="cortex-m7")
    whole = tl.compile(model, x, "last", target="cortex-m7", stream=False)
    assert auto.streamed is not None and whole.streamed is None
    assert auto.arena_bytes < 0.8 * whole.arena_bytes
    with auto.build("host") as a, whole.build("host") as b:
        assert a.step(x, [1]) == b.step(x, [1])


INT8 = {"precision": tl.Int8(float_head=False), "calibration": [torch.randn(4, 3, 32, 32)]}


@pytest.mark.parametrize(
    ("model", "shape", "how"),
    [
        (strided(), (1, 3, 32, 32), {"target": "host"}),
        (strided(), (1, 3, 32, 32), {"target": "wasm"}),
        (strided(), (1, 3, 32, 32), {"tile": False}),
        (strided(), (1, 3, 32, 32), {"split_features": True}),
        (strided(), (1, 3, 32, 32), {"scheme": "full"}),
        (strided(), (2, 3, 32, 32), {}),
        # The state, which a load verifies there, sets the arena:
        (strided(400), (1, 3, 32, 32), INT8),
        (convolutions((1, 3), (0, 1)), (1, 3, 1, 120), {}),  # type: ignore[arg-type]
        (Gated().eval(), IMAGE, {}),
        (nn.Linear(8, 3).eval(), (1, 8), {}),
    ],
)
def test_the_input_stays_whole(model: nn.Module, shape: tuple[int, ...], how: dict) -> None:
    """Where it cannot come in rows, where nobody needs the RAM, and where examples are kept."""
    options = {"scheme": "last", "target": "cortex-m7", **how}
    assert tl.compile(model, torch.randn(shape), **options).streamed is None


def test_a_turn_makes_as_many_rows_as_the_room_for_a_state_allows() -> None:
    def turns(rollback: bool | str) -> int:
        x = torch.randn(1, 3, 32, 32)
        given = {"target": "cortex-m7", "stream": True, "rollback": rollback, **INT8}
        program = tl.compile(strided(400), x, "last", **given)  # type: ignore[arg-type]
        assert (program.arena_bytes == program.state_bytes) is (rollback is True)
        return sum(loop.times for tile in program.plan.tiles for loop in tile.loops)

    assert turns(True) < turns("step")


def test_an_array_of_the_user_comes_in_rows(tmp_path: Path) -> None:
    """`trainer_rows_of_array` in a program with the warnings of a careful user."""
    model, x = convolutions(), torch.randn(1, 3, 12, 10)
    program = tl.compile(model, x, "last", target="host", stream=True)
    program.write(tmp_path)
    numbers = ", ".join(f"{v:.9g}f" for v in x.permute(0, 2, 3, 1).flatten().tolist())
    text = f"""#include <stdio.h>
#include "trainer.h"
static float image[TRAINER_INPUT_SIZE] = {{{numbers}}};
int main(void) {{
  float logits[TRAINER_LOGITS_SIZE];
  trainer_init();
  if (trainer_predict(trainer_rows_of_array, image, logits)) return 1;
  for (int k = 0; k < TRAINER_LOGITS_SIZE; k++) printf("%.9g\\n", (double)logits[k]);
  return 0;
}}
"""
    (tmp_path / "main.c").write_text(text)
    warn = ["-Wall", "-Wextra", "-Wconversion", "-Wshadow", "-Werror"]
    command = ["gcc", "-std=c11", "-O2", *warn, "main.c", "trainer.c", "-o", "main"]
    subprocess.run(command, cwd=tmp_path, check=True)
    printed = subprocess.run([tmp_path / "main"], capture_output=True, text=True, check=True).stdout
    with program.build("host") as trainer:
        assert np.array_equal(np.array(printed.split(), np.float32), trainer.predict(x)[0])
