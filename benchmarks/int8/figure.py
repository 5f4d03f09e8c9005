"""How far a step of one rate moves each tensor: log10(||W|| / ||G||), as in figure 3 of
Lin et al., On-Device Training Under 256KB Memory."""

from __future__ import annotations

from pathlib import Path

import matplotlib
import numpy as np
import torch

import trainlet as tl
from trainlet.frontends.pt2e import quantize_module
from trainlet.ir.graph import Graph
from trainlet.ir.roles import LOSS
from trainlet.ir.storage import to_device
from trainlet.ops.quantized.scaling import inverse_scales
from trainlet.passes.update import PREFIX
from trainlet.run.evaluate import evaluate_graph
from trainlet.run.trainer import input_arrays

from .task import Task

matplotlib.use("agg")
import matplotlib.pyplot as plt

SAMPLES = 8
STYLES = {"float32": "k-", "int8 without QAS": "r--", "int8 + QAS": "b-"}


def ratios(task: Task) -> dict[str, dict[str, float]]:
    """{line: {parameter: log10 of the ratio}}; W and G are in the units in which the parameter is
    kept, G the mean over a few samples at the pretrained weights."""
    names = [name for name, _ in task.model[:-1].named_parameters()]
    scheme = dict.fromkeys(names, 1.0)
    example = torch.zeros(task.example)
    data = task.episodes("validation", 0)[0].learn
    rows = np.random.default_rng(0).permutation(len(data))[:SAMPLES]
    integer = quantize_module(task.model, example, [task.calibration])
    plain = tl.train(tl.prepare(task.model, example, check=False), scheme, stop_after="prune").step
    scaled = tl.train(
        integer, scheme, precision=tl.Int8(gradient="float32"), stop_after="prune"
    ).step
    found: dict[str, dict[str, float]] = {line: {} for line in STYLES}
    real = _gradients(plain, data.x[rows], data.y[rows])
    whole = _gradients(scaled, data.x[rows], data.y[rows])
    leaves = {n.name: n for n in scaled.leaves("param")}
    for name in names:
        found["float32"][name] = _ratio(plain.values[name], real[name])
        leaf = leaves[name]
        quant = leaf.type.quant
        assert quant is not None
        weight = to_device(leaf, scaled.values[name])
        for line, qas in (("int8 without QAS", False), ("int8 + QAS", True)):
            factor = inverse_scales(quant, qas)
            shape = [-1 if k == quant.axis else 1 for k in range(weight.ndim)]
            found[line][name] = _ratio(weight, whole[name] * factor.reshape(shape))
    return found


def draw(found: dict[str, dict[str, float]], title: str, folder: Path) -> list[Path]:
    """The figure as PNG and SVG."""
    figure, axes = plt.subplots(figsize=(9, 3.2), layout="constrained")
    for line, values in found.items():
        axes.plot(list(values.values()), STYLES[line], label=line, linewidth=1.2)
    axes.set(xlabel="parameter, from the input on (weight, bias, weight, ...)")
    axes.set(ylabel="log10(||W|| / ||G||)")
    axes.set_title(title, loc="left")
    figure.legend(loc="outside upper right", ncols=len(found), frameon=False)
    axes.grid(alpha=0.3)
    paths = [folder / f"bench-int8-ratios.{kind}" for kind in ("png", "svg")]
    for path in paths:
        figure.savefig(path, dpi=150)
    plt.close(figure)
    return paths


def _gradients(graph: Graph, xs: np.ndarray, ys: np.ndarray) -> dict[str, np.ndarray]:
    """The mean gradient of every parameter, in real units, by the unplanned oracle."""
    constants = {n.name: to_device(n, graph.values[n.name]) for n in graph.leaves("param", "const")}
    inputs = [n for n in graph.leaves("input")]
    [target] = [n for n in inputs if n in graph.outputs[LOSS].inputs]
    [given] = [n for n in inputs if n is not target]
    total: dict[str, np.ndarray] = {}
    for x, y in zip(xs, ys, strict=True):
        leaves = {**constants, **input_arrays([given], {given.name: x[None]})}
        leaves[target.name] = np.full(target.type.shape, y, target.type.dtype)
        for name, value in evaluate_graph(graph, leaves).items():
            if name.startswith(PREFIX):
                key = name.removeprefix(PREFIX)
                total[key] = total.get(key, 0) + value / len(xs)
    return total


def _ratio(weight: np.ndarray, gradient: np.ndarray) -> float:
    norms = [np.linalg.norm(np.asarray(a, np.float64)) for a in (weight, gradient)]
    return float(np.log10(norms[0] / max(norms[1], 1e-30)))
