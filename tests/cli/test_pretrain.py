"""trainlet pretrain fewshot: from a Python file and examples to a network."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

import trainlet as tl

NET = """
from torch import nn

def network():
    return nn.Sequential(nn.Flatten(), nn.Linear(12, 8), nn.BatchNorm1d(8), nn.ReLU())
"""
QUICK = ("--ways", "3:4", "--steps", "3", "--epochs", "1")


@pytest.fixture
def files(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("net.py").write_text(NET)
    x = np.random.default_rng(0).normal(size=(48, 3, 4)).astype(np.float32)
    np.savez("base.npz", x=x, y=np.arange(48) % 6)


def test_a_network_that_compiles_and_the_same_bytes_twice(files, run) -> None:
    weights = []
    for out in ("one.pt2", "two.pt2"):
        result = run("pretrain", "fewshot", "net.py", "--data", "base.npz", "-o", out, *QUICK)
        assert result.exit_code == 0, result.output
        assert "--adapt cosine_head:ways=5,scale=" in result.stdout
        weights.append(tl.load(out).values)
    assert all(np.array_equal(value, weights[1][name]) for name, value in weights[0].items())
    assert not list(Path().glob("*.ckpt"))
    planned = run("plan", "one.pt2", "--adapt", "cosine_head:ways=5", "--scheme", "last")
    assert planned.exit_code == 0, planned.output


@pytest.mark.parametrize(
    ("text", "words", "why"),
    [
        ("x = 1", (), "has no function network()"),
        ("def network(): return 3", (), "returns int; allowed: a"),
        (NET, ("--ways", "five"), "two numbers such as 5:20"),
        (NET, ("--ways", "8:9"), "6 classes have 2 examples or more; allowed: at least 8"),
        (NET, ("--data", "absent.npz"), "absent.npz"),
    ],
)
def test_what_cannot_be_trained_is_refused(files, run, text, words, why) -> None:
    Path("net.py").write_text(text)
    result = run(
        "pretrain", "fewshot", "net.py", "--data", "base.npz", "-o", "net.pt2", *QUICK, *words
    )
    assert result.exit_code != 0 and not Path("net.pt2").exists()
    assert why in " ".join(result.output.replace("│", " ").split()), result.output
    assert not list(Path().glob("*.ckpt"))


def test_a_network_of_features_learns_new_classes(files, run) -> None:
    torch.manual_seed(0)
    features = nn.Sequential(nn.Flatten(), nn.Linear(12, 8)).eval()
    torch.export.save(torch.export.export(features, (torch.zeros(1, 3, 4),)), "features.pt2")
    rng = np.random.default_rng(0)
    x = np.repeat(rng.normal(size=(3, 3, 4)), 4, 0) + 0.1 * rng.normal(size=(12, 3, 4))
    np.savez("new.npz", x=x.astype(np.float32), y=np.repeat(np.arange(3), 4))
    words = ("run", "features.pt2", "--adapt", "cosine_head:ways=3", "--scheme", "last")
    result = run(*words, "--data", "new.npz", "--epochs", "0", "--observe", "--on", "unicorn")
    assert result.exit_code == 0, result.output
    assert "100.0%" in result.stdout and "instructions to observe an example" in result.stdout
    refused = run("run", "features.pt2", "--scheme", "last", "--data", "new.npz", "--observe")
    assert refused.exit_code == 1 and "no prototypes" in " ".join(refused.output.split())
