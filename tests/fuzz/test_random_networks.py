"""Random networks, schemes, losses and optimisers: everybody agrees.

In float64 our gradients are those of PyTorch; in float32 the arena computes the oracle's bits
inside the planned bytes, and the C code the same but for the order of sums.
"""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import HealthCheck, Phase, given, reject, seed, settings
from hypothesis import strategies as st

import trainlet as tl
from fuzz.networks import networks
from networks.gradients import user_gradient
from networks.reference import run_sgd, worst
from trainlet.backends.toolchain import compile_shared
from trainlet.errors import SchemeError
from trainlet.ir.graph import Graph, Node
from trainlet.ir.storage import to_device
from trainlet.ops.op import OPS
from trainlet.run import native
from trainlet.run.simulated import ArenaDevice, OracleDevice
from trainlet.run.trainer import split_blob
from zoo import Case

ROUNDS, EXAMPLES = 8, 28
EXACT = 1e-5
"""In float64, but constants that a pass computed are float32."""
FLOAT32 = 3e-4
AT_A_KINK = 1e-5
LOSSES = {
    "cross_entropy": F.cross_entropy,
    "mse": F.mse_loss,
    "bce_with_logits": F.binary_cross_entropy_with_logits,
}
OPTIMIZERS = (tl.SGD(0.05), tl.SGD(0.05, momentum=0.9), tl.Adam(0.01, eps=0.01))


@st.composite
def cases(draw) -> tuple[Case, str]:
    """A network with a batch, and the loss that goes with its targets."""
    model, shape, classes = draw(networks())
    batch = draw(st.integers(1, 3))
    loss = draw(st.sampled_from(["cross_entropy", "cross_entropy", "mse", "bce_with_logits"]))
    x = torch.randn(batch, *shape)
    y = torch.randint(classes, (batch,)) if loss == "cross_entropy" else torch.rand(batch, classes)
    return Case(model, x, y, classes), loss


@st.composite
def schemes(draw, model: torch.nn.Module) -> tl.UpdateScheme:
    """Some parameters, some of them in part."""
    names = [name for name, _ in model.named_parameters()]
    chosen = draw(st.lists(st.sampled_from(names), min_size=1, unique=True))
    shares = st.sampled_from([1.0, 1.0, 0.7, 0.5, 0.25, 0.1])
    return tl.UpdateScheme({name: draw(shares) for name in chosen})


def in_float64(graph: Graph, case: Case) -> dict[Node, np.ndarray]:
    """Every node's value."""
    known: dict[Node, np.ndarray] = {}
    for n in graph.nodes():
        if n.is_leaf:
            given = {"target": case.y.numpy()}.get(n.name, case.x.numpy())
            value = given if n.op == "input" else graph.values[n.name]
            value = to_device(n, value)
            known[n] = value.astype("float64") if value.dtype.kind == "f" else value
        else:
            known[n] = np.asarray(OPS[n.op].eval(*(known[i] for i in n.inputs), **n.attrs))
    return known


def at_a_kink(values: dict[Node, np.ndarray]) -> bool:
    """Where rounding decides on which side of a ReLU's kink an element lies, nobody is right."""
    return any(
        (np.abs(values[n.inputs[0]] - kink) < AT_A_KINK).any()
        for n in values
        if not n.is_leaf
        for kink in OPS[n.op].kinks(n.attrs)
    )


def trained_graph(
    graph: Graph, scheme: tl.UpdateScheme, loss: str
) -> tuple[Graph, tl.UpdateScheme]:
    """The graph with its gradients; parameters that cannot learn in part learn whole."""
    while True:
        try:
            made = tl.train(graph, scheme, loss=loss, stop_after="prune").step
            return made, scheme
        except SchemeError as error:
            whole = str(error).split("'")[1]
            assert "learn in part" in str(error) and scheme[whole] < 1
            scheme = tl.UpdateScheme({**scheme.ratios, whole: 1.0})


def check_gradients(graph: Graph, case: Case, scheme: tl.UpdateScheme, loss: str) -> None:
    values = in_float64(graph, case)
    if at_a_kink(values):
        reject()
    losses, expected = run_sgd(case, scheme, criterion=LOSSES[loss])
    assert values[graph.outputs["loss"]] == pytest.approx(losses[0], rel=EXACT, abs=1e-7)
    expected = {name: g for name, g in expected.items() if np.abs(g).max() > 1e-9}
    found = {
        p.name: user_gradient(p, values[graph.outputs[f"grad.{p.name}"]])
        for p in graph.leaves("param")
        if p.name in expected
    }
    if found:
        error, where = worst(found, expected)
        assert error <= EXACT, where


def check_devices(program: tl.CompiledProgram, case: Case) -> None:
    oracle = tl.Trainer(program, OracleDevice(program))
    arena = tl.Trainer(program, ArenaDevice(program))
    with program.build("host") as trainer:
        start = split_blob(program, oracle.save())
        np.testing.assert_allclose(
            trainer.predict(case.x), oracle.predict(case.x), rtol=FLOAT32, atol=1e-5
        )
        for _ in range(3):
            expected = oracle.step(case.x, case.y)
            assert arena.step(case.x, case.y) == expected
            assert trainer.step(case.x, case.y) == pytest.approx(expected, rel=FLOAT32, abs=1e-6)
        assert arena.save() == oracle.save()
        there, here = (split_blob(program, t.save()) for t in (oracle, trainer))
        ways = {name: np.abs(value - start[name]).max() for name, value in there.items()}
        noise = 1e-5 * max(ways.values())  # all there is of a gradient that cancels out
        for name, value in there.items():
            allowed = 20 * FLOAT32 * ways[name] + 1e-6 * np.abs(value).max() + noise
            assert np.abs(here[name] - value).max() <= allowed, name


def agree(data: st.DataObject) -> None:
    case, loss = data.draw(cases())
    graph = tl.prepare(case.model, case.x, check=False)
    gradients, scheme = trained_graph(graph, data.draw(schemes(case.model)), loss)
    check_gradients(gradients, case, scheme, loss)
    program = tl.compile(
        graph,
        None,
        scheme,
        target="host",
        loss=loss,
        optimizer=data.draw(st.sampled_from(OPTIMIZERS)),
        accumulate=data.draw(st.sampled_from([1, 1, 2])),
    )
    check_devices(program, case)


@pytest.fixture
def unoptimised(monkeypatch):
    """The same bits, compiled in half the time; the networks' tests optimise."""
    monkeypatch.setattr(
        native, "compile_shared", lambda sources, out: compile_shared(sources, out, "-O0")
    )


@pytest.mark.usefixtures("unoptimised")
@pytest.mark.parametrize(
    "round_",
    [pytest.param(k, marks=pytest.mark.long if k >= 3 else ()) for k in range(ROUNDS)],
)
def test_random_networks(round_):
    """The same networks every time: a failure here is no accident."""
    run = settings(
        max_examples=EXAMPLES,
        deadline=None,
        database=None,
        phases=[Phase.generate, Phase.shrink],
        suppress_health_check=list(HealthCheck),
    )(given(st.data())(agree))
    seed(round_)(run)()
