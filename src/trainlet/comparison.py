"""Compares one training step with torch's autograd: the loss and every trained gradient."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from rich.table import Table
from torch.export import ExportedProgram

from trainlet.arguments import scheme_of
from trainlet.compiler import Scheme, train
from trainlet.errors import DataError, TrainletError
from trainlet.frontends.archive import read_archive
from trainlet.frontends.losses import objective_of, torch_objective
from trainlet.frontends.network import parameter_names
from trainlet.frontends.outputs import outputs_of
from trainlet.frontends.selfcheck import PIXELS, SAMPLES, call_with, random_trials
from trainlet.frontends.torch import export_module, imported
from trainlet.ir.graph import Graph, Node
from trainlet.ir.roles import LOSS, is_target, predictions, target_name
from trainlet.ir.storage import storage, to_device, to_user
from trainlet.ops.objective import Labels, Losses, Objective, labels_of
from trainlet.ops.op import OPS, leaf
from trainlet.passes.resolve import resolve
from trainlet.passes.update import PREFIX, Training
from trainlet.run.device import Targets
from trainlet.run.trainer import Inputs, by_name, check_names, input_array, target_arrays

TOLERANCE = 1e-4
"""Of the largest gradient of a parameter; what passes compute ahead is float32."""
SMALLEST = 1e-7
Arrays = dict[str, np.ndarray]


@dataclass(frozen=True)
class Compared:
    """The largest differences of one parameter's gradient (or of the loss) in all trials."""

    name: str
    absolute: float
    relative: float
    same: bool


@dataclass(frozen=True)
class Comparison:
    """All that was compared; `same` if nothing differs."""

    rows: tuple[Compared, ...]

    @property
    def same(self) -> bool:
        return all(row.same for row in self.rows)

    def table(self) -> Table:
        """A row for the loss and one for each trained parameter."""
        table = Table("", "largest difference", "relative", "")
        for row in self.rows:
            verdict = "ok" if row.same else "[bold red]differs[/]"
            table.add_row(row.name, f"{row.absolute:.2e}", f"{row.relative:.2e}", verdict)
        return table


def check(
    model: torch.nn.Module | ExportedProgram | str | Path,
    example_inputs: Any = None,
    scheme: Scheme = "full",
    *,
    loss: Losses = "cross_entropy",
    x: Inputs | None = None,
    y: Targets | None = None,
) -> Comparison:
    """Compare the loss and every gradient that a scheme trains with torch's autograd.

    The graph is Trainlet's own after all passes up to `split`, computed without a plan in float64.
    model, example_inputs, scheme, loss: as of `compile`; a path is that of a .pt2 file
    x, y: one batch to compare on, as `Trainer.step` takes it; without them random inputs, with and
    without zeros and halves

    Raises a TrainletError for what cannot be compiled, DataError for data that do not fit.
    """
    objective = objective_of(loss)
    program = _exported(model, example_inputs)
    graph = imported(program, objective.losses).graph
    known = parameter_names(model if isinstance(model, torch.nn.Module) else program)
    chosen = scheme_of(scheme)
    if not isinstance(chosen, str):
        chosen = resolve(chosen, graph, known)
    training = train(graph, chosen, loss=loss, stop_after="split")
    step, fed = training.step, _Fed.of(training)
    wanted = [p for p in step.leaves("param") if f"{PREFIX}{p.name}" in step.outputs]
    worst: dict[str, Compared] = {}
    masks = {p.name: _user_gradient(p, np.ones(p.type.shape)) for p in wanted}
    for xs, labels in _trials(fed, x, y):
        ours = _oracle(step, dict(zip([*fed.inputs, *fed.targets], [*xs, *labels], strict=True)))
        given = [
            torch.tensor(v, dtype=torch.float32 if v.dtype.kind == "f" else torch.int64) for v in xs
        ]
        named = {
            target_name(n): torch.as_tensor(v) for n, v in zip(fed.targets, labels, strict=True)
        }
        theirs = _autograd(model, program, given, named, objective, masks)
        found = {LOSS: ours[LOSS]}
        for p in wanted:
            gradient = ours[f"{PREFIX}{p.name}"]
            found[p.name] = _user_gradient(p, gradient)
            theirs[p.name] = theirs[p.name] * masks[p.name]
        for name, value in found.items():
            row = _compared(name, value, theirs[name])
            if name not in worst or row.relative > worst[name].relative:
                worst[name] = row
    return Comparison(tuple(worst.values()))


def _exported(model: Any, example_inputs: Any) -> ExportedProgram:
    if isinstance(model, (str, Path)):
        return read_archive(Path(model))
    if isinstance(model, ExportedProgram):
        return model
    if not isinstance(model, torch.nn.Module):
        raise TrainletError(
            f"the model is a {type(model).__name__}; allowed: a torch.nn.Module, an "
            "ExportedProgram, or the path of a .pt2 file"
        )
    if example_inputs is None:
        raise DataError("a torch.nn.Module needs example_inputs: one tensor, or a tuple of them")
    several = isinstance(example_inputs, (tuple, list))
    return export_module(model, list(example_inputs) if several else [example_inputs])


@dataclass(frozen=True)
class _Fed:
    """What a step is given: inputs in the order of forward's, targets in that of the losses.

    labels: what the labels of a target can be; None where it is of real numbers
    signs:  the targets that are 1 or -1
    """

    inputs: list[Node]
    targets: list[Node]
    labels: dict[Node, Labels | None]
    signs: frozenset[Node]

    @staticmethod
    def of(training: Training) -> _Fed:
        leaves, outputs = training.step.leaves("input"), predictions(training.step)
        targets = [n for n in leaves if is_target(n)]
        signed = {loss.target for loss in training.losses if loss.kind.of_signs}
        signs = frozenset(n for n in targets if target_name(n) in signed)
        labels = {n: labels_of(n, training.losses, outputs) for n in targets}
        return _Fed([n for n in leaves if not is_target(n)], targets, labels, signs)


def _trials(fed: _Fed, x: Any, y: Any) -> Iterator[tuple[list[np.ndarray], list[np.ndarray]]]:
    """Inputs and targets."""
    if x is not None or y is not None:
        if x is None or y is None:
            raise DataError("x and y go together: give both, or neither")
        given = by_name([n.name for n in fed.inputs], x, "inputs")
        check_names(fed.inputs, given)
        targets = target_arrays(fed.targets, fed.labels.__getitem__, y)
        yield (
            [input_array(n, given[n.name]) for n in fed.inputs],
            [targets[target_name(n)] for n in fed.targets],
        )
        return
    shapes = [storage(n).shape for n in fed.inputs]
    rng = np.random.default_rng(0)
    sensed = {"int16": SAMPLES, "uint8": PIXELS}
    below = [sensed.get(n.type.dtype) or n.attrs.get("below", 0) for n in fed.inputs]
    for trial in random_trials(shapes, below):
        drawn = [_drawn_target(rng, n, labels, n in fed.signs) for n, labels in fed.labels.items()]
        yield [t.numpy() for t in trial], drawn


def _drawn_target(
    rng: np.random.Generator, leaf: Node, labels: Labels | None, signs: bool
) -> np.ndarray:
    if labels is not None:
        return rng.integers(0, labels.classes, leaf.type.shape)
    drawn = rng.random(leaf.type.shape)
    return np.where(drawn < 0.5, -1.0, 1.0) if signs else drawn


def _oracle(graph: Graph, given: Mapping[Node, np.ndarray]) -> Arrays:
    """The outputs in float64."""
    known: dict[Node, np.ndarray] = {}
    for n in graph.nodes():
        if n.is_leaf:
            value = np.asarray(given[n] if n in given else graph.values[n.name])
            value = to_device(n, value.astype(np.float32) if value.dtype.kind == "f" else value)
            known[n] = value.astype(np.float64) if value.dtype.kind == "f" else value
        else:
            known[n] = np.asarray(OPS[n.op].eval(*(known[i] for i in n.inputs), **n.attrs))
    return {name: known[n] for name, n in graph.outputs.items()}


def _user_gradient(param: Node, gradient: np.ndarray) -> np.ndarray:
    """A gradient, narrow or not, in the shape and the layout of the user's parameter."""
    how = storage(param)
    type = how.part.whole if how.part else param.type
    whole = np.zeros(type.shape)
    whole[tuple(slice(n) for n in gradient.shape)] = gradient
    unmoved = replace(how, offset=None, part=None)
    return to_user(leaf("param", param.name, type, storage=unmoved), whole)


def _autograd(
    model: Any,
    program: ExportedProgram,
    inputs: list[torch.Tensor],
    targets: Mapping[str, torch.Tensor],
    objective: Objective,
    masks: Arrays,
) -> Arrays:
    """The loss and the gradients of the parameters that learn, in float64 where the model can.

    masks: for each of these 1 where it learns, else 0
    """
    own = isinstance(model, torch.nn.Module)
    module = _copied(model).eval() if own else program.module(check_guards=False)
    _keep_strides(module)

    def run(xs: list[torch.Tensor]) -> Arrays:
        outputs = outputs_of(call_with(module if own else program, xs, module))
        parameters = dict(module.named_parameters(remove_duplicate=False))
        learns = {n: parameters[n] * torch.as_tensor(mask) for n, mask in masks.items()}
        value = torch_objective(objective, outputs, targets, learns)
        grads = torch.autograd.grad(value, [parameters[n] for n in masks], allow_unused=True)
        found = {LOSS: value.detach().numpy()}
        for name, g in zip(masks, grads, strict=True):
            found[name] = (torch.zeros_like(parameters[name]) if g is None else g).numpy()
        return found

    try:
        with _doubles():
            module.double()
            return run([v.double() if v.is_floating_point() else v for v in inputs])
    except RuntimeError:  # it casts to float32 itself
        module.float()
        return run(inputs)


def _copied(model: torch.nn.Module) -> torch.nn.Module:
    try:
        return copy.deepcopy(model)
    except Exception as error:
        first = (str(error).strip() or repr(error)).splitlines()[0]
        raise TrainletError(
            f"the model cannot be copied: {first}; make what it prunes or parametrises permanent, "
            "such as torch.nn.utils.prune.remove(module, 'weight'), or pass the exported program"
        ) from error


@contextmanager
def _doubles() -> Iterator[None]:
    """What a model's forward makes by itself is float64 too."""
    torch.set_default_dtype(torch.float64)
    try:
        yield
    finally:
        torch.set_default_dtype(torch.float32)


def _keep_strides(module: torch.nn.Module) -> None:
    """PyTorch 2.13 takes wrong gradients of a batch norm in evaluation mode, when what comes back
    is strided otherwise than what went in."""

    def watch(norm: torch.nn.Module, given: tuple, result: torch.Tensor) -> None:
        if result.requires_grad:
            result.register_hook(torch.Tensor.contiguous)

    for part in module.modules():
        if isinstance(part, torch.nn.modules.batchnorm._BatchNorm):
            part.register_forward_hook(watch)


def _compared(name: str, ours: np.ndarray, theirs: np.ndarray) -> Compared:
    difference = float(np.abs(ours - theirs).max(initial=0))
    scale = float(np.abs(theirs).max(initial=0))
    relative = difference / scale if scale else (0.0 if difference <= SMALLEST else np.inf)
    same = difference <= TOLERANCE * scale + SMALLEST
    return Compared(name, difference, relative, bool(same))
