from pathlib import Path

import numpy as np
import pytest
import torch

from explorer.served import source
from trainlet.explorer.explored import Source


@pytest.fixture
def persons(tmp_path: Path) -> Source:
    """A small network, and data of four persons."""
    torch.manual_seed(0)
    network = torch.nn.Sequential(torch.nn.Linear(8, 8), torch.nn.ReLU(), torch.nn.Linear(8, 3))
    exported = torch.export.export(network.eval(), (torch.zeros(1, 8),))
    torch.export.save(exported, tmp_path / "net.pt2")
    rng = np.random.default_rng(0)
    y = np.arange(96) % 3
    x = (rng.normal(size=(96, 8)) + 3 * np.eye(3, 8)[y]).astype(np.float32)
    np.savez(tmp_path / "mine.npz", x=x, y=y, person=np.arange(96) // 24)
    return Source(tmp_path / "net.pt2", tmp_path / "mine.npz", source("").target)
