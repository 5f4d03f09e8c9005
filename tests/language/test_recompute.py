"""A deep transformer makes whole blocks again: a plan for less memory is found in seconds."""

from __future__ import annotations

import numpy as np
import torch

import trainlet as tl
from trainlet.planning.recompute.in_blocks import MANY
from trainlet.planning.recompute.problem import forward_first, recompute_problem
from zoo.llama import llama


def test_blocks_are_made_again():
    torch.manual_seed(0)
    model = llama(layers=11, dim=16, hidden=24)
    x, y = torch.randint(97, (2, 1, 32)).numpy()
    training = tl.train(tl.prepare(model, torch.from_numpy(x), check=False), "full")
    kept = tl.plan(training, "cpu", rollback=False)
    problem = recompute_problem(kept.graph, forward_first(kept.graph, kept.plan.order))
    assert len(problem.values) > MANY
    limit = int(0.4 * kept.arena_bytes) + kept.state_bytes + kept.target.stack
    made = tl.plan(training, "cpu", rollback=False, max_ram=limit)
    assert made.arena_bytes < 0.4 * kept.arena_bytes
    assert made.saved_bytes < 0.45 * kept.saved_bytes
    assert made.macs_recomputed < 0.33 * (kept.macs_forward + kept.macs_backward)
    (loss, logits, state), found = (tl.evaluate(p, x, y) for p in (kept, made))
    assert loss == found[0] and (logits == found[1]).all()
    for name, value in state.items():
        np.testing.assert_array_equal(found[2][name], value, err_msg=name)
