"""The example of docs/losses.md runs, and its table names every loss."""

import re
from pathlib import Path

import numpy as np

from trainlet.ops.objective import LOSSES

PAGE = (Path(__file__).parents[2] / "docs" / "losses.md").read_text()


def test_the_example_runs() -> None:
    (block,) = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    found: dict = {}
    exec(block, found)
    assert np.isfinite(found["loss"])
    assert {name: array.shape for name, array in found["made"].items()} == {
        "kind": (2, 4), "size": (2, 1),
    }  # fmt: skip


def test_every_loss_is_in_the_table() -> None:
    first = re.findall(r"^\| (`.*?) \|", PAGE, re.MULTILINE)
    assert sorted(re.findall(r"`(\w+)`", " ".join(first))) == sorted(LOSSES)
