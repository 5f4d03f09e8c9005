"""In an int8 network a recurrent layer computes in float32, between integers."""

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import trainlet as tl


class Front(nn.Module):
    """An integer convolution in front of the recurrent layer."""

    def __init__(self, layer: nn.RNNBase) -> None:
        super().__init__()
        self.conv, self.layer = nn.Conv1d(3, 8, 3), layer
        self.fc = nn.Linear(layer.hidden_size, 5)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc(self.layer(self.conv(x).relu().transpose(1, 2))[0][:, -1])


@pytest.mark.parametrize("layer", [nn.LSTM, nn.GRU, nn.RNN])
def test_trains_between_integers(layer):
    torch.manual_seed(0)
    model = Front(layer(8, 6, batch_first=True)).eval()
    x, y = torch.randn(1, 3, 12), np.array([3], np.int32)
    batches = list(torch.randn(8, 1, 3, 12))
    program = tl.compile(
        model,
        x,
        "full",
        target="host",
        precision="int8",
        calibration=batches,
    )
    kinds = {n.name: n.type.dtype for n in program.params}
    assert kinds["conv.weight"] == "int8" and kinds["layer.weight_hh_l0"] == "float32"
    with program.build("host") as trainer:
        logits = trainer.predict(x.numpy())
        losses = [trainer.step(x.numpy(), y) for _ in range(5)]
    torch.testing.assert_close(torch.tensor(logits), model(x).detach(), rtol=0, atol=0.05)
    assert losses[-1] < losses[0]
    assert losses[0] == pytest.approx(tl.evaluate(program, x.numpy(), y)[0], abs=1e-5)


def test_a_batch_that_is_taken_for_time_has_one_size():
    """torch.export then writes the size of the batch into the attention that follows."""

    class Attends(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer, self.fc = nn.LSTM(9, 4), nn.Linear(12, 5)
            self.attention = nn.MultiheadAttention(4, 2, batch_first=True)

        def forward(self, x: Tensor) -> Tensor:
            y = self.layer(x)[0]
            return self.fc((y + self.attention(y, y, y, need_weights=False)[0]).flatten(1))

    x, batches = torch.randn(1, 3, 9), list(torch.randn(3, 1, 3, 9))
    assert tl.compile(
        Attends().eval(), x, "bias", target="host", precision="int8", calibration=batches
    )
