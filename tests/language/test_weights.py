"""Published weights give the outputs that are known of them, and learn as in PyTorch.

A file of random weights is always read; the published ones where they are there.
"""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F

import trainlet as tl
from zoo.llama import llama
from zoo.minilm import minilm

from . import llama2c, smollm2
from . import minilm as published_minilm
from .data import STORIES
from .vocabulary import BEGIN, Vocabulary

SIZE_OF_STORIES260K = dict(
    vocabulary=512, dim=64, layers=5, heads=8, kv_heads=4, hidden=172
)  # fmt: skip


def in_neighbours(x: torch.Tensor, base: float = 1e4) -> torch.Tensor:
    """Rotary positions as llama2.c has them: elements 2 i and 2 i + 1 of [.., T, width] turn."""
    tokens, width = x.shape[-2:]
    rates = base ** (-torch.arange(0, width, 2) / width)
    turned = torch.polar(torch.ones(()), torch.arange(tokens)[:, None] * rates)
    pairs = torch.view_as_complex(x.unflatten(-1, (-1, 2)).contiguous())
    return torch.view_as_real(pairs * turned).flatten(-2)


def test_rows_of_neighbours_turn_as_halves():
    """Products of a query and a key, which is all that attention reads, are the same."""
    from zoo.llama import rotated, rotations

    torch.manual_seed(0)
    x, q, k = torch.randn(7, 20), torch.randn(2 * 8, 20), torch.randn(2 * 8, 20)
    neighbours = [in_neighbours((x @ w.T).view(7, 2, 8).transpose(0, 1)) for w in (q, k)]
    halves = [
        rotated((x @ llama2c.halves_of_pairs(w, 2).T).view(7, 2, 8).transpose(0, 1),
                *rotations(8, 7, 1e4))
        for w in (q, k)
    ]  # fmt: skip
    expected, found = (a @ b.transpose(-1, -2) for a, b in (neighbours, halves))
    torch.testing.assert_close(found, expected)


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    """stories260K, or random weights of its size."""
    if (STORIES / "stories260K.bin").exists():
        return llama2c.read(STORIES / "stories260K.bin")
    path = tmp_path_factory.mktemp("weights") / "random.bin"
    llama2c.write(path, llama(**SIZE_OF_STORIES260K), 512)
    assert path.stat().st_size == 1_056_540
    return llama2c.read(path)


def test_a_checkpoint_is_read_as_it_was_written(tmp_path):
    model = llama(**SIZE_OF_STORIES260K)
    llama2c.write(tmp_path / "net.bin", model, 512)
    assert (tmp_path / "net.bin").stat().st_size == 1_056_540
    tokens = torch.arange(12)[None]
    found = llama2c.read(tmp_path / "net.bin")(tokens)
    torch.testing.assert_close(found, model(tokens), rtol=0, atol=0)


def test_stories260k_tells_its_story():
    if not STORIES.is_dir():
        pytest.skip(f"no stories260K in {STORIES}; TRAINLET_DATA says where the data folder is")
    model = llama2c.read(STORIES / "stories260K.bin")
    words = Vocabulary.read(STORIES / "tok512.bin")
    told = llama2c.continued(model, [BEGIN], 15)
    assert words.decode(told) == " Once upon a time, there was a little girl named Lily."
    assert words.encode("Once upon a time, there was a little girl named Lily.") == told


def test_a_step_of_stories260k_is_that_of_torch(checkpoint):
    torch.manual_seed(0)
    text = torch.randint(3, 512, (1, 25))
    scheme = tl.schemes.last_blocks(checkpoint, 2)
    program = tl.compile(
        checkpoint, text[:, :-1], scheme, target="host", optimizer=tl.SGD(lr=1.0), check=False
    )
    with program.build("host") as trainer:
        loss = trainer.step(text[:, :-1].numpy(), text[:, 1:].numpy())
        state = trainer.state()
    expected = F.cross_entropy(checkpoint(text[:, :-1]), text[:, 1:])
    learns = {n: p for n, p in checkpoint.named_parameters() if n in scheme}
    gradients = torch.autograd.grad(expected, list(learns.values()))
    assert loss == pytest.approx(expected.item(), rel=1e-5)
    for (name, p), g in zip(learns.items(), gradients, strict=True):
        np.testing.assert_allclose(state[name], (p - g).detach(), rtol=0, atol=1e-5, err_msg=name)


@pytest.mark.slow
def test_smollm2_knows_the_capital_of_france():
    for package in ("gguf", "tokenizers"):
        pytest.importorskip(package)
    path = smollm2.path()
    if path is None:
        pytest.skip(f"no package {smollm2.PACKAGE}; tests/language/smollm2.py says how to get it")
    words = smollm2.tokenizer(path)
    prompt = words.encode("The capital of France is").ids
    found = llama2c.continued(smollm2.load(path, 16), prompt, 2)
    assert words.decode(found[len(prompt) :]) == " Paris."


def test_minilm_tells_like_from_unlike():
    """The similarities are those that its authors print in their documentation."""
    pytest.importorskip("tokenizers")
    folder = published_minilm.folder()
    if folder is None:
        pytest.skip(f"no package {published_minilm.PACKAGE}; tests/language/minilm.py says how to "
                    "get it")  # fmt: skip
    model, words = published_minilm.load(folder), published_minilm.tokenizer(folder)
    sentences = "The weather is lovely today.", "It's so sunny outside!", "He drove to the stadium."
    with torch.no_grad():
        vectors = torch.cat([model(torch.tensor([words.encode(s).ids])) for s in sentences])
    expected = torch.tensor([[1, 0.6660, 0.1046], [0.6660, 1, 0.1411], [0.1046, 0.1411, 1]])
    torch.testing.assert_close(vectors @ vectors.T, expected, rtol=0, atol=1e-4)


def test_a_step_of_an_encoder_is_that_of_torch():
    """Its last block learns to bring a sentence's vector close to another one."""
    torch.manual_seed(0)
    model, tokens = minilm(), torch.randint(97, (2, 9))
    target = F.normalize(torch.randn(2, 24), dim=-1)
    scheme = tl.schemes.last_blocks(model, 1)
    assert len(scheme) == 10
    program = tl.compile(
        model, tokens, scheme, target="host", loss="mse", optimizer=tl.SGD(lr=1.0), check=False
    )
    loss, vectors, state = tl.evaluate(program, tokens.numpy(), target.numpy())
    expected = F.mse_loss(model(tokens), target)
    learns = {n: p for n, p in model.named_parameters() if n in scheme}
    gradients = torch.autograd.grad(expected, list(learns.values()))
    assert loss == pytest.approx(expected.item(), rel=1e-5)
    np.testing.assert_allclose(vectors, model(tokens).detach(), rtol=0, atol=1e-5)
    for (name, p), g in zip(learns.items(), gradients, strict=True):
        np.testing.assert_allclose(state[name], (p - g).detach(), rtol=0, atol=1e-5, err_msg=name)
