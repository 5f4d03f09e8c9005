"""The loss, every gradient and the first update of a float32 network, against torch's in float64;
of an int8 network, whether its outputs are near the float network's."""

from __future__ import annotations

from copy import deepcopy

import numpy as np
import torch
from torch import nn

import trainlet as tl
from networks.gradients import user_gradient
from networks.reference import contiguous_gradients, in_float64, trained_part
from soak.difference import Difference
from soak.lesson import OPTIMIZERS, Lesson, loss_of, torch_loss, torch_penalty
from soak.options import Options
from trainlet.ir.graph import Graph, Node
from trainlet.ir.roles import target_leaf_name
from trainlet.ir.storage import to_device
from trainlet.ops.op import OPS
from trainlet.run.simulated import OracleDevice

EXACT, UPDATE = 2e-5, 5e-3
"""Of the largest element: of a gradient in float64 (a pass computes constants in float32); of a
first update in float32."""
AT_A_KINK = 1e-5
Arrays = dict[str, np.ndarray]


def check_torch(
    lesson: Lesson,
    graph: Graph,
    scheme: tl.UpdateScheme,
    program: tl.CompiledProgram,
    options: Options,
) -> bool:
    """False where rounding decides on which side of a kink an element lies: nobody is right; and
    where torch has no gradients, since something it needs was overwritten in place."""
    trained = tl.train(
        graph, scheme, loss=loss_of(options, lesson.classes), stop_after="split"
    ).step
    values = float64_values(trained, lesson)
    if any(
        (np.abs(values[n.inputs[0]] - kink) < AT_A_KINK).any()
        for n in values
        if not n.is_leaf
        for kink in OPS[n.op].kinks(n.attrs)
    ):
        return False
    try:
        loss, expected = autograd(lesson, scheme, options)
    except RuntimeError as error:
        if "modified by an inplace operation" in str(error):
            return False
        raise
    found = float(values[trained.outputs["loss"]])
    if not np.isclose(found, loss, rtol=EXACT, atol=1e-7):
        raise Difference("the loss is not torch's", f"{found!r}, and torch says {loss!r}")
    top = max((np.abs(g).max(initial=0) for g in expected.values()), default=0)
    for p in trained.leaves("param"):
        own = user_gradient(p, values[trained.outputs[f"grad.{p.name}"]])
        wanted = expected[p.name]
        off = np.abs(own - wanted).max(initial=0)
        if not off <= EXACT * np.abs(wanted).max(initial=0) + 1e-7 * top + 1e-9:
            share = off / max(np.abs(wanted).max(), 1e-30)
            raise Difference("a gradient is not torch's", f"{p.name!r} differs by {share:.3g}")
    check_update(lesson, scheme, program, options)
    return True


def float64_values(graph: Graph, lesson: Lesson) -> dict[Node, np.ndarray]:
    """Every node's value, for the first step's inputs."""
    inputs = {f"x{k}": x.numpy() for k, x in enumerate(lesson.examples)}
    inputs |= {target_leaf_name(name): y.numpy() for name, y in lesson.targets[0].items()}
    known: dict[Node, np.ndarray] = {}
    for n in graph.nodes():
        if n.is_leaf:
            value = to_device(n, inputs[n.name] if n.op == "input" else graph.values[n.name])
            known[n] = value.astype("float64") if value.dtype.kind == "f" else value
        else:
            known[n] = np.asarray(OPS[n.op].eval(*(known[i] for i in n.inputs), **n.attrs))
    return known


def float64_model(lesson: Lesson) -> nn.Module:
    return contiguous_gradients(deepcopy(lesson.model).double())


def doubled(lesson: Lesson, step: int) -> tuple[list, dict[str, torch.Tensor]]:
    targets = lesson.targets[step].items()
    doubles = {name: y.double() if y.is_floating_point() else y for name, y in targets}
    return [x.double() for x in lesson.inputs[step]], doubles


def parts_of(model: nn.Module, scheme: tl.UpdateScheme) -> dict[str, torch.Tensor]:
    """Ones where a parameter learns."""
    return {name: torch.from_numpy(trained_part(model, scheme, name)) for name in scheme}


def total(
    options: Options,
    model: nn.Module,
    parts: dict[str, torch.Tensor],
    inputs: list,
    targets: dict[str, torch.Tensor],
) -> torch.Tensor:
    """torch's loss of a step, with its penalty."""
    learns = [(model.get_parameter(name), part) for name, part in parts.items()]
    return torch_loss(options, model(*inputs), targets) + torch_penalty(options, learns)


def autograd(lesson: Lesson, scheme: tl.UpdateScheme, options: Options) -> tuple[float, Arrays]:
    model = float64_model(lesson)
    inputs, target = doubled(lesson, 0)
    with in_float64():
        parts = parts_of(model, scheme)
        loss = total(options, model, parts, inputs, target)
        loss.backward()
    gradients = {n: p * model.get_parameter(n).grad for n, p in parts.items()}
    return loss.item(), {n: g.numpy() for n, g in gradients.items()}


def check_update(
    lesson: Lesson, scheme: tl.UpdateScheme, program: tl.CompiledProgram, options: Options
) -> None:
    """What the parameters become after the first update, that of the same example some times."""
    model = float64_model(lesson)
    parts = parts_of(model, scheme)
    before = {name: model.get_parameter(name).detach().clone() for name in parts}
    optimizer = OPTIMIZERS[options.optimizer][1](list(map(model.get_parameter, parts)))
    inputs, target = doubled(lesson, 0)
    trainer = tl.Trainer(program, OracleDevice(program))
    for _ in range(options.accumulate):
        with in_float64():
            (total(options, model, parts, inputs, target) / options.accumulate).backward()
        trainer.step(lesson.given(program, 0), lesson.targets[0])
    for name, part in parts.items():
        model.get_parameter(name).grad.mul_(part)
    optimizer.step()
    state = trainer.state()
    ways = {n: (model.get_parameter(n).detach() - before[n]).numpy() for n in parts}
    noise = 3e-4 * max(np.abs(way).max(initial=0) for way in ways.values())
    for name, way in ways.items():
        start = before[name].numpy()
        off = np.abs(state[name] - start - way).max(initial=0)
        size = np.abs(way).max(initial=0)
        if off > UPDATE * size + 2e-7 * np.abs(start).max(initial=0) + noise:
            raise Difference("an update is not torch's", f"{name!r} is off by {off / size:.3g}")


def decibels(lesson: Lesson, program: tl.CompiledProgram) -> float:
    """The ratio of signal to quantisation noise of the outputs, over the lesson's inputs."""
    trainer = tl.Trainer(program, OracleDevice(program))
    found = np.stack([trainer.predict(lesson.given(program, k)) for k in range(len(lesson.inputs))])
    with torch.no_grad():
        wanted = np.stack([lesson.model(*x).numpy() for x in lesson.inputs])
    noise = np.square(wanted - found, dtype=np.float64).sum()
    return float(10 * np.log10(np.square(wanted, dtype=np.float64).sum() / max(noise, 1e-30)))
