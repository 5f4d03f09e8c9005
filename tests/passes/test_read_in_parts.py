"""A weight that learns in part is read in its two parts: the same bits, and never whole in RAM."""

from __future__ import annotations

import pytest
import torch
from torch import nn

import trainlet as tl
from int8.networks import quantised
from passes.joined import ops, results, step
from trainlet.compiled import CompiledProgram
from trainlet.ops.verify import verify
from trainlet.passes.fuse.parts import read_in_parts
from trainlet.planning.place import plan_graph


@pytest.mark.parametrize("gradient", ["int16", "int8"])
def test_the_same_bits(gradient, monkeypatch):
    joined = step("ds_cnn", monkeypatch, precision=tl.Int8(gradient=gradient))
    apart = verify(read_in_parts(joined))
    assert "concat_i8" in ops(joined) and "concat_i8" not in ops(apart)
    assert not any(n.op == "weight_gain" and n.inputs[0].op == "const" for n in apart.nodes())
    x = quantised("ds_cnn")[1]
    assert results(apart, x) == results(joined, x)
    plan_graph(apart)  # checked: the weight is updated after its input gradient


class Wide(nn.Module):
    """Weights of 8 KB between maps of 2 KB."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(3, 64, 3, stride=2, padding=1)
        self.second = nn.Conv2d(64, 128, 1)
        self.third = nn.Conv2d(128, 64, 1)
        self.fc = nn.Linear(64, 4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.second(self.first(x).relu()).relu()
        return self.fc(self.third(x).relu().mean((2, 3)))


def compiled(target: str, tile: bool | None, **options: bool) -> CompiledProgram:
    torch.manual_seed(0)
    x = torch.randn(1, 3, 8, 8)
    scheme = {"second.weight": 0.5, "third.weight": 0.5}
    given = {"precision": "int8", "calibration": [x.numpy()], **options}
    return tl.compile(Wide(), x, scheme, target=target, tile=tile, **given)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("target", "tile", "apart"),
    [("cortex-m7", None, True), ("cortex-m7", False, False), ("host", None, False)],
)
def test_where_ram_is_limited(target, tile, apart):
    used = {n.op for n in compiled(target, tile).plan.order}
    parts = {"conv2d_parts_i8", "concat_bfp"}
    assert used >= parts if apart else not used & parts


def test_the_arena_holds_no_whole_weight():
    whole, apart = (compiled("cortex-m7", t, rollback=False) for t in (False, None))
    assert whole.arena_bytes - apart.arena_bytes > 64 * 128 / 2
