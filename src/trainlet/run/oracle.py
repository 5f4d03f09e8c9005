"""What a graph and a program compute, without a plan."""

from __future__ import annotations

from typing import Any

import numpy as np

from trainlet.errors import TrainletError, shown
from trainlet.ir.graph import Graph
from trainlet.ir.roles import forward_part, predictions
from trainlet.ir.storage import to_device
from trainlet.planning.program import Program
from trainlet.run.device import Targets
from trainlet.run.evaluate import evaluate_graph
from trainlet.run.simulated import OracleDevice
from trainlet.run.trainer import Inputs, Trainer, by_name, input_arrays


def forward(graph: Graph, x: Inputs) -> Any:
    """The network's output for one batch, computed by the oracle, as the graph has it: integers
    for a network whose output is quantised; of several outputs {name: array}.

    x: one array, or for several inputs {name: array} or a tuple, in the layout of the user's model.
    """
    if not isinstance(graph, Graph):
        raise TrainletError(f"graph is {shown(graph)}; allowed: the result of trainlet.load")
    inputs = graph.leaves("input")
    given = by_name([n.name for n in inputs], x, "inputs")
    leaves = {n.name: to_device(n, graph.values[n.name]) for n in graph.leaves("param", "const")}
    leaves |= input_arrays(inputs, given)
    found = evaluate_graph(forward_part(graph), leaves)
    outputs = dict(zip(predictions(graph), found.values(), strict=True))
    return outputs if len(outputs) > 1 else next(iter(outputs.values()))


def evaluate(
    program: Program, x: Inputs, y: Targets, lr: float | None = None
) -> tuple[float, Any, dict[str, np.ndarray]]:
    """One step of the unplanned oracle from the pretrained state: loss, logits (before the
    update; of several outputs {name: array}), and the trained parameters after it."""
    if not isinstance(program, Program):
        raise TrainletError(f"program is {shown(program)}; allowed: the result of trainlet.compile")
    trainer = Trainer(program, OracleDevice(program))
    logits = trainer.predict(x)
    loss = trainer.step(x, y, lr)
    return loss, logits, trainer.state()
