"""The ONNX package's own backend tests: models with inputs and the outputs that are expected."""

from __future__ import annotations

import tempfile
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import numpy_helper
from onnx.backend.test.case.node import collect_testcases
from onnx.backend.test.loader import load_model_tests

import trainlet as tl
from trainlet.errors import TrainletError
from trainlet.frontends.importer import HIDDEN
from trainlet.ir.graph import Graph
from trainlet.ir.roles import as_outputs, predictions
from trainlet.ir.storage import to_device
from trainlet.passes.training_head import probabilities_of
from trainlet.run.evaluate import evaluate_graph

SAME, REFUSED, WRONG = "equal", "refused", "wrong"
FILES = ("simple", "pytorch-operator", "pytorch-converted")


@dataclass(frozen=True)
class Sample:
    """given and expected: in the order of the model's inputs and outputs."""

    name: str
    group: str
    model: onnx.ModelProto
    given: list[Any]
    expected: list[Any]
    rtol: float
    atol: float


def of_operators() -> Iterator[Sample]:
    """The tests of single operators; those that write a function out in others are one group."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        cases = list(collect_testcases(None))
    for case in cases:
        if case.model is None or case.data_sets is None:
            continue
        nodes = case.model.graph.node
        group = nodes[0].op_type if len(nodes) == 1 else "written out in others"
        for given, expected in case.data_sets:
            yield Sample(case.name, group, case.model, list(given), list(expected), case.rtol,
                         case.atol)  # fmt: skip


def of_files(kind: str) -> Iterator[Sample]:
    """The models in the package's own folder."""
    for case in load_model_tests(kind=kind):
        folder = Path(case.model_dir or "")
        model = onnx.load(folder / "model.onnx")
        for data in sorted(folder.glob("test_data_set_*")):
            read = (_tensors(data, what) for what in ("input", "output"))
            yield Sample(case.name, kind, model, *read, case.rtol, case.atol)


def _tensors(folder: Path, what: str) -> list[Any]:
    found = []
    for k in range(len(list(folder.glob(f"{what}_*.pb")))):
        tensor = onnx.TensorProto()
        try:
            tensor.ParseFromString((folder / f"{what}_{k}.pb").read_bytes())
            found.append(numpy_helper.to_array(tensor))
        except Exception:  # a sequence or an optional, which no import takes
            found.append(None)
    return found


def outcome(sample: Sample) -> tuple[str, str]:
    """What becomes of a sample, and why it is refused or wrong.

    Operators whose weights are inputs of the model are tried with constants, too.
    """
    first = _outcome(sample.model, sample.given, sample)
    if first[0] != REFUSED or len(sample.given) < 2:
        return first
    model, kept = onnx.ModelProto(), []
    model.CopyFrom(sample.model)
    free = [i for i in model.graph.input if i.name not in {t.name for t in model.graph.initializer}]
    for k, (value, array) in enumerate(zip(free, sample.given, strict=False)):
        if k == 0:
            kept.append(array)
        elif isinstance(array, np.ndarray):
            model.graph.initializer.append(numpy_helper.from_array(array, value.name))
    second = _outcome(model, kept, sample)
    return second if second[0] != REFUSED else first


def _outcome(model: onnx.ModelProto, given: list[Any], sample: Sample) -> tuple[str, str]:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "model.onnx")
        path.write_bytes(model.SerializeToString())
        try:
            graph = tl.load(path, check=False)
        except TrainletError as error:
            return REFUSED, str(error).removeprefix(f"{path}: ")
    made = computed(graph, given)
    for ours, theirs in zip(made, sample.expected, strict=True):
        theirs = np.asarray(theirs)
        if ours.shape != theirs.shape:
            return WRONG, f"shape {ours.shape}, expected {theirs.shape}"
        with np.errstate(invalid="ignore"):
            same = np.isclose(ours, theirs.astype(np.float64), sample.rtol, sample.atol + 1e-6,
                              equal_nan=True)  # fmt: skip
        hidden = np.isneginf(theirs.astype(np.float64)) & (ours <= HIDDEN / 2)
        if not (same | hidden).all():
            return WRONG, f"{int((~same).sum())} of {same.size} elements"
    return SAME, ""


def computed(graph: Graph, given: list[Any]) -> list[np.ndarray]:
    """What the oracle makes of inputs, which come in the order of the model's; of an output that
    ends in a softmax the probabilities."""
    leaves = {n.name: to_device(n, graph.values[n.name]) for n in graph.leaves("param", "const")}
    for k, n in enumerate(graph.leaves("input")):
        leaves[n.name] = given[n.attrs.get("position", k)].astype(n.type.dtype)
    with np.errstate(all="ignore"):
        made = evaluate_graph(graph, leaves)
    outputs = predictions(graph)
    return [
        made.get(probabilities_of(name), made[output])
        for name, output in zip(outputs, as_outputs(outputs), strict=True)
    ]
