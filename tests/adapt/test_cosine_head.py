"""The head for new classes: observed examples become prototypes, on every device."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

import trainlet as tl
from trainlet.errors import DataError, DivergedError, SchemeError
from trainlet.fewshot import CosineHead
from trainlet.run.simulated import ArenaDevice, OracleDevice
from trainlet.run.trainer import Trainer

WAYS = 3
X = np.random.default_rng(0).normal(size=(5, 2, 1, 8, 8)).astype(np.float32)
Y = np.array([[0, 1], [2, 0], [1, 1], [0, 2], [2, 2]])


def backbone() -> nn.Sequential:
    torch.manual_seed(0)
    layers = (nn.Conv2d(1, 4, 3, 2, 1), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    return nn.Sequential(*layers, nn.Linear(4, 6)).eval()


def compiled(precision="float32", scheme: Any = "last", batch: int = 2, **options: Any):
    shown: dict[str, Any] = {"calibration": [torch.from_numpy(X[0])]} if precision == "int8" else {}
    example = torch.zeros(batch, 1, 8, 8)
    graph = tl.prepare(backbone(), example, precision=precision, **shown)
    return tl.compile(tl.adapt.cosine_head(graph, WAYS), None, scheme, **options)


def observed(trainer: Trainer) -> Trainer:
    batch = trainer.program.targets[0].type.shape[0]
    for x, y in zip(X.reshape(-1, batch, 1, 8, 8), Y.reshape(-1, batch), strict=True):
        trainer.observe(x, y)
    return trainer


def test_observing_is_the_mean_of_features_in_torch() -> None:
    model, head = backbone(), CosineHead(6, WAYS)
    with torch.no_grad():
        features = model(torch.from_numpy(X.reshape(-1, 1, 8, 8)))
        head.teach(features, torch.from_numpy(Y.reshape(-1)))
        expected = head(features[:2]).numpy()
    with observed(compiled(target="host").build("host")) as trainer:
        found = trainer.predict(X[0])
        sums = trainer.state()["head.prototypes"]
    np.testing.assert_allclose(found["logits"], expected, rtol=0, atol=1e-5)
    np.testing.assert_allclose(found["features"], features[:2], rtol=0, atol=1e-6)
    means = sums / np.bincount(Y.reshape(-1))[:, None]
    np.testing.assert_allclose(means, head.prototypes.detach(), rtol=0, atol=1e-6)


@pytest.mark.parametrize(
    ("precision", "scheme", "options"),
    [
        ("float32", "last", {}),
        ("float32", "full", {"accumulate": 2}),
        ("int8", "full", {}),
        ("int8", "last", {"stream": True}),
    ],
)
def test_every_device_observes_the_same(precision, scheme, options) -> None:
    batch = 1 if "stream" in options else 2
    program = compiled(precision, scheme, batch, **options)
    with observed(Trainer(program, OracleDevice(program))) as oracle:
        expected = oracle.state()["head.prototypes"]
    with observed(Trainer(program, ArenaDevice(program))) as arena:
        assert np.array_equal(arena.state()["head.prototypes"], expected)
    blobs = []
    for device in ("host", "sanitized", "unicorn"):
        with observed(program.build(device)) as trainer:
            found = trainer.state()["head.prototypes"]
            np.testing.assert_allclose(found, expected, rtol=0, atol=1e-6)
            for _ in range(program.accumulate):
                trainer.step(X[0][:batch], Y[0][:batch])
            assert np.any(trainer.state()["head.prototypes"] != found)
            blobs.append(trainer.save())
    assert blobs[0] == blobs[1] == blobs[2]


@pytest.mark.parametrize(("target", "device"), [("onnx", "onnxruntime"), ("cpu", "eager")])
def test_machines_of_the_edge_observe_too(target: str, device: str) -> None:
    with observed(compiled(target="host").build("host")) as host:
        expected = host.state()["head.prototypes"]
    with observed(compiled(target=target).build(device)) as trainer:
        found = trainer.state()["head.prototypes"]
        np.testing.assert_allclose(found, expected, rtol=0, atol=1e-5)
        trainer.step(X[0], Y[0])
        assert np.any(trainer.state()["head.prototypes"] != found)


@pytest.mark.parametrize("device", ["host", "oracle"])
def test_what_cannot_be_observed_changes_nothing(device: str) -> None:
    program = compiled(target="host")
    made = OracleDevice(program) if device == "oracle" else program.build("host").device
    with observed(Trainer(program, made)) as trainer:
        before = trainer.save()
        with pytest.raises(DataError, match=r"allowed: 0\.\.2"):
            trainer.observe(X[0], [0, 3])
        with pytest.raises(DataError):
            trainer.observe(np.full_like(X[0], np.nan), Y[0])
        with pytest.raises(DivergedError):
            trainer.observe(X[0] * np.float32(1e36), Y[0])
        assert trainer.save() == before


def test_labels_are_judged_in_c_too() -> None:
    with compiled(target="host").build("host") as trainer:
        with pytest.raises(DataError):
            trainer.device.observe({"input": X[0]}, np.array([0, 3]))
        with pytest.raises(DataError):
            trainer.device.observe({"input": X[0]}, np.array([-1, 0]))


def test_prototypes_and_scale_are_the_classifier() -> None:
    graph = tl.adapt.cosine_head(tl.prepare(backbone(), torch.zeros(2, 1, 8, 8)), WAYS, scale=12)
    assert set(tl.schemes.last(graph)) == {"head.prototypes", "head.scale"}
    assert {"0.bias", "4.bias", "head.scale"} < set(tl.schemes.bias(graph))
    assert graph.values["head.scale"] == 12 and not graph.values["head.prototypes"].any()


def test_other_networks_and_numbers_are_refused() -> None:
    graph = tl.prepare(backbone(), torch.zeros(2, 1, 8, 8))
    with pytest.raises(SchemeError, match="ways"):
        tl.adapt.cosine_head(graph, 1)
    with pytest.raises(SchemeError, match="without a classifier"):
        tl.adapt.cosine_head(tl.adapt.cosine_head(graph, 3), 3)
    maps = tl.prepare(nn.Conv2d(1, 2, 3), torch.zeros(1, 1, 8, 8))
    with pytest.raises(SchemeError, match="without a classifier"):
        tl.adapt.cosine_head(maps, 3)
    frozen = tl.compile(tl.adapt.cosine_head(graph, 3), None, {"head.scale": 1.0}, target="host")
    with (
        frozen.build("host") as trainer,
        pytest.raises(tl.TrainletError, match="trains no prototypes"),
    ):
        trainer.observe(X[0], Y[0])
