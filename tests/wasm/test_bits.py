"""The WebAssembly module, in Node through its ES module, computes the bits of the C on the host."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import trainlet as tl
from trainlet.errors import DataError, StateError, TargetError, UnsupportedError
from trainlet.run.node_device import has_node
from zoo import NETWORKS

pytestmark = pytest.mark.skipif(not has_node(), reason="needs Node: install nodejs")


def batches(shape: tuple[int, ...]) -> list[np.ndarray]:
    rng = np.random.default_rng(0)
    return [rng.standard_normal(shape).astype(np.float32) for _ in range(4)]


def same(program: tl.CompiledProgram, x: np.ndarray, y: np.ndarray, steps: int = 6) -> None:
    with program.build("host") as host, program.build("node") as node:
        losses = [(host.step(x, y), node.step(x, y)) for _ in range(steps)]
        assert all(ours == theirs for ours, theirs in losses), losses
        assert losses[-1][0] != losses[0][0]
        np.testing.assert_array_equal(host.predict(x), node.predict(x))
        blob = host.save()
        assert node.save() == blob
        node.reset()
        assert node.step(x, y) == losses[0][0]
        node.load(blob)
        assert node.step(x, y) == host.step(x, y)


def test_float32() -> None:
    case = NETWORKS["mlp"](2)
    optimizer = tl.Adam(lr=1e-3)
    program = tl.compile(
        case.model, case.x, "full", target="wasm", check=False, optimizer=optimizer, accumulate=2,
    )  # fmt: skip
    same(program, case.x.numpy(), case.y.numpy())


def test_int8() -> None:
    case = NETWORKS["ds_cnn"](1)
    program = tl.compile(
        case.model, case.x, "full", target="wasm", precision="int8",
        calibration=batches(tuple(case.x.shape)), check=False,
    )  # fmt: skip
    same(program, case.x.numpy(), case.y.numpy())


@pytest.mark.parametrize("dtype", ["uint8", "int16"])
def test_samples_of_a_sensor(dtype: str) -> None:
    torch.manual_seed(0)
    shape = (1, 3, 6, 5)
    layers = torch.nn.Flatten(), torch.nn.Linear(90, 3)
    front = tl.features.camera(3, deviation=100.0)
    network = torch.nn.Sequential(front, *layers).eval()
    example = torch.zeros(shape, dtype=getattr(torch, dtype))
    x = np.random.default_rng(0).integers(0, 256, shape).astype(dtype)
    same(tl.compile(network, example, "last", target="wasm"), x, np.array([1]))


class Two(torch.nn.Module):
    """Two inputs, two outputs, one of them a map that the layout pass moves."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = torch.nn.Conv2d(2, 4, 3, padding=1)
        self.kind, self.age = torch.nn.Linear(7, 3), torch.nn.Linear(7, 1)

    def forward(self, image, extra):
        features = torch.cat([self.conv(image).relu().mean((2, 3)), extra], 1)
        return {"kind": self.kind(features), "age": self.age(features)}


def test_several_inputs_outputs_and_targets() -> None:
    torch.manual_seed(0)
    x = (torch.randn(1, 2, 5, 4), torch.randn(1, 3))
    losses = [
        tl.Loss("cross_entropy", output="kind", target="kind"),
        tl.Loss("mse", output="age", target="years"),
    ]
    program = tl.compile(
        Two().eval(), x, "full", target="wasm", loss=[*losses, tl.Proximal(0.1)], check=False,
    )  # fmt: skip
    given = tuple(one.numpy() for one in x)
    target = {"kind": np.array([2]), "years": np.array([[0.5]], np.float32)}
    with program.build("host") as host, program.build("node") as node:
        for _ in range(4):
            assert host.step(given, target) == node.step(given, target)
        ours, theirs = host.predict(given), node.predict(given)
        for name in ("kind", "age"):
            np.testing.assert_array_equal(ours[name], theirs[name])


def test_prototypes_are_observed() -> None:
    torch.manual_seed(0)
    network = torch.nn.Sequential(torch.nn.Linear(6, 4), torch.nn.ReLU()).eval()
    graph = tl.adapt.cosine_head(tl.prepare(network, torch.zeros(1, 6)), 3, 10.0)
    program = tl.plan(tl.train(graph, "full"), target="wasm")
    with program.build("host") as host, program.build("node") as node:
        for k, x in enumerate(batches((1, 6))):
            host.observe(x, [k % 3])
            node.observe(x, [k % 3])
        assert host.save() == node.save()


def test_what_is_refused() -> None:
    case = NETWORKS["mlp"](1)
    program = tl.compile(case.model, case.x, "full", target="wasm", check=False)
    x = case.x.numpy()
    with program.build("node") as node:
        before = node.save()
        with pytest.raises(DataError, match="learning rate|input"):
            node.device.step({program.inputs[0].name: x}, np.array([0]), 3e38 * 10)
        with pytest.raises(DataError, match="label"):
            node.device.step({program.inputs[0].name: x}, np.array([99]), 0.1)
        with pytest.raises(StateError):
            node.device.load(before[:-1] + bytes([before[-1] ^ 1]))
        assert node.save() == before
    with pytest.raises(TargetError, match="wasm"):
        tl.compile(case.model, case.x, "full", target="host", check=False).build("node")


def test_a_streamed_input_is_refused(tmp_path) -> None:
    case = NETWORKS["ds_cnn"](1)
    program = tl.compile(case.model, case.x, "bias", target="wasm", stream=True, check=False)
    with pytest.raises(UnsupportedError, match="stream=False"):
        program.write(tmp_path / "out")
    assert not (tmp_path / "out").exists()
