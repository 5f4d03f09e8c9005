"""What moves elements, and transposed convolutions: an emulated Cortex-M7 has the host's bits."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

import trainlet as tl
from trainlet.compiled import CompiledProgram
from trainlet.ops.quantized.precision import Int8


class Decoder(nn.Module):
    """Small maps made larger in every way, between layers that learn."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(2, 4, 3, padding=1, padding_mode="reflect")
        self.up = nn.ConvTranspose2d(4, 6, 3, 2, 1)
        self.body = nn.Conv2d(6, 4, 3)
        self.again = nn.ConvTranspose2d(4, 4, (2, 3), (1, 2), bias=False)
        self.last = nn.Conv2d(1, 2, 1)
        self.head = nn.Linear(2, 3)

    def forward(self, x: Tensor) -> Tensor:
        y = F.relu(self.up(F.relu(self.first(x))))
        y = self.again(F.interpolate(self.body(y), size=(7, 5)).flip(1))
        y = F.interpolate(y, size=(9, 7), mode="bilinear")
        y = self.last(F.pixel_shuffle(y.roll(1, 3), 2))
        return self.head(F.max_pool2d(y, 3, 2, ceil_mode=True).mean((2, 3)))


def compiled(precision: str | Int8) -> CompiledProgram:
    torch.manual_seed(3)
    model, batches = Decoder().eval(), list(torch.randn(4, 1, 2, 5, 4))
    target = replace(tl.Target.preset("cortex-m7"), ram=1 << 20, flash=1 << 20)
    given = {} if precision == "float32" else {"calibration": batches}
    return tl.compile(model, batches[0], "full", target=target, precision=precision, **given)


OPERATORS = {
    "float32": {"conv_transpose", "conv_transpose_dx", "conv_transpose_dw", "gather", "scatter",
                "resample", "resample_dx"},
    "int8, float32": {"conv_transpose_i8", "conv_transpose_i8_dx", "conv_transpose_i8_dw",
                      "gather_i8", "scatter", "resample_i8", "resample_dx"},
    "int8, int16": {"conv_transpose_bfp_dx", "conv_transpose_bfp_sgd", "scatter_bfp"},
    "int8, int8": {"conv_transpose_bfp_exponent", "conv_transpose_bfp_dx", "scatter_bfp"},
}  # fmt: skip


@pytest.mark.parametrize("numbers", OPERATORS)
def test_cortex_m7_equals_the_host(numbers):
    precision, _, gradient = numbers.partition(", ")
    program = compiled(Int8(gradient=gradient) if gradient else precision)
    assert OPERATORS[numbers] <= {n.op for n in program.graph.nodes()}
    rng = np.random.default_rng(0)
    x = rng.standard_normal((3, 1, 2, 5, 4)).astype(np.float32)
    with program.build("host") as host, program.build("unicorn", count=False) as device:
        for k, sample in enumerate(x):
            assert host.step(sample, [k]) == device.step(sample, [k])
            assert host.predict(sample).tobytes() == device.predict(sample).tobytes()
        assert host.save() == device.save()
