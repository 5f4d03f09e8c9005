"""Functions of elements, reductions and norms: an emulated Cortex-M7 has the host's bits."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch
from torch import Tensor, nn

import trainlet as tl
from imports.test_functions import OF_ELEMENTS, OVER_DIMENSIONS
from trainlet.ir.graph import Node
from trainlet.ops.formula.record import FORMULAS


class Everything(nn.Module):
    """Every function of the same maps, one after the other, and their sum."""

    def __init__(self) -> None:
        super().__init__()
        self.before, self.slope, self.after = nn.Linear(6, 64), nn.PReLU(4), nn.Linear(64, 3)

    def forward(self, x: Tensor) -> Tensor:
        maps = self.before(x).view(-1, 4, 4, 4)
        total = self.slope(maps)
        for function in (*OF_ELEMENTS.values(), *OVER_DIMENSIONS.values()):
            made = function(maps)
            total = (
                total
                + 0.1 * made.expand(1, *made.shape[1:]).flatten(1).mean(1)[:, None, None, None]
            )
        return self.after(total.flatten(1))


def operators(node: Node) -> set[str]:
    """Those of a chain one by one."""
    return {node.op, *(link[0] for link in node.attrs.get("links", ()))}


def test_cortex_m7_equals_the_host():
    torch.manual_seed(0)
    model, x = Everything().eval(), torch.randn(3, 1, 6)
    target = replace(tl.Target.preset("cortex-m7"), ram=1 << 20, flash=1 << 20)
    program = tl.compile(model, x[0], "full", target=target, check=False, tile=False)
    found = set[str]().union(*map(operators, program.graph.nodes()))
    missing = set(FORMULAS) - found
    assert not missing, f"no function here is made of {missing}"
    assert {"max_to", "log_softmax", "log_softmax_dx", "normalize_dx"} <= found
    with program.build("host") as host, program.build("unicorn", count=False) as device:
        for k, sample in enumerate(x.numpy()):
            loss = host.step(sample, [k])
            assert np.isfinite(loss) and loss == device.step(sample, [k])
            assert host.predict(sample).tobytes() == device.predict(sample).tobytes()
        assert host.save() == device.save()
