"""Integer networks recompute too: gradients of any format read copies and give the same bytes."""

import numpy as np
import pytest

import trainlet as tl
from int8.networks import quantised, roomy
from trainlet.ops.quantized.precision import Int8


@pytest.mark.parametrize("gradient", ["float32", "int16"])
def test_the_same_bytes(gradient):
    graph, x = quantised("ds_cnn")
    options = {"target": roomy("cortex-m7"), "precision": Int8(gradient=gradient)}
    usual = tl.compile(graph, None, "full", **options)
    fixed = usual.state_bytes + usual.target.stack
    limit = fixed + int(0.9 * usual.arena_bytes)
    made = tl.compile(graph, None, "full", max_ram=limit, **options)
    assert made.arena_bytes <= 0.9 * usual.arena_bytes and made.recomputation.nodes
    y = np.zeros(1, np.int32)
    found = []
    for program in (usual, made):
        with program.build("host") as trainer:
            losses = [trainer.step(x, y) for _ in range(2)]
            found.append((losses, {k: v.tobytes() for k, v in trainer.state().items()}))
    assert found[0] == found[1]
