"""Compares the imported graph with torch: every operator on torch's own inputs, then the whole
network.

An operator is computed by the oracle's `eval` from what torch gave its inputs, so a difference is
that operator's own, and rounding does not add up along the network.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch.export import ExportedProgram
from torch.export.graph_signature import ConstantArgument, InputKind
from torch.fx import GraphModule
from torch.fx import Node as Fx
from torch.fx.node import map_arg
from torch.utils._pytree import tree_unflatten

from trainlet.errors import UnsupportedError
from trainlet.frontends.agreement import (
    ABSOLUTE,
    RELATIVE,
    agreed,
    computed,
    missing_nodes,
    work,
)
from trainlet.frontends.indices import SENSED
from trainlet.frontends.outputs import outputs_of
from trainlet.frontends.source import operator_name, where
from trainlet.frontends.torch import Imported
from trainlet.ir.graph import Graph, Node
from trainlet.ir.roles import predictions
from trainlet.ir.storage import to_device
from trainlet.passes.loops import is_loop

WORK = 4e7
"""Multiply-accumulates and elements that the oracle may compute in one check.  An operator that
needs more than a fourth of what is left is taken from torch."""
STEPS = 1
"""Of an int8 result: its rescaling rounds in another way than torch's floats."""
STEPS_OF_LOOPS = 4.0
"""Of a loop's results, on average: torch's loop rounds no states, and a cell may amplify what
rounding changes."""
SEED = 5
SAMPLES, PIXELS = -(1 << 15), -(1 << 8)
"""Stand for an input of int16, and for one of uint8."""
OURS = {ours: kind for kind, ours in SENSED.items()}
_UNDEFINED = ("empty_like", "new_empty")
"""Operators whose result holds whatever stood in memory."""


def check_import(
    found: Imported, original: torch.nn.Module | ExportedProgram, example: Sequence[torch.Tensor]
) -> None:
    """Compare on the example, on normal random numbers, and on numbers with many zeros and halves.

    original: what was exported, or the program as the user has it

    Raises UnsupportedError with the first operator that differs, or if the exported program is
    not what the model computes.
    """
    inputs = [n for n in found.graph.leaves("input")]
    trials = trials_like(example)
    tensors: dict[str, Any] = {**found.program.state_dict, **found.program.constants}
    specs = found.program.graph_signature.input_specs
    held = {s.arg.name: tensors[s.target] for s in specs if s.target in tensors}
    nodes = [fx for fx in found.program.graph.nodes if fx.name in found.values]
    values = {fx: found.values[fx.name] for fx in nodes}
    outputs = predictions(found.graph)
    reader = Comparison(found.graph, values, held, WORK / len(trials))
    for trial in trials:
        made = reader.run({n.name: x for n, x in zip(inputs, trial, strict=True)})
        own = {} if original is found.program else _own_result(original, trial)
        for name, output in outputs.items():
            if name in own:
                result = next(x for fx, x in reversed(made.items()) if values[fx] is output)
                _check_whole(own[name], result)


def check_captured(
    original: torch.nn.Module | ExportedProgram,
    module: GraphModule,
    example: Sequence[torch.Tensor],
    outputs: Sequence[str],
) -> None:
    """Compare what is to be quantised, still in floats, with the model, on the same inputs.

    outputs: the names of what the module returns, in its order

    Raises UnsupportedError if they differ.
    """
    for trial in trials_like(example):
        own = _own_result(original, trial)
        if own:
            with torch.no_grad():
                made = outputs_of(call_with(original, trial, module)).values()
            for name, value in zip(outputs, made, strict=True):
                _check_whole(own[name], value)


def trials_like(example: Sequence[torch.Tensor]) -> list[list[torch.Tensor]]:
    """The example, unless it is all zeros, and random inputs of its shapes."""
    given = [list(example)] if any(bool(x.any()) for x in example) else []
    return given + random_trials([tuple(x.shape) for x in example], limits(example))


def limits(example: Sequence[torch.Tensor]) -> list[int]:
    """For each input of indices a number that none of the example's reaches, SAMPLES or PIXELS for
    one of samples; else 0."""
    known = {torch.int16: SAMPLES, torch.uint8: PIXELS}
    return [0 if x.is_floating_point() else known.get(x.dtype, int(x.max()) + 1) for x in example]


def random_trials(
    shapes: Sequence[tuple[int, ...]], below: Sequence[int] = ()
) -> list[list[torch.Tensor]]:
    """Inputs of normal random numbers, and of halves with many zeros and other kinks.

    below: for each input of indices what they are less than, SAMPLES or PIXELS for samples, and 0
    for others; by default all are of real numbers
    """
    rng, bounds = np.random.default_rng(SEED), below or [0] * len(shapes)

    def one(
        real: Callable[[tuple[int, ...]], np.ndarray], shape: tuple[int, ...], most: int
    ) -> torch.Tensor:
        if most == SAMPLES:
            return torch.tensor(rng.integers(SAMPLES, -SAMPLES, shape), dtype=torch.int16)
        if most == PIXELS:
            return torch.tensor(rng.integers(0, 256, shape), dtype=torch.uint8)
        if most:
            return torch.tensor(rng.integers(0, most, shape))
        return torch.tensor(real(shape), dtype=torch.float32)

    def drawn(real: Callable[[tuple[int, ...]], np.ndarray]) -> list[torch.Tensor]:
        return [one(real, shape, most) for shape, most in zip(shapes, bounds, strict=True)]

    return [drawn(rng.standard_normal), drawn(lambda shape: rng.integers(-8, 9, shape) / 2)]


class Comparison:
    """The comparison of a graph with torch's.

    values: what became of torch's operators, in their order
    held:   the tensors of parameters and buffers, by the name of torch's node
    work:   what the oracle may compute, see WORK
    """

    def __init__(
        self,
        graph: Graph,
        values: Mapping[Fx, Any],
        held: Mapping[str, torch.Tensor],
        work: float,
    ) -> None:
        self.graph, self.values, self.held, self.work = graph, values, held, work
        leaves = graph.leaves("param", "const")
        self.fixed = {n: to_device(n, graph.values[n.name]) for n in leaves}

    def run(self, inputs: dict[str, torch.Tensor]) -> dict[Fx, Any]:
        """torch's results; raises UnsupportedError where the graph has another."""
        left = self.work
        values: dict[Fx, Any] = {}
        known = dict(self.fixed)
        with torch.no_grad():
            for fx in self.values:
                values[fx] = self.torch_value(fx, inputs, values)
                for node, like in self.pairs(fx, values[fx]):
                    missing, given = missing_nodes(node, known), like.numpy()
                    unread = any(n.is_leaf for n in missing)  # the output reads no such leaf
                    cost = sum(map(work, missing))
                    if unread or cost > left / 4 or operator_name(fx) in _UNDEFINED:
                        known.setdefault(node, given)
                        continue
                    left -= cost
                    made = {node: known[node]} if node in known else computed(missing, known)
                    read = {i: known[i] for n in missing for i in n.inputs if i in known}
                    loop = any(map(is_loop, missing))
                    known[node] = _agreed(fx, made.pop(node), given, list(read.values()), loop)
                    known |= made
        return values

    def torch_value(self, fx: Fx, inputs: dict[str, torch.Tensor], values: dict[Fx, Any]) -> Any:
        if fx.op in ("placeholder", "get_attr"):
            return inputs[fx.name] if fx.name in inputs else self.held[fx.name]
        given: Any = map_arg((fx.args, fx.kwargs), values.__getitem__)
        target: Any = fx.target
        return target(*given[0], **given[1])

    def pairs(self, fx: Fx, value: Any) -> Iterator[tuple[Node, torch.Tensor]]:
        """The nodes that an operator became, with torch's values."""
        nodes = self.values[fx]
        if not isinstance(nodes, list):
            nodes, value = [nodes], [value]
        for node, like in zip(nodes, value, strict=False):
            if isinstance(node, Node) and isinstance(like, torch.Tensor):
                kind = {"int32": torch.int32, **OURS}.get(node.type.dtype, torch.float32)
                yield node, like.detach().to(kind)


def _agreed(
    fx: Fx, ours: np.ndarray, given: np.ndarray, inputs: Sequence[np.ndarray], loop: bool
) -> np.ndarray:
    """torch's values; where these are a mask's minus infinity, ours.

    Raises UnsupportedError if they differ: integers by more than a step, those that a loop makes
    on average by more than STEPS_OF_LOOPS.
    """
    if ours.dtype == np.int8:
        _check_steps(fx, ours, given, loop)
        return given
    return agreed(f"{operator_name(fx)} {where(fx)}", "torch", ours, given, inputs)


def _check_steps(fx: Fx, ours: np.ndarray, given: np.ndarray, loop: bool) -> None:
    difference = np.abs(ours.astype(int) - given.astype(int))
    worst = int(difference.max(initial=0))
    source: Any = fx.args[0]
    if loop and difference.mean() > STEPS_OF_LOOPS:
        raise UnsupportedError(
            f"{operator_name(source)} {where(source)}: in int8 its states differ from torch's by "
            f"{difference.mean():.1f} steps of 127 on average, since the layer amplifies rounding "
            "errors from one time step to the next; use precision='float32'"
        )
    if not loop and worst > STEPS:
        raise UnsupportedError(
            f"{operator_name(source)} {where(source)}: what Trainlet computes in int8 differs from "
            f"torch by {worst} steps; this is an error in Trainlet: please report the model, and "
            "write this operator another way"
        )


def _own_result(
    original: torch.nn.Module | ExportedProgram,
    inputs: Sequence[torch.Tensor],
) -> dict[str, torch.Tensor]:
    """What the model itself makes of the inputs; nothing if it does not take them."""
    try:
        if isinstance(original, ExportedProgram):
            made = call_with(original, inputs, original.module(check_guards=False))
        else:
            with evaluating(original), torch.no_grad():
                made = call_with(original, inputs, original)
    except Exception:  # the model's own, of inputs that it does not take
        return {}
    return outputs_of(made)


def call_with(
    original: torch.nn.Module | ExportedProgram, inputs: Sequence[torch.Tensor], module: Any
) -> Any:
    """What `module` makes of copies of the inputs, which come in forward's order.

    original: what says how they are passed
    """
    given = [x.clone() for x in inputs]
    if isinstance(original, torch.nn.Module):
        return module(*given)
    rest = iter(given)
    specs = [s for s in original.graph_signature.input_specs if s.kind == InputKind.USER_INPUT]
    leaves = [s.arg.value if isinstance(s.arg, ConstantArgument) else next(rest) for s in specs]
    args, kwargs = tree_unflatten(leaves, original.call_spec.in_spec)  # type: ignore[arg-type]
    return module(*args, **kwargs)


@contextmanager
def evaluating(model: torch.nn.Module) -> Iterator[None]:
    """The model is in evaluation mode; afterwards its modes and its buffers are what they were."""
    training = {m: m.training for m in model.modules()}
    buffers = [(m, name, b) for m in model.modules() for name, b in m._buffers.items()]
    values = [None if b is None else b.detach().clone() for _, _, b in buffers]
    model.eval()
    try:
        yield
    finally:
        for module, mode in training.items():
            module.training = mode
        for (module, name, b), value in zip(buffers, values, strict=True):
            module._buffers[name] = b
            if b is not None and value is not None and not torch.equal(b, value):
                with torch.no_grad():
                    b.copy_(value)


def _check_whole(own: torch.Tensor, exported: torch.Tensor) -> None:
    own = own.detach()
    scale = float(own.abs().max()) if own.numel() else 0.0
    same = own.shape == exported.shape
    difference = float((own - exported).abs().max()) if same else np.inf
    if difference > 10 * RELATIVE * scale + ABSOLUTE:
        raise UnsupportedError(
            f"the model does not compute what torch.export recorded: they differ by up to "
            f"{difference:.3g} (the largest value is {scale:.3g}); does forward depend on Python "
            "attributes that change, or on the values of its input?"
        )
