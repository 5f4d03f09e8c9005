"""A step in ATen operators is the oracle's: every loss and every parameter, for twenty steps."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import torch
import torch.nn.functional as F

import trainlet as tl
from trainlet.errors import DivergedError, TargetError, UnsupportedError
from trainlet.run.oracle import OracleDevice
from trainlet.run.trainer import Trainer
from zoo import NETWORKS

STEPS = 20
LARGE = ("resnet8", "se_hardswish", "cct2")
LOSS = {"optimizer": tl.SGD(lr=1e-3)}


def compiled(name, scheme="full", **how):
    case = NETWORKS[name](2)
    how = {**LOSS, **how}
    return case, tl.compile(case.model, case.x, scheme, target="cpu", check=False, **how)


def check(name, steps=STEPS, **how):
    case, program = compiled(name, **how)
    x, y = case.x.numpy(), case.y.numpy()
    ours, oracle = program.build("eager"), Trainer(program, OracleDevice(program))
    losses = np.array([(ours.step(x, y), oracle.step(x, y)) for _ in range(steps)])
    np.testing.assert_allclose(losses[:, 0], losses[:, 1], rtol=1e-4, atol=1e-4)
    state, expected = ours.state(), oracle.state()
    for key, value in expected.items():
        np.testing.assert_allclose(state[key], value, rtol=1e-4, atol=1e-4, err_msg=key)
    np.testing.assert_allclose(ours.predict(x), oracle.predict(x), rtol=1e-3, atol=1e-2)
    assert losses[-1, 0] < losses[0, 0]
    return ours, x, y


@pytest.mark.parametrize("name", ["mlp", "lenet5", "audio_conv1d"])
def test_networks(name):
    check(name)


@pytest.mark.slow
@pytest.mark.parametrize("name", LARGE)
def test_large_networks(name):
    check(name)


@pytest.mark.parametrize(
    "how",
    [
        {"optimizer": tl.SGD(lr=1e-3, momentum=0.9)},
        {"optimizer": tl.Adam(lr=1e-3)},
        {"accumulate": 2},
        {"scheme": "last"},
        {"scheme": {"conv2.weight": 0.5, "fc3.weight": 1, "fc3.bias": 1}},
    ],
    ids=["momentum", "adam", "accumulate", "last", "sparse"],
)
def test_updates(how):
    check("lenet5", 6, **how)


def test_a_saved_state_is_taken_back():
    ours, x, y = check("mlp", 2)
    saved = ours.save()
    expected = [ours.step(x, y) for _ in range(2)]
    ours.load(saved)
    assert [ours.step(x, y) for _ in range(2)] == expected
    ours.reset()
    assert ours.step(x, y) != expected[0]


def test_a_step_that_diverges_changes_nothing():
    ours, x, y = check("mlp", 2)
    before = ours.save()
    with pytest.raises(DivergedError, match="an update overflows"):
        ours.step(100 * x, y, 3e38)
    assert ours.save() == before


def test_int8_is_refused():
    case = NETWORKS["mlp"](1)
    program = tl.compile(
        case.model, case.x, "last", target="cpu", precision="int8", calibration=[case.x],
        check=False,
    )  # fmt: skip
    with pytest.raises(UnsupportedError, match="torch's targets train float32 networks"):
        program.build("eager")


def test_other_targets_do_not_run_on_torch():
    case = NETWORKS["mlp"](1)
    program = tl.compile(case.model, case.x, "last", target="host", check=False)
    with pytest.raises(TargetError, match="compile for target='cpu' or 'cuda'"):
        program.build("eager")


@pytest.mark.parametrize(("name", "apart"), [("mlp", 2e-3), ("audio_conv1d", 5e-3)])
def test_bfloat16_is_torchs(name, apart):
    """Five steps: losses, and parameters as a share of their largest change."""
    case = NETWORKS[name](2)
    how = {"target": "cpu-bfloat16", "check": False, "optimizer": tl.SGD(0.01)}
    program = tl.compile(case.model, case.x, "full", **how)
    twin = copy.deepcopy(case.model).bfloat16().eval()
    theirs = torch.optim.SGD(twin.parameters(), 0.01)
    with program.build("eager") as ours:
        before = ours.state()
        for _ in range(5):
            loss = F.cross_entropy(twin(case.x.bfloat16()).float(), case.y)
            loss.backward()
            theirs.step()
            theirs.zero_grad()
            found = ours.step(case.x.numpy(), case.y.numpy())
            assert found == pytest.approx(loss.item(), abs=apart)
        after = ours.state()
        blob = ours.save()
        ours.reset()
        ours.load(blob)
        again = ours.state()
    weights = {key: p.detach().float().numpy() for key, p in twin.named_parameters()}
    for key in after.keys() & weights.keys():
        change = np.abs(after[key] - before[key]).max()
        near = 0.1 * change + 2.0**-8 * np.abs(before[key]).max()  # and a last digit
        np.testing.assert_allclose(after[key], weights[key], rtol=0, atol=near, err_msg=key)
        np.testing.assert_array_equal(again[key], after[key])


def test_every_runtime_has_float32_and_torch_bfloat16_too():
    with pytest.raises(TargetError, match="floats='bfloat16'; allowed: float32$"):
        tl.Target("cortex-m7", floats="bfloat16")
    assert tl.Target.preset("cuda-bfloat16").floats == "bfloat16"
