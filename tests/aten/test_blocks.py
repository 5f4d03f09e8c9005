"""Networks trained part after part: each step is autograd's, and equal parts share a kind."""

from __future__ import annotations

import copy
import importlib.util
import sys
from argparse import Namespace
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from safetensors.torch import load_file
from torch import nn

import trainlet as tl
from trainlet.backends.aten.module import Placement, traced
from trainlet.errors import DataError, SchemeError, UnsupportedError
from trainlet.ops.objective import Loss
from trainlet.planning.order.schedule import schedule
from trainlet.torch import BlockTrainer, block_packages
from trainlet.torch.block_graphs import KEPT, block_graphs


def module_of(path):
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[path.stem] = module
    spec.loader.exec_module(module)
    return module


def benchmark(name):
    return module_of(Path(__file__).parents[2] / "benchmarks" / f"{name}.py")


llama = benchmark("llama_blocks")
SMALL = llama.SMALL
STEPS = 20


def batch():
    torch.manual_seed(1)
    return torch.randint(SMALL.vocabulary, (1, SMALL.tokens)), torch.randint(
        SMALL.vocabulary, (SMALL.tokens,)
    )


def named(network):
    return {f"{p}.{n}": w for p, m in network.items() for n, w in m.named_parameters()}


@pytest.mark.parametrize(
    ("kind", "kinds", "optimizer", "reference"),
    [
        ("full", 3, tl.SGD(2e-3), lambda w: torch.optim.SGD(w, 2e-3)),
        ("sparse", 4, tl.SGD(0.02, momentum=0.9), lambda w: torch.optim.SGD(w, 0.02, 0.9)),
        ("lora", 3, tl.Adam(1e-3), lambda w: torch.optim.Adam(w, 1e-3)),
    ],
)
def test_equals_autograd(kind, kinds, optimizer, reference):
    network = llama.parts(SMALL, 4 if kind == "lora" else 0)
    twin = copy.deepcopy(network)
    scheme = llama.scheme(kind, SMALL, network)
    x, y = batch()
    trainer = BlockTrainer(network, x, scheme, optimizer=optimizer)
    weights = named(twin)
    for name, w in weights.items():
        w.requires_grad_(name in scheme)
    theirs = reference([w for w in weights.values() if w.requires_grad])
    for _ in range(STEPS):
        at = x
        for module in twin.values():
            at = module(at)
        loss = F.cross_entropy(at, y)
        loss.backward()
        theirs.step()
        theirs.zero_grad()
        assert trainer.step(x, y) == pytest.approx(float(loss), abs=1e-4)
    for name, w in named(network).items():
        torch.testing.assert_close(w, weights[name], atol=1e-4, rtol=1e-4, msg=name)
    assert len(trainer.kinds) == kinds


def test_bfloat16_learns():
    network = llama.parts(SMALL, dtype=torch.bfloat16)
    x, y = batch()
    trainer = BlockTrainer(network, x, llama.scheme("full", SMALL, network), optimizer=tl.SGD(0.05))
    losses = [trainer.step(x, y) for _ in range(10)]
    assert losses[-1] < 0.7 * losses[0]
    assert all(w.dtype == torch.bfloat16 for w in named(network).values())


def test_the_results_of_products_are_kept():
    x = torch.zeros(1, SMALL.tokens, SMALL.width)
    graph = tl.prepare(llama.Block(SMALL), x, check=False)
    learning = [f"{name}.weight" for name in ("q", "k", "v", "o", "gate", "up", "down")]
    halves = block_graphs(graph, learning, True, tl.SGD())
    kept = {n.name: n.type.size for n in halves.backward.leaves("input") if KEPT in n.name}
    T, D, scores = SMALL.tokens, SMALL.width, SMALL.heads * SMALL.tokens**2
    # q, k, v, the attention's result, o; the scores; gate and up
    assert sorted(kept.values()) == sorted([T * D] * 5 + [scores] + [T * SMALL.inner] * 2)
    assert set(kept) < set(halves.forward.outputs)


def test_a_graph_for_a_gpu_needs_none():
    graph = tl.prepare(nn.Sequential(nn.Linear(4, 4), nn.SiLU()), torch.zeros(2, 4), check=False)
    backward = block_graphs(graph, ["0.weight", "0.bias"], True, tl.SGD()).backward
    where = Placement(torch.device("cuda"), torch.bfloat16)
    made = traced(backward, schedule(backward), ["dx"], {}, where)
    inputs = [n.meta["val"] for n in made.module.graph.nodes if n.op == "placeholder"]
    assert {t.device.type for t in inputs} == {"cuda"}
    assert {str(t.dtype) for t in inputs if t.ndim} == {"torch.bfloat16"}
    assert "cpu" not in made.module.code


class Scaled(nn.Module):
    """What it computes does not show in its text."""

    def __init__(self, factor):
        super().__init__()
        self.layer, self.factor = nn.Linear(8, 8), factor

    def forward(self, x):
        return self.factor * torch.relu(self.layer(x))


def scaled(*factors):
    torch.manual_seed(0)
    middle = {f"part{k}": Scaled(f) for k, f in enumerate(factors)}
    return {**middle, "head": nn.Linear(8, 3)}


def test_parts_that_only_seem_equal_are_refused():
    x = torch.randn(2, 8)
    with pytest.raises(UnsupportedError, match="something else than torch"):
        BlockTrainer(scaled(1.0, 2.0), x, {"head.bias": 1.0})
    trainer = BlockTrainer(scaled(2.0, 2.0), x, {"head.bias": 1.0}, loss=Loss("mse"))
    assert len(trainer.kinds) == 2
    y = torch.zeros(2, 3)
    assert trainer.step(x, y, 0.1) > trainer.step(x, y, 0.1)


@pytest.mark.parametrize(
    ("scheme", "why"),
    [
        ({}, "at least one parameter"),
        ({"part0.layer.w": 1.0}, r"names \['part0.layer.w'\]; allowed.*head.weight, head.bias"),
        ({"part0.layer.weight": 0.5}, "a part of 'part0.layer.weight'; allowed: whole"),
    ],
)
def test_schemes_that_do_not_fit(scheme, why):
    with pytest.raises(SchemeError, match=why):
        BlockTrainer(scaled(1.0), torch.randn(2, 8), scheme)


def test_one_type_of_parameters():
    modules = scaled(1.0)
    modules["head"].to(torch.float16)
    with pytest.raises(DataError, match="allowed: one device, and all of float32"):
        BlockTrainer(modules, torch.randn(2, 8), {"head.bias": 1.0})


def test_the_benchmark_on_a_small_shape():
    script = benchmark("llama7b")
    asked = {"kind": "sparse", "small": True, "device": "cpu", "way": "eager"}
    losses = []
    for method in ("trainlet", "eager"):
        step = script.step_of(Namespace(method=method, **asked))
        losses.append([step(), step()])
    assert losses[0] == pytest.approx(losses[1], rel=2e-2)


def test_the_files_of_parts_train_without_trainlet(tmp_path, monkeypatch):
    graphs = {}

    def kept(graph, path):
        graphs[path.name] = graph.module
        path.write_bytes(b"")

    class Loaded:
        def __init__(self, path):
            self.module = graphs[Path(path).name]

        def __call__(self, *inputs):
            return self.module(*inputs)

        def get_metadata(self):
            return {"AOTI_DEVICE_KEY": "cpu"}

    monkeypatch.setattr(block_packages, "write_package", kept)
    monkeypatch.setattr(torch._inductor, "aoti_load_package", Loaded)
    network = llama.parts(SMALL, dtype=torch.bfloat16)
    scheme, (x, y) = llama.scheme("sparse", SMALL, network), batch()
    trainer = BlockTrainer(network, x, scheme, optimizer=tl.SGD(0.02, momentum=0.9))
    trainer.step(x, y, 0.1)
    trainer.write(tmp_path)
    # embedding, frozen block, trained block, head; the trained block and the head backward
    assert len(graphs) == len(list(tmp_path.glob("*.pt2"))) == 5
    run = module_of(tmp_path / "run.py")
    written = run.Network(tmp_path)
    for _ in range(3):
        assert written.step(x, [y], 0.1) == trainer.step(x, y, 0.1)
    for prefix, module in network.items():
        for name, w in module.named_parameters():
            key = f"{prefix}.{name}"
            torch.testing.assert_close(written.state[key], w.detach(), rtol=0, atol=0, msg=key)
    run.main(1)
    assert load_file(tmp_path / "trained.safetensors").keys() == written.state.keys()


def test_the_bytes_of_a_step_are_counted():
    count = benchmark("llama_memory").counted
    full, sparse = count("full", SMALL), count("sparse", SMALL)
    T, D = SMALL.tokens, SMALL.width
    # q, k, v, the attention's result, o, the input of the next block; the scores; gate and up
    kept = 6 * T * D + SMALL.heads * T**2 + 2 * T * SMALL.inner
    assert full.weights == sparse.weights == 2 * sum(w.numel() for w in weights())
    assert (full.kept, sparse.kept) == (2 * kept * SMALL.blocks, 2 * kept * SMALL.blocks // 2)
    assert full.copies == 2 * sum(w.numel() for w in llama.Block(SMALL).parameters())
    assert sparse.values < full.values


def weights():
    return named(llama.parts(SMALL)).values()
