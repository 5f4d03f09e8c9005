"""What `save_memory` refuses, and what it leaves as it is."""

import subprocess
import sys

import pytest
import torch
from torch import nn
from torch.nn.utils import parametrizations

import trainlet as tl


def model() -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(), nn.Linear(144, 2)
    ).eval()


X = torch.zeros(2, 3, 8, 8)


@pytest.mark.parametrize(
    ("scheme", "options", "said"),
    [
        ({"0.wieght": 1.0}, {}, "which the model does not have; did you mean '0.weight'"),
        ({"0.bias": 0.5}, {}, "only weights of torch.nn.Conv1d"),
        ({"4.weight": {"channels": [1, 144]}}, {}, "allowed: indices in 0..143"),
        ({"1.weight": 0.5}, {}, "give it a share of 0 or 1"),
        ("biases", {}, "unknown scheme 'biases'"),
        ("bias", {"precision": "int4"}, "unknown precision 'int4'"),
        ("bias", {"recompute": ["layers.*"]}, "no module is called 'layers.*'"),
        ("bias", {"recompute": "0"}, "a list of names"),
    ],
)  # fmt: skip
def test_refused(scheme, options, said):
    network = model()
    with pytest.raises(tl.TrainletError) as error:
        tl.torch.save_memory(network, scheme, **options)
    assert said in str(error.value)
    assert all(p.requires_grad for p in network.parameters())  # nothing was changed
    assert type(network[2]) is nn.ReLU


def test_autocast_is_refused():
    network = model()
    tl.torch.save_memory(network, "bias")
    with torch.autocast("cpu"), pytest.raises(tl.TrainletError, match="autocast"):
        network(X)


def test_a_batch_norm_in_training_mode_is_pytorchs():
    network, stock = model().train(), model().train()
    stock.load_state_dict(network.state_dict())
    saving = tl.torch.save_memory(network, "bias")
    assert "nothing in eval mode; it is in training mode now" in {m.keeps for m in saving.changed}
    x = torch.randn_like(X)
    torch.testing.assert_close(network(x), stock(x))
    assert torch.equal(network[1].running_mean, stock[1].running_mean)
    assert network[1].num_batches_tracked == 1


@pytest.mark.parametrize(
    ("block", "said"),
    [
        (nn.GRU(4, 4), "returns a tuple"),
        (nn.Sequential(nn.BatchNorm1d(4)), "has a batch norm in training mode"),
        (nn.Bilinear(4, 4, 4), "a gradient through two arguments"),
    ],
    ids=["tuple", "batch norm", "two inputs"],
)
def test_modules_that_cannot_run_again(block, said):
    network = nn.Sequential(block).train()
    tl.torch.save_memory(network, "full", recompute=["0"])
    inputs = [torch.zeros(3, 4, requires_grad=True)] * (2 if isinstance(block, nn.Bilinear) else 1)
    with pytest.raises(tl.TrainletError, match=said):
        network[0](*inputs)


def test_dropout_is_the_same_when_it_runs_again():
    torch.manual_seed(0)
    block = nn.Sequential(nn.Linear(8, 8), nn.Dropout(0.5))
    network = nn.Sequential(block, nn.Linear(8, 2))
    x = torch.randn(4, 8)

    def gradient(recompute: list[str]) -> torch.Tensor:
        tl.torch.save_memory(network, "full", recompute=recompute)
        network.zero_grad()
        torch.manual_seed(1)
        loss = network(x).sum()
        torch.manual_seed(2)
        loss.backward()
        return block[0].weight.grad.clone()

    assert torch.equal(gradient(["0"]), gradient([]))


def test_own_classes_and_computed_weights_are_left():
    class Own(nn.Conv2d):
        def forward(self, x):
            return 2 * super().forward(x)

    network = nn.Sequential(Own(3, 4, 3), parametrizations.weight_norm(nn.Conv2d(4, 4, 3)))
    saving = tl.torch.save_memory(network, {"0.bias": 1.0})
    assert not saving.changed
    assert "Own" in {m.kind for m in saving.left}
    with pytest.raises(tl.TrainletError):
        tl.torch.save_memory(nn.Linear(3, 2), {"weight": 2.0})


def test_tied_weights_learn_by_either_name():
    class Tied(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.a, self.b = nn.Linear(4, 4), nn.Linear(4, 4)
            self.b.weight = self.a.weight

    network = Tied()
    tl.torch.save_memory(network, {"b.weight": 0.5})
    assert network.a.weight.requires_grad
    assert all(module._learning_channels.tolist() == [0, 1] for module in (network.a, network.b))


def test_without_gradients_it_is_pytorchs_own():
    """Inference runs as before: also under autocast, and in place where the module does."""
    network = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(inplace=True), nn.Conv2d(4, 2, 1)).eval()
    tl.torch.save_memory(network, {"2.bias": 1.0})
    with torch.no_grad(), torch.autocast("cpu"):
        assert network(X).dtype == torch.bfloat16
    before = torch.full((1, 3), -1.0)
    network[1](before)
    assert torch.equal(before, torch.zeros(1, 3))
    assert tl.torch.saved_bytes(network, lambda: network(X)) == 0


def test_the_size_of_a_transposed_convolution_can_be_named():
    stock = nn.ConvTranspose2d(2, 3, 3, stride=2)
    network = nn.Sequential(nn.Conv2d(2, 2, 1), nn.ConvTranspose2d(2, 3, 3, stride=2))
    network[1].load_state_dict(stock.state_dict())
    tl.torch.save_memory(network, {"1.bias": 1.0})
    x = torch.randn(1, 2, 4, 4)
    assert torch.equal(network[1](x, output_size=[10, 10]), stock(x, output_size=[10, 10]))


def test_the_name_torch_stays_torchs():
    """`trainlet` imports torch when it is needed, and `import *` does not hide it."""
    code = (
        "import sys, trainlet as tl; assert 'torch' not in sys.modules; tl.torch.save_memory\n"
        "import torch; from trainlet import *; assert torch.nn"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
