"""Channels that learn come first where a map's channels can be permuted, at no cost; elsewhere they
are gathered, and learn the same."""

import numpy as np
import pytest
import torch
from torch import nn

import trainlet as tl
from networks.gradients import oracle_gradients
from networks.reference import run_sgd, trained_part, worst
from passes.stages import ops
from schemes.test_channels import case as small_case
from trainlet.ir.graph import Graph
from trainlet.passes import training
from zoo import NETWORKS, Case

NAMES = ("ds_cnn", "lenet5", "mlp", "audio_conv1d", "se_hardswish", "resnet8", "mobilenet_v2")
MANY = 6


def weights(case: Case) -> list[str]:
    """Of layers that read more than three channels."""
    return [
        name for name, p in case.model.named_parameters()
        if p.ndim > 1 and max(p.shape[:2]) > 3 and p.shape[1] != 3 and "pos" not in name
    ]  # fmt: skip


def gathers(graph: Graph) -> list[str]:
    return [op for op in ops(graph) if op.startswith(("gather", "interleave"))]


def scheme_of(names: list[str], rule: str = "norm") -> tl.UpdateScheme:
    return tl.UpdateScheme({name: {"share": 0.5, "channels": rule} for name in names})


@pytest.mark.parametrize("name", NAMES)
def test_gradients_are_torchs(name: str):
    """Of several weights at once, some of which agree, others not."""
    case = NETWORKS[name](2)
    graph = tl.prepare(case.model, case.x, check=False)
    own = weights(case)
    scheme = scheme_of(own[:: -(-len(own) // MANY)])
    _, expected = run_sgd(case, scheme)
    error, where = worst(oracle_gradients(graph, case, scheme), expected)
    assert error < 1e-4, where


def pointwise(case: Case) -> str:
    """The last convolution of 1x1 before the head."""
    return [
        name for name, m in case.model.named_modules()
        if isinstance(m, nn.Conv2d) and m.kernel_size == (1, 1) and m.groups == 1
    ][-1] + ".weight"  # fmt: skip


@pytest.mark.parametrize("precision", ["float32", "int8"])
@pytest.mark.parametrize("name", ["ds_cnn"])
def test_a_permutation_costs_nothing(name: str, precision: str):
    """RAM, Flash and the C are those of the leading channels, but for the numbers in the arrays."""
    case = NETWORKS[name](1)
    more = {"calibration": [case.x]} if precision == "int8" else {}
    made = [
        tl.compile(
            case.model, case.x, scheme_of([pointwise(case)], rule), precision=precision,
            target=tl.Target("cortex-m7", ram=1 << 22, flash=1 << 22), check=False, **more,
        )
        for rule in ("norm", "leading")
    ]  # fmt: skip
    assert not gathers(made[0].graph)
    assert ops(made[0].graph) == ops(made[1].graph)
    for field in ("arena_bytes", "state_bytes", "constant_bytes", "saved_bytes", "macs_backward"):
        assert getattr(made[0], field) == getattr(made[1], field)
    assert made[0].report.flash_bytes == made[1].report.flash_bytes
    addresses = [sorted(m.plan.offset.values()) for m in made]
    assert addresses[0] == addresses[1]
    assert made[0].layout.fingerprint != made[1].layout.fingerprint


@pytest.mark.parametrize("precision", ["float32", "int8"])
@pytest.mark.parametrize("name", ["ds_cnn", "resnet8"])
def test_permuted_and_gathered_learn_the_same(name: str, precision: str, monkeypatch):
    case = NETWORKS[name](1)
    names = [n for n in weights(case) if case.model.get_parameter(n).ndim == 4]
    scheme = scheme_of(names)
    how = tl.Int8(rounding="nearest") if precision == "int8" else None
    graph = tl.prepare(
        case.model, case.x, check=False, precision=how, scheme=scheme,
        calibration=[case.x] if how else None,
    )  # fmt: skip

    def trained() -> tuple[np.ndarray, dict[str, np.ndarray], int]:
        step = tl.train(graph, scheme, optimizer=tl.SGD(0.05), precision=how)
        program = tl.plan(step, "host")
        y = case.y.numpy().astype(np.int32)
        _, logits, state = tl.evaluate(program, case.x.numpy(), y)
        return logits, state, len(gathers(step.step))

    logits, state, some = trained()
    monkeypatch.setattr(training, "lead_channels", lambda graph, scheme: graph)
    plain, gathered, all_of_them = trained()
    assert some < all_of_them
    exact = precision == "int8" and name == "ds_cnn"
    np.testing.assert_allclose(logits, plain, rtol=1e-5, atol=0 if exact else 1e-5)
    for key in state:
        before = case.model.get_parameter(key).detach().numpy()
        part = trained_part(case.model, scheme, key) > 0
        scale = np.abs(gathered[key] - before)[part].max()
        np.testing.assert_allclose(state[key], gathered[key], rtol=1e-5, atol=1e-3 * scale)


@pytest.mark.parametrize("name", ["permuted", "gathered"])
def test_the_device_has_the_bits_of_the_host(name: str):
    """In int8, on an emulated Cortex-M7, beside the leading channels."""
    network = small_case(1)
    made = []
    for rule in ("norm", "leading"):
        names = ["depthwise.weight"] if name == "permuted" else ["up.weight", "grouped.weight"]
        scheme = tl.UpdateScheme({**dict.fromkeys(names, 0.5), "fc.bias": 1}, channels=rule)
        program = tl.compile(
            network.model, network.x, scheme, precision="int8", calibration=[network.x]
        )
        assert bool(gathers(program.graph)) == (name == "gathered" and rule == "norm")
        with program.build("host") as host, program.build("unicorn") as device:
            for trainer in (host, device):
                trainer.step(network.x, network.y, lr=0.1)
            instructions = device.instructions
            assert host.save() == device.save()
            made.append((instructions, program.report.flash_bytes))
    (own, flash), (leading, least) = made
    if name == "permuted":
        assert flash == least and abs(own / leading - 1) < 0.002


def test_the_output_of_a_layer_that_learns_stays():
    """A map that the model returns and a layer reads: its channels cannot be permuted."""

    class Two(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first, self.head = nn.Linear(4, 6), nn.Linear(6, 3)

        def forward(self, x: torch.Tensor) -> dict[str, torch.Tensor]:
            features = self.first(x)
            return {"features": features, "logits": self.head(features)}

    model, x = Two(), torch.randn(1, 4)
    scheme = tl.UpdateScheme({"head.weight": {"channels": [5, 2]}})
    loss = [
        tl.Loss("cross_entropy", output="logits"),
        tl.Loss("mse", output="features", target="t"),
    ]
    program = tl.compile(model, x, scheme, target="host", loss=loss)
    assert gathers(program.graph)
    with program.build("host") as trainer:
        found = trainer.predict(x)["features"]
    np.testing.assert_allclose(found, model.first(x).detach().numpy(), rtol=1e-5, atol=1e-6)
