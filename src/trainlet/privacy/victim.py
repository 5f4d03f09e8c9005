"""A training step as an attacker knows it: the compiled graph, in numbers and in derivatives."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from trainlet.backends.aten.real_values import dequantized, nearest_integers, real_value
from trainlet.errors import UnsupportedError
from trainlet.ir.graph import Node
from trainlet.ir.roles import LOGITS, is_target, predictions
from trainlet.ir.storage import storage, to_device
from trainlet.passes.update import PREFIX, Training
from trainlet.privacy.message import Arrays
from trainlet.run.evaluate import evaluate_graph

Parameters = Mapping[str, Tensor]


class Victim:
    """The step of a network with one input, one output `logits` and a cross-entropy.

    Gradients have the names and the shapes of the leaves that learn: of a weight of which some
    channels learn, they are those of these channels.

    shape:   of the input in the layout of the user's model, the batch first
    classes: the number of logits
    """

    def __init__(self, training: Training) -> None:
        """training: as `tl.train(graph, scheme, stop_after="split")` returns it.

        Raises UnsupportedError for several inputs or outputs, and for another loss.
        """
        self.graph = training.step
        leaves = self.graph.leaves("input")
        inputs = [n for n in leaves if not is_target(n)]
        losses = [loss.name for loss in training.losses]
        outputs = predictions(self.graph)
        if len(inputs) != 1 or [*outputs] != [LOGITS] or losses != ["cross_entropy"]:
            raise UnsupportedError(
                f"the step has the inputs {[n.name for n in inputs]}, the outputs {[*outputs]} and "
                f"the losses {losses}; an audit takes one input, one output and a cross_entropy"
            )
        (self.input,), (self.target,) = inputs, [n for n in leaves if is_target(n)]
        self.shape = storage(self.input).shape
        self.classes = outputs[LOGITS].type.shape[-1]
        self.params = [
            n for n in self.graph.leaves("param") if f"{PREFIX}{n.name}" in self.graph.outputs
        ]
        self._logits = outputs[LOGITS]
        self._order = _needed(self._logits)
        self._fixed: dict[Node, Tensor] = {}
        for n in self._order:
            if n.is_leaf and n is not self.input:
                value = dequantized(n.type, to_device(n, self.graph.values[n.name]))
                self._fixed[n] = torch.tensor(value)

    @property
    def indices(self) -> bool:
        """Whether the input is a list of indices, of words for example."""
        return self.input.type.dtype == "int32"

    def start(self) -> dict[str, Tensor]:
        """The parameters before the step, by name."""
        return {n.name: self._fixed[n].detach().clone() for n in self.params}

    def held(self, parameters: Arrays) -> dict[str, NDArray]:
        """The real numbers that the forward pass computes with: the nearest ones that the device's
        integers stand for."""
        return {
            n.name: dequantized(n.type, nearest_integers(n.type, parameters[n.name]))
            for n in self.params
        }

    def shared(self, x: NDArray, y: NDArray, start: Arrays | None = None) -> dict[str, NDArray]:
        """The gradients that the device computes, in its own arithmetic: integers where the network
        is quantised.

        x: [batch, ...] in the layout of the user's model; y: [batch] labels
        start: other parameters than the compiled ones, in real numbers and in the shapes of the
        gradients
        """
        graph = self.graph
        leaves = {
            n.name: to_device(n, graph.values[n.name]) for n in graph.leaves("param", "const")
        }
        if start is not None:
            leaves.update({n.name: nearest_integers(n.type, start[n.name]) for n in self.params})
        leaves[self.input.name] = to_device(self.input, np.asarray(x).reshape(self.shape))
        leaves[self.target.name] = np.asarray(y, np.int32).reshape(self.target.type.shape)
        found = evaluate_graph(graph, leaves)
        return {n.name: found[f"{PREFIX}{n.name}"].astype(np.float32) for n in self.params}

    def updated(
        self, x: NDArray, y: NDArray, steps: int, lr: float, start: Arrays
    ) -> dict[str, NDArray]:
        """The sum of the gradients of so many steps of SGD on the same batch: the update that a
        device of federated averaging sends, divided by its learning rate.  Between the steps a
        device keeps what its integers do not hold."""
        now, total = dict(start), {name: np.zeros_like(value) for name, value in start.items()}
        for _ in range(steps):
            found = self.shared(x, y, now)
            now = {name: value - np.float32(lr) * found[name] for name, value in now.items()}
            total = {name: value + found[name] for name, value in total.items()}
        return total

    def logits(self, x: Tensor, parameters: Parameters | None = None) -> Tensor:
        """[batch, classes] of inputs in the layout of the user's model, differentiable."""
        return self.values(x, parameters)[self._logits].reshape(-1, self.classes)

    def values(self, x: Tensor, parameters: Parameters | None = None) -> dict[Node, Tensor]:
        """Of all nodes of the forward pass, inputs first."""
        how = storage(self.input)
        known: dict[Node, Tensor] = dict(self._fixed)
        placed = x.permute(how.permutation)
        known[self.input] = placed.reshape(self.input.type.shape)
        for n in self.params:
            if parameters is not None and n in known:
                known[n] = parameters[n.name]
        for n in self._order:
            if n not in known:
                known[n] = real_value(n, *(known[i] for i in n.inputs))
        return {n: known[n] for n in self._order}

    def gradients(
        self, x: Tensor, y: Tensor, parameters: Parameters | None = None, create: bool = True
    ) -> dict[str, Tensor]:
        """Of the mean cross-entropy; y are labels [batch] or probabilities [batch, classes].

        create: whether they can be differentiated again
        """
        learns = dict(parameters) if parameters is not None else self.start()
        if parameters is None:
            for value in learns.values():
                value.requires_grad_()
        loss = F.cross_entropy(self.logits(x, learns), y)
        found = torch.autograd.grad(
            loss, list(learns.values()), create_graph=create, allow_unused=True
        )
        pairs: Any = zip(learns.items(), found, strict=True)
        return {name: torch.zeros_like(p) if g is None else g for (name, p), g in pairs}


def _needed(root: Node) -> list[Node]:
    """All nodes that a node depends on, inputs first."""
    order: dict[Node, None] = {}
    waiting = [(root, False)]
    while waiting:
        n, ready = waiting.pop()
        if n in order:
            continue
        if ready:
            order[n] = None
            continue
        waiting.append((n, True))
        waiting += [(i, False) for i in n.inputs]
    return list(order)
