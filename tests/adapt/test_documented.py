"""The examples of docs/adapters.md run as they are printed."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

import trainlet as tl

PAGE = Path(__file__).parents[2] / "docs" / "adapters.md"


def test_the_examples_run():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(12, 16), nn.ReLU(), nn.Linear(16, 3)).eval()
    example = torch.randn(1, 12)
    scope: dict[str, Any] = {"tl": tl, "torch": torch, "model": model, "example": example}
    compiled, merged = re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)
    exec(compile(compiled, PAGE.name, "exec"), scope)  # the page's own text
    with scope["program"].build() as trainer:
        trainer.step(example.numpy(), [1], lr=0.5)
        trainer.step(example.numpy(), [1], lr=0.5)
        exec(compile(merged, PAGE.name, "exec"), {**scope, "trainer": trainer})
        found = model(example).detach()
        np.testing.assert_allclose(found, trainer.predict(example.numpy()), atol=1e-5)
    again = tl.compile(scope["graph"], scheme="lora")
    assert again.saved_bytes == scope["program"].saved_bytes
