"""Language models learn the same bits on an emulated microcontroller, in 256 KB of RAM."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import numpy as np
import pytest
import torch
import torch.nn.functional as F

import trainlet as tl
from trainlet.ir.graph import Graph
from zoo.llama import Llama, llama

from . import llama2c
from .data import FOLDER, STORIES
from .vocabulary import Vocabulary, speeches

TOKENS = 8
ADAPTERS = ("lora_A", "lora_B")


def small() -> Llama:
    return llama(vocabulary=40, dim=16, layers=2, hidden=24)


def texts(count: int) -> list[tuple[np.ndarray, np.ndarray]]:
    """Tokens, and the tokens that follow them."""
    drawn = np.random.default_rng(0).integers(40, size=(count, 1, TOKENS + 1))
    return [(text[:, :-1], text[:, 1:]) for text in drawn]


def adapted(graph: Graph) -> tuple[Graph, tl.UpdateScheme]:
    """Adapters of all products of attention, which alone learn."""
    changed = tl.adapt.lora(graph, 2, layers=["layers.*.self_attn.*"])
    return changed, tl.UpdateScheme({n: 1.0 for n in changed.values if n.endswith(ADAPTERS)})


@contextmanager
def both(program, emulator: str = "unicorn") -> Iterator[tuple[tl.Trainer, tl.Trainer]]:
    with program.build("host") as host, program.build(emulator, count=False) as device:
        yield host, device


def check_same(program, pairs, emulator: str = "unicorn") -> list[float]:
    """Learn on both, and compare bits; the losses."""
    losses = []
    with both(program, emulator) as (host, device):
        for pair in pairs:
            losses.append(host.step(pair, {}))
            assert device.step(pair, {}) == losses[-1]
        assert host.save() == device.save()
        assert host.predict(pairs[0]) == device.predict(pairs[0])
    return losses


@pytest.mark.parametrize(
    "precision, way, target, emulator",
    [
        ("float32", "last block", "cortex-m7", "unicorn"),
        ("int8", "adapters", "cortex-m7", "unicorn"),
        pytest.param("float32", "adapters", "cortex-m55", "qemu", marks=pytest.mark.qemu),
    ],
)
def test_a_small_one_learns_the_same_bits(precision, way, target, emulator):
    model, pairs = small(), texts(2)
    x, y = map(torch.from_numpy, pairs[0])
    how = tl.Int8(gradient="int16") if precision == "int8" else None
    shown = [x for x, _ in pairs] if how else None
    graph = tl.prepare(model, x, precision=how, calibration=shown)
    scheme = tl.schemes.last_blocks(model, 1)
    if way == "adapters":
        graph, scheme = adapted(graph)
    training = tl.train(tl.loss_in_chunks(graph, 2), scheme, loss="output", precision=how)
    program = tl.plan(training, replace(tl.Target.preset(target), stack=4608))
    losses = check_same(program, pairs, emulator)
    expected, _, _ = tl.evaluate(program, pairs[0], ())
    assert losses[0] == pytest.approx(expected, rel=1e-6)
    if precision == "float32":
        assert losses[0] == pytest.approx(F.cross_entropy(model(x), y).item(), rel=1e-5)


@pytest.mark.slow
def test_stories260k_learns_a_role_in_int8_in_256_kb():
    """20 texts of 32 tokens lower the loss of 20 others by a third of a nat."""
    if not STORIES.is_dir():
        pytest.skip(f"no stories260K in {STORIES}; TRAINLET_DATA says where the data folder is")
    words = Vocabulary.read(STORIES / "tok512.bin")
    said = speeches(FOLDER / "tinyshakespeare_by_speaker.jsonl.gz", "GLOUCESTER")[:12]
    tokens = np.array([token for speech in said for token in words.encode(speech)])
    pairs = [(tokens[None, k : k + 32], tokens[None, k + 1 : k + 33]) for k in range(0, 1536, 32)]
    model = llama2c.read(STORIES / "stories260K.bin", 32)
    how, scheme = tl.Int8(gradient="int16"), tl.schemes.last_blocks(model, 1)
    shown = [x for x, _ in pairs[40:]]
    graph = tl.prepare(model, torch.from_numpy(pairs[0][0]), precision=how, calibration=shown)
    training = tl.train(tl.loss_in_chunks(graph, 4), scheme, loss="output", precision=how,
                        optimizer=tl.SGD(lr=0.05))  # fmt: skip
    program = tl.plan(training, replace(tl.Target.preset("cortex-m7"), flash=2 << 20))
    with program.build("host") as host:
        before = np.mean([host.predict(pair) for pair in pairs[20:40]])
        losses = [host.step(pair, {}) for pair in pairs[:20]]
        after = np.mean([host.predict(pair) for pair in pairs[20:40]])
    assert after < before - 1 / 3
    assert check_same(program, pairs[:2]) == losses[:2]
