"""What a graph and a program compute, without a plan."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import ArrayLike

from trainlet.errors import TrainletError, shown
from trainlet.ir.graph import Graph
from trainlet.ir.storage import to_device
from trainlet.planning.program import LOGITS, Program
from trainlet.run.evaluate import evaluate_graph
from trainlet.run.simulated import OracleDevice
from trainlet.run.trainer import Trainer, input_arrays


def forward(graph: Graph, x: ArrayLike | Mapping[str, ArrayLike]) -> np.ndarray:
    """The network's output for one batch, computed by the oracle, as the graph has it: integers
    for a network whose output is quantised.

    x: one array, or one for each input by name, in the layout of the user's model.
    """
    if not isinstance(graph, Graph):
        raise TrainletError(f"graph is {shown(graph)}; allowed: what trainlet.load returns")
    inputs = graph.leaves("input")
    given = x if isinstance(x, Mapping) else {inputs[0].name: x}
    leaves = {n.name: to_device(n, graph.values[n.name]) for n in graph.leaves("param", "const")}
    leaves |= input_arrays(inputs, given)
    return evaluate_graph(graph, leaves)[LOGITS]


def evaluate(
    program: Program, x: ArrayLike, y: ArrayLike, lr: float | None = None
) -> tuple[float, np.ndarray, dict[str, np.ndarray]]:
    """One step of the unplanned oracle from the pretrained state: loss, logits (before the
    update), and the trained parameters after it."""
    if not isinstance(program, Program):
        raise TrainletError(f"program is {shown(program)}; allowed: what trainlet.compile returns")
    trainer = Trainer(program, OracleDevice(program))
    logits = trainer.predict(x)
    loss = trainer.step(x, y, lr)
    return loss, logits, trainer.state()
