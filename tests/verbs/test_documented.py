"""The examples of docs/the-compiler-in-one-page.md run as they are printed."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import trainlet as tl

from .test_verbs import INT8, SHOWN, X, network

PAGE = Path(__file__).parents[2] / "docs" / "the-compiler-in-one-page.md"


def example() -> str:
    """The one that defines a function of a graph."""
    blocks = re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)
    (found,) = [block for block in blocks if "def low_rank" in block]
    return found


@pytest.mark.parametrize("how", [{}, INT8 | {"calibration": SHOWN}], ids=["float32", "int8"])
def test_a_low_rank_adapter_is_all_that_learns(how):
    graph = tl.prepare(network(), X, **how)
    scope: dict[str, Any] = {"tl": tl, "graph": graph}
    exec(compile(example(), PAGE.name, "exec"), scope)  # the page's own text
    program, plain = tl.plan(scope["training"], "host"), tl.plan(tl.train(graph, "last"), "host")
    with program.build() as trainer, plain.build() as other:
        before = trainer.predict(X.numpy())
        np.testing.assert_array_equal(before, other.predict(X.numpy()))  # B begins with zeros
        losses = [trainer.step(X.numpy(), [1], lr=0.1) for _ in range(3)]
        assert losses == sorted(losses, reverse=True) and losses[2] < losses[0]
        assert {k: v.shape for k, v in trainer.state().items()} == {
            "head.A": (2, 144), "head.B": (3, 2)
        }  # fmt: skip
        assert not np.array_equal(trainer.predict(X.numpy()), before)
