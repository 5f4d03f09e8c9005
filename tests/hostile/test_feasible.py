"""A network that never fits is refused from its sizes, before anything of its size is made."""

import pytest
import torch
from torch import nn

import trainlet as tl
from errors.small import compiled, small
from hostile.limited import outcome
from trainlet.errors import TargetError, UnsupportedError
from trainlet.planning.limits import needed
from trainlet.planning.planner import Planner

MB = 1 << 20


@pytest.fixture
def no_plan(monkeypatch):
    """Fails where a program is planned, or compared with torch."""

    def called(*_, **__):
        raise AssertionError("work was begun")

    monkeypatch.setattr(Planner, "__call__", called)
    monkeypatch.setattr("trainlet.frontends.network.check_import", called)


def wide(width: int) -> nn.Module:
    return nn.Sequential(nn.Linear(8, width), nn.ReLU(), nn.Linear(width, 3)).eval()


@pytest.mark.parametrize("size", [1000, 5000])
@pytest.mark.parametrize("options", [{}, {"max_ram": 100_000}, {"target": tl.Target("t", ram=MB)}])
def test_an_input_larger_than_the_ram(size, options, no_plan):
    elements = 2 * size * size
    text = outcome(
        lambda: tl.compile(small(), torch.zeros(1, 2, size, size), "last", stream=False, **options),
        memory=4 * elements + 600 * MB,
    )
    assert text.startswith("TargetError: the program does not fit"), text
    assert f"with any plan: RAM needs at least {elements + 4096:,} bytes" in text
    assert "stream=True" in text


def test_weights_larger_than_the_flash(no_plan):
    with pytest.raises(TargetError, match=r"Flash needs at least 2,\d+,\d+ bytes"):
        tl.compile(wide(200_000), torch.zeros(1, 8), "last", target="cortex-m7")


def test_what_learns_is_larger_than_the_ram(monkeypatch):
    """The weights fit the Flash; two moments for each of them do not fit the RAM."""
    monkeypatch.setattr(Planner, "__call__", lambda: 0)
    target = tl.Target("t", ram=1 * MB, flash=8 * MB)
    with pytest.raises(TargetError, match=r"RAM needs at least 5,\d+,\d+ bytes") as refused:
        tl.compile(wide(40_000), torch.zeros(1, 8), "full", target=target, optimizer=tl.Adam())
    assert "optimizer=tl.SGD()" in str(refused.value)


@pytest.mark.parametrize("size", [5000, 8000])
def test_maps_larger_than_the_host_is_to_plan(size, no_plan, monkeypatch):
    text = outcome(
        lambda: tl.compile(small(), torch.zeros(1, 2, size, size), "last", target="host"),
        memory=8 * size * size + 600 * MB,
    )
    assert text.startswith("UnsupportedError: ") and "TRAINLET_MAX_TENSOR_BYTES" in text, text


def test_the_bound_of_the_host_is_moved(monkeypatch):
    """The input, and a map of four channels that relu reads and writes."""
    least = 4 * 36 * (2 + 4 + 4)
    monkeypatch.setenv("TRAINLET_MAX_TENSOR_BYTES", str(least))
    compiled()
    monkeypatch.setenv("TRAINLET_MAX_TENSOR_BYTES", str(least - 1))
    with pytest.raises(UnsupportedError, match=f"{least:,} bytes; at most {least - 1:,}"):
        compiled()


@pytest.mark.parametrize(
    "options",
    [
        {}, {"stream": True, "scheme": "last"}, {"accumulate": 2}, {"loss": "mse"},
        {"optimizer": tl.Adam()},
        {"precision": "int8"}, {"precision": "int8", "stream": True, "scheme": "last"},
    ],
)  # fmt: skip
def test_nothing_is_refused_that_fits_to_the_byte(options):
    """What needs so much RAM and Flash is compiled for a target that has just so much."""
    if "precision" in options:
        options = options | {"calibration": [torch.randn(8, 2, 6, 6)]}
    made = compiled(target=tl.Target("t", ram=MB, flash=MB, stack=8), **options)
    ram, flash = needed(made)
    exact = tl.Target("t", ram=ram, flash=flash, stack=8)
    assert compiled(target=exact, **options).arena_bytes <= made.arena_bytes
    with pytest.raises(TargetError):
        compiled(target=tl.Target("t", ram=ram, flash=flash - 1, stack=8), **options)


def test_a_layer_of_constants_takes_no_flash():
    """It is computed beforehand, and its weight of 256 KiB is nowhere."""

    class Positions(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer, self.last = nn.Linear(16384, 4), nn.Linear(4, 2)
            self.register_buffer("where", torch.ones(1, 16384))

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.last(x + self.layer(self.where))

    target = tl.Target("t", ram=MB, flash=100_000, stack=8)
    tl.compile(Positions().eval(), torch.zeros(1, 4), {"last.bias": 1}, target=target)
