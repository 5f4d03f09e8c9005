"""Convolutions and pools over three dimensions: values and gradients are torch's."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

import trainlet as tl

VOLUME = (2, 4, 5, 7, 6)
LAYERS: dict[str, nn.Module] = {
    "one depth": nn.Conv3d(4, 6, (1, 3, 2), padding=(0, 1, 0)),
    "all different": nn.Conv3d(4, 6, (2, 3, 1), (2, 1, 3), (1, 2, 0), (3, 2, 1)),
    "groups": nn.Conv3d(4, 6, 3, padding=1, groups=2, bias=False),
    "each channel": nn.Conv3d(4, 4, (3, 2, 2), groups=4),
    "same": nn.Conv3d(4, 3, (3, 3, 5), padding="same", dilation=(2, 1, 1)),
    "valid": nn.Conv3d(4, 3, 2, padding="valid"),
    "norm": nn.Sequential(nn.Conv3d(4, 6, (2, 2, 2), 2), nn.BatchNorm3d(6)),
    "max": nn.MaxPool3d(2),
    "max, overlapping": nn.MaxPool3d((2, 3, 3), (1, 2, 3), (1, 0, 1), (2, 1, 1)),
    "max, rounded up": nn.MaxPool3d((2, 2, 4), 3, ceil_mode=True),
    "max along the depth": nn.MaxPool3d((3, 1, 1), 1),
    "average": nn.AvgPool3d((2, 3, 2)),
    "average, padded": nn.AvgPool3d(3, 2, 1),
    "average, rounded up": nn.AvgPool3d(3, 2, (0, 1, 1), ceil_mode=True),
    "average, uncounted": nn.AvgPool3d((2, 3, 3), 2, 1, count_include_pad=False),
    "adaptive average": nn.AdaptiveAvgPool3d((2, 7, 3)),
    "whole average": nn.AdaptiveAvgPool3d(1),
    "adaptive maximum": nn.AdaptiveMaxPool3d((3, 2, 6)),
}


class Volumes(nn.Module):
    def __init__(self, layer: nn.Module) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.first, self.layer, self.last = nn.Conv3d(1, 4, 1), layer, nn.LazyLinear(3)
        self(torch.zeros(2, 1, *VOLUME[2:]))

    def forward(self, x: Tensor) -> Tensor:
        return self.last(self.layer(self.first(x)).flatten(1))


@pytest.mark.parametrize("name", LAYERS)
@pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel")
def test_values_and_gradients_are_torchs(name: str):
    found = tl.check(Volumes(LAYERS[name]).eval(), torch.zeros(2, 1, *VOLUME[2:]), "full")
    assert found.same, found.rows


class OneVolume(nn.Module):
    """Without a batch."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.last = nn.Conv3d(2, 4, 2), nn.Linear(4, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.last(F.max_pool3d(self.conv(x), 2).mean((1, 2, 3))[None])


def test_a_volume_without_a_batch():
    found = tl.check(OneVolume(), torch.zeros(2, 3, 5, 7), "full")
    assert found.same, found.rows


def test_chosen_channels_learn_alone():
    """The kernel's depth lies beside the input channels in memory; a share is one of channels."""
    torch.manual_seed(0)
    model = Volumes(nn.Conv3d(4, 6, 3, padding=1)).eval()
    x = torch.randn(2, 1, *VOLUME[2:])
    program = tl.compile(model, x, {"layer.weight": 0.5, "last.weight": 1.0}, target="host")
    trainer = program.build("host")
    before = trainer.state()["layer.weight"].copy()
    trainer.step(x.numpy(), [0, 2])
    moved = (trainer.state()["layer.weight"] != before).any((0, 2, 3, 4))
    assert moved.tolist() == [True, True, False, False]


@pytest.mark.parametrize("scheme", ["full", "bias"])
def test_int8_volumes_train_with_the_bits_of_the_device(scheme: str):
    torch.manual_seed(0)
    model = nn.Sequential(
        nn.Conv3d(2, 6, 3, (1, 2, 2), 1, bias=False), nn.BatchNorm3d(6), nn.ReLU(),
        nn.MaxPool3d(2), nn.Conv3d(6, 8, (1, 3, 3)), nn.ReLU(), nn.AdaptiveAvgPool3d(1),
        nn.Flatten(), nn.Linear(8, 5),
    ).eval()  # fmt: skip
    x = torch.randn(1, 2, 6, 16, 16)
    batches = [torch.randn(4, 2, 6, 16, 16) for _ in range(4)]
    program = tl.compile(model, x, scheme, precision="int8", calibration=batches)
    operators = [n.op for n in program.stages["step"].plan.order]
    assert operators.count("conv2d_i8") == 2 and {"max_pool_i8", "mean_i8"} <= {*operators}
    assert not {"conv2d", "max_pool"} & {*operators}
    host, device = program.build("host"), program.build("unicorn")
    for label in (1, 3):
        assert host.step(x.numpy(), [label]) == device.step(x.numpy(), [label])
    state = device.state()
    assert all((state[name] == value).all() for name, value in host.state().items())
