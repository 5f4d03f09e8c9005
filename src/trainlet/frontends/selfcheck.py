"""The imported graph beside torch: every operator on torch's own inputs, then the whole network.

An operator is computed by the oracle's `eval` from what torch gave its inputs, so a difference is
that operator's own, and rounding does not add up along the network.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch
from torch.export import ExportedProgram
from torch.export.graph_signature import ConstantArgument, InputKind
from torch.fx import Node as Fx
from torch.fx.node import map_arg
from torch.utils._pytree import tree_leaves, tree_unflatten

from trainlet.errors import UnsupportedError
from trainlet.frontends.importer import HIDDEN
from trainlet.frontends.source import operator_name, where
from trainlet.frontends.torch import Imported
from trainlet.ir.graph import Node
from trainlet.ops.op import OPS

RELATIVE, ABSOLUTE = 1e-4, 1e-5
"""Of the largest value of a result, and of the largest of its inputs: float32, whatever the order
of sums."""
WORK = 4e7
"""Multiply-accumulates and elements that the oracle may compute in one check.  An operator that
needs more than a fourth of what is left is taken from torch."""
SEED = 5
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
    trials = [list(example)] if any(bool(x.any()) for x in example) else []
    trials += random_trials([n.type.shape for n in inputs])
    reader = _Comparison(found, WORK / len(trials))
    for trial in trials:
        result = reader.run({n.name: x for n, x in zip(inputs, trial, strict=True)})
        own = _own_result(original, found.program, trial)
        if own is not None:
            _check_whole(own, result)


def random_trials(shapes: Sequence[tuple[int, ...]]) -> list[list[torch.Tensor]]:
    """Inputs of normal random numbers, and of halves with many zeros and other kinks."""
    rng = np.random.default_rng(SEED)
    normal = [rng.standard_normal(shape) for shape in shapes]
    kinks = [rng.integers(-8, 9, shape) / 2 for shape in shapes]
    return [[torch.tensor(x, dtype=torch.float32) for x in xs] for xs in (normal, kinks)]


class _Comparison:
    def __init__(self, found: Imported, work: float) -> None:
        self.found, self.work = found, work
        self.fixed = {n: found.graph.values[n.name] for n in found.graph.leaves("param", "const")}
        tensors: dict[str, Any] = {**found.program.state_dict, **found.program.constants}
        specs = found.program.graph_signature.input_specs
        self.held = {s.arg.name: tensors[s.target] for s in specs if s.target in tensors}

    def run(self, inputs: dict[str, torch.Tensor]) -> torch.Tensor:
        """torch's result; raises UnsupportedError where the graph has another."""
        left = self.work
        values: dict[Fx, Any] = {}
        known = dict(self.fixed)
        with torch.no_grad():
            for fx in self.found.program.graph.nodes:
                if fx.name not in self.found.values:
                    continue
                values[fx] = self.torch_value(fx, inputs, values)
                for node, like in self.pairs(fx, values[fx]):
                    missing, given = _missing(node, known), like.numpy()
                    cost = sum(map(_work, missing))
                    if node.is_leaf or cost > left / 4 or operator_name(fx) in _UNDEFINED:
                        known.setdefault(node, given)
                        continue
                    left -= cost
                    made = {node: known[node]} if node in known else _computed(missing, known)
                    read = {i: known[i] for n in missing for i in n.inputs if i in known}
                    known[node] = _agreed(fx, made.pop(node), given, list(read.values()))
                    known |= made
        result = next(n for n in reversed(values) if self.is_result(n))
        return values[result]

    def is_result(self, fx: Fx) -> bool:
        return self.found.values[fx.name] is self.found.graph.outputs["logits"]

    def torch_value(self, fx: Fx, inputs: dict[str, torch.Tensor], values: dict[Fx, Any]) -> Any:
        if fx.op == "placeholder":
            return inputs[fx.name] if fx.name in inputs else self.held[fx.name]
        given: Any = map_arg((fx.args, fx.kwargs), values.__getitem__)
        target: Any = fx.target
        return target(*given[0], **given[1])

    def pairs(self, fx: Fx, value: Any) -> Iterator[tuple[Node, torch.Tensor]]:
        """The nodes that an operator became, with torch's values."""
        nodes = self.found.values[fx.name]
        if not isinstance(nodes, list):
            nodes, value = [nodes], [value]
        for node, like in zip(nodes, value, strict=False):
            if isinstance(node, Node) and isinstance(like, torch.Tensor):
                yield node, like.detach()


def _work(n: Node) -> int:
    return n.type.size if n.is_leaf else OPS[n.op].macs(n) + n.type.size


def _missing(node: Node, known: dict[Node, np.ndarray]) -> list[Node]:
    """What must be computed for a node, inputs first."""
    order: dict[Node, None] = {}
    stack = [(node, False)]
    while stack:
        n, ready = stack.pop()
        if n in known or n in order:
            continue
        if ready:
            order[n] = None
        else:
            stack.append((n, True))
            stack.extend((i, False) for i in n.inputs)
    return list(order)


def _computed(nodes: Sequence[Node], known: dict[Node, np.ndarray]) -> dict[Node, np.ndarray]:
    made: dict[Node, np.ndarray] = {}
    for n in nodes:
        given = (made[i] if i in made else known[i] for i in n.inputs)
        with np.errstate(all="ignore"):
            made[n] = np.asarray(OPS[n.op].eval(*given, **n.attrs), np.float32)
    return made


def _agreed(
    fx: Fx, ours: np.ndarray, given: np.ndarray, inputs: Sequence[np.ndarray]
) -> np.ndarray:
    """torch's values; where these are a mask's minus infinity, ours.

    Raises UnsupportedError if they differ.
    """
    with np.errstate(invalid="ignore", over="ignore"):
        difference = np.abs(ours - given)
    worst = float(difference.max(initial=0))
    if worst <= ABSOLUTE:  # never so with NaN
        return given
    finite = np.isfinite(given)
    same = finite | ~np.isfinite(ours) | (np.isneginf(given) & (ours <= HIDDEN / 2))
    if not same.all():
        raise UnsupportedError(
            f"{operator_name(fx)} {where(fx)} gives {int((~same).sum())} values that are infinite "
            "or NaN in torch; change the model so that they are numbers"
        )
    worst = float(difference[finite].max(initial=0))
    scale, reach = _largest(given), max([1.0, *map(_largest, inputs)])
    if not worst <= RELATIVE * scale + ABSOLUTE * reach:
        raise UnsupportedError(
            f"{operator_name(fx)} {where(fx)}: what Trainlet computes differs from torch by up to "
            f"{worst:.3g} (the largest value is {scale:.3g}); this is a fault of Trainlet: please "
            "report the model, and write this operator another way"
        )
    return np.where(finite, given, ours)


def _largest(x: np.ndarray) -> float:
    """The largest number; what stands for infinity is none."""
    usual = np.abs(x[np.abs(x) < -HIDDEN / 2])
    return float(usual.max(initial=0))


def _own_result(
    original: torch.nn.Module | ExportedProgram,
    program: ExportedProgram,
    inputs: Sequence[torch.Tensor],
) -> torch.Tensor | None:
    """What the model itself makes of the inputs; None if it does not take them."""
    if original is program:
        return None
    try:
        if isinstance(original, ExportedProgram):
            return call_with(original, inputs, original.module(check_guards=False))
        return _in_eval_mode(original, inputs)
    except Exception:  # the model's own, of inputs that it does not take
        return None


def call_with(
    original: torch.nn.Module | ExportedProgram, inputs: Sequence[torch.Tensor], module: Any
) -> torch.Tensor:
    """The one tensor that `module` makes of copies of the inputs, which come in forward's order.

    original: what says how they are passed
    """
    given = [x.clone() for x in inputs]
    if isinstance(original, torch.nn.Module):
        made = module(*given)
    else:
        rest = iter(given)
        specs = [s for s in original.graph_signature.input_specs if s.kind == InputKind.USER_INPUT]
        leaves = [s.arg.value if isinstance(s.arg, ConstantArgument) else next(rest) for s in specs]
        args, kwargs = tree_unflatten(leaves, original.call_spec.in_spec)  # type: ignore[arg-type]
        made = module(*args, **kwargs)
    return next(t for t in tree_leaves(made) if isinstance(t, torch.Tensor))


def _in_eval_mode(model: torch.nn.Module, inputs: Sequence[torch.Tensor]) -> torch.Tensor:
    training = {m: m.training for m in model.modules()}
    model.eval()
    try:
        with torch.no_grad():
            return call_with(model, inputs, model)
    finally:
        for module, mode in training.items():
            module.training = mode


def _check_whole(own: torch.Tensor, exported: torch.Tensor) -> None:
    scale = float(own.abs().max()) if own.numel() else 0.0
    same = own.shape == exported.shape
    difference = float((own.detach() - exported).abs().max()) if same else np.inf
    if difference > 10 * RELATIVE * scale + ABSOLUTE:
        raise UnsupportedError(
            f"the model computes something else than torch.export recorded: they differ by up to "
            f"{difference:.3g} (the largest value is {scale:.3g}); does forward depend on Python "
            "attributes that change, or on the values of its input?"
        )
