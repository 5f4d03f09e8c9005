"""A tiny network, and the command line in this process."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import nn
from typer.testing import CliRunner, Result

from trainlet.cli.main import app


@pytest.fixture(scope="session")
def exported(tmp_path_factory) -> Path:
    """A classifier [2, 6] -> [2, 3]; torch.export takes a while, so one for all tests."""
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(6, 8), nn.ReLU(), nn.Linear(8, 3)).eval()
    path = tmp_path_factory.mktemp("net") / "net.pt2"
    torch.export.save(torch.export.export(model, (torch.zeros(2, 6),)), path)
    return path


@pytest.fixture
def net(exported, tmp_path, monkeypatch) -> Path:
    """The network in the current folder, alone."""
    monkeypatch.chdir(tmp_path)
    path = Path("net.pt2")
    path.write_bytes(exported.read_bytes())
    return path


@pytest.fixture
def run() -> Callable[..., Result]:
    return lambda *words: CliRunner().invoke(app, [str(word) for word in words])


@pytest.fixture
def refused(run) -> Callable[..., str]:
    """Run a command that must fail: the one message, with nothing written."""

    def check(*words) -> str:
        before = sorted(Path().rglob("*"))
        result = run(*words)
        assert result.exit_code == 1, result.output
        assert result.stderr.startswith("error: ") and result.stderr.count("error:") == 1
        assert "Traceback" not in result.output
        assert sorted(Path().rglob("*")) == before
        return result.stderr

    return check
