"""A scheme that fits a network fits it in int8, whatever quantisation folds into what."""

from copy import deepcopy
from functools import cache

import numpy as np
import pytest
import torch
from torch import nn

import trainlet as tl
from trainlet.backends.record import parse_record, print_record, record_of
from trainlet.errors import SchemeError
from trainlet.frontends.pt2e import quantize_module
from trainlet.ir.storage import storage
from trainlet.run.simulated import OracleDevice
from trainlet.run.trainer import Trainer

PRESETS = ("bias", "norm", "full", "last")


class SharedNorm(nn.Module):
    """One batch norm after two convolutions."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b, self.norm = nn.Conv2d(1, 8, 3), nn.Conv2d(8, 8, 3), nn.BatchNorm2d(8)
        self.head = nn.Linear(128, 4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = torch.relu(self.norm(self.b(torch.relu(self.norm(self.a(x))))))
        return self.head(y.flatten(1))


NETWORKS = {
    "bias-and-norm": lambda: (
        nn.Conv2d(1, 8, 3), nn.BatchNorm2d(8), nn.ReLU(), nn.Flatten(), nn.Linear(288, 4)
    ),
    "depthwise": lambda: (
        nn.Conv2d(1, 8, 3, bias=False), nn.BatchNorm2d(8), nn.ReLU(),
        nn.Conv2d(8, 8, 3, groups=8), nn.BatchNorm2d(8, eps=1e-2), nn.ReLU6(),
        nn.Flatten(), nn.Linear(128, 4),
    ),
    "linear": lambda: (
        nn.Flatten(), nn.Linear(64, 16), nn.BatchNorm1d(16), nn.ReLU(), nn.Linear(16, 4)
    ),
    "conv1d": lambda: (
        nn.Flatten(2), nn.Conv1d(1, 8, 3), nn.BatchNorm1d(8), nn.ReLU(), nn.Flatten(),
        nn.Linear(496, 4),
    ),
    "norm-first": lambda: (
        nn.Conv2d(1, 8, 3), nn.ReLU(), nn.BatchNorm2d(8), nn.Conv2d(8, 4, 3), nn.ReLU(),
        nn.Flatten(), nn.Linear(64, 4),
    ),
    "no-affine": lambda: (
        nn.Conv2d(1, 8, 3), nn.BatchNorm2d(8, affine=False), nn.ReLU(), nn.Flatten(),
        nn.Linear(288, 4),
    ),
    "transposed": lambda: (
        nn.Conv2d(1, 8, 3, 2), nn.ReLU(), nn.ConvTranspose2d(8, 6, 3, 2, bias=False),
        nn.BatchNorm2d(6), nn.ConvTranspose2d(6, 5, 2), nn.BatchNorm2d(5), nn.ReLU(),
        nn.Flatten(), nn.Linear(320, 4),
    ),
    "volume": lambda: (
        nn.Unflatten(1, (1, 1)), nn.Conv3d(1, 8, (1, 3, 3), bias=False), nn.BatchNorm3d(8),
        nn.ReLU(), nn.Flatten(), nn.Linear(288, 4),
    ),
    "norm-last": lambda: (nn.Flatten(), nn.Linear(64, 4), nn.BatchNorm1d(4)),
    "shared-norm": lambda: (SharedNorm(),),
}  # fmt: skip


@cache
def network(name: str) -> tuple[nn.Module, torch.Tensor, torch.Tensor]:
    """A network with norms that do something, an input, and what shows its ranges."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = nn.Sequential(*NETWORKS[name]())
        for m in model.modules():
            if isinstance(m, (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)):
                nn.init.uniform_(m.running_mean, -1, 1)  # type: ignore[arg-type]
                nn.init.uniform_(m.running_var, 0.5, 2)  # type: ignore[arg-type]
                if m.affine:
                    nn.init.uniform_(m.weight, 0.5, 1.5)
                    nn.init.uniform_(m.bias, -1, 1)
        return model.eval(), torch.randn(1, 1, 8, 8), torch.randn(32, 1, 8, 8)


def compiled(name: str, scheme: object, **options: object) -> tl.CompiledProgram:
    model, x, shown = network(name)
    options = {"precision": "int8", "calibration": [shown], "target": "host", **options}
    return tl.compile(model, x, scheme, **options)  # type: ignore[arg-type]


@pytest.mark.parametrize("preset", PRESETS)
@pytest.mark.parametrize("name", NETWORKS)
def test_a_preset_fits_and_learns_in_the_terms_of_the_network(name, preset):
    """torch with the state that int8 learnt answers as int8 does."""
    model, x, _ = network(name)
    made = compiled(name, getattr(tl.schemes, preset)(model))
    own = dict(model.named_parameters())
    scheme = set(getattr(tl.schemes, preset)(model))
    trainer = Trainer(made, OracleDevice(made))
    before = trainer.state()
    assert set(before) | set(made.folded) == scheme
    assert set(made.folded.values()) <= set(before)
    for key, value in before.items():
        assert np.abs(value - own[key].detach().numpy()).max() < 0.02
    for _ in range(3):
        trainer.step(x, [1], 0.02)
    learnt, answer = trainer.state(), trainer.predict(x)
    assert all(np.abs(learnt[key] - before[key]).max() > 0 for key in learnt)
    copy = deepcopy(model)
    copy.load_state_dict({k: torch.from_numpy(v) for k, v in learnt.items()}, strict=False)
    with torch.no_grad():
        theirs, start = copy(x).numpy(), model(x).numpy()
    assert np.abs(theirs - answer).max() < 0.15 * np.abs(start - answer).max()


@pytest.mark.parametrize("name", ["bias-and-norm", "depthwise", "shared-norm"])
@pytest.mark.parametrize("preset", PRESETS)
def test_a_preset_by_name_is_the_same(name, preset):
    model, *_ = network(name)
    named, given = compiled(name, preset), compiled(name, getattr(tl.schemes, preset)(model))
    assert [n.name for n in named.params] == [n.name for n in given.params]
    assert named.folded == given.folded


@pytest.mark.parametrize("scheme, learns, folded", [
    ({"0.bias": 1}, {"0.bias"}, {}),
    ({"1.bias": 1}, {"1.bias"}, {}),
    ({"0.bias": 1, "1.bias": 1}, {"1.bias"}, {"0.bias": "1.bias"}),
    ({"0.weight": 1, "1.weight": 1}, {"0.weight"}, {"1.weight": "0.weight"}),
    ({"0.weight": 0.5, "1.bias": 1}, {"0.weight", "1.bias"}, {}),
    ({"1.weight": 1}, {"1.weight"}, {}),
    ({"1.weight": 1, "0.bias": 1}, {"1.weight", "0.bias"}, {}),
])  # fmt: skip
def test_by_hand(scheme, learns, folded):
    made = compiled("bias-and-norm", scheme)
    assert ({n.name for n in made.params}, made.folded) == (learns, folded)


def test_a_state_goes_back_in():
    made = compiled("bias-and-norm", {"0.weight": 1, "0.bias": 1})
    model, *_ = network("bias-and-norm")
    trainer = Trainer(made, OracleDevice(made))
    blob = trainer.save()
    trainer.load_state(trainer.state())
    assert trainer.save() == blob
    trainer.load_state({"0.bias": model[0].bias.detach().numpy() + 1})  # type: ignore[index]
    assert trainer.save() != blob
    assert np.allclose(trainer.state()["0.bias"], model[0].bias.detach().numpy() + 1, atol=1e-3)  # type: ignore[index]


def test_a_channel_that_a_norm_switched_off():
    """Nothing can be told of the convolution's bias there: the norm's learns for it."""
    model, x, shown = network("bias-and-norm")
    model = deepcopy(model)
    with torch.no_grad():
        model[1].weight[3] = 0  # type: ignore[index]
    made = tl.compile(model, x, {"0.bias": 1}, precision="int8", calibration=[shown], target="host")
    assert [n.name for n in made.params] == ["1.bias"] and made.folded == {"0.bias": "1.bias"}
    state = Trainer(made, OracleDevice(made)).state()["1.bias"]
    assert np.abs(state - model[1].bias.detach().numpy()).max() < 0.01  # type: ignore[index]


def test_a_graph_that_was_quantised_before_the_scheme_was_known():
    model, x, shown = network("bias-and-norm")
    graph = quantize_module(model, x, [shown])
    made = tl.compile(graph, None, tl.schemes.bias(model), target="host")
    assert made.folded == {"0.bias": "1.bias"}
    with pytest.raises(SchemeError, match=r"'1\.weight' was folded into '0\.weight'.* name '0\.w"):
        tl.compile(graph, None, tl.schemes.norm(model), target="host")


def test_the_report_says_what_went_where():
    model, *_ = network("bias-and-norm")
    report = compiled("bias-and-norm", tl.schemes.full(model), target="cortex-m7").report
    assert report.folded == {"0.bias": "1.bias", "1.weight": "0.weight"}
    assert "0.bias learns as part of 1.bias" in str(report)


def test_unknown_names_are_the_networks():
    with pytest.raises(SchemeError, match=r"'1\.biss'.*1\.bias"):
        compiled("bias-and-norm", {"1.biss": 1})


def test_a_record_tells_the_axis_of_what_was_folded():
    """Without it the state that the C saved would be read in wrong terms."""
    record = record_of(compiled("transposed", "full"))
    read = parse_record(print_record(record))
    (weight,) = (n for n in read.layout.leaves if n.name == "2.weight")
    assert storage(weight).channels == 1
    assert print_record(read) == print_record(record)
