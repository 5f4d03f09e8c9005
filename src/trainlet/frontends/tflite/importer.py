"""The walk over a .tflite file's operators."""

from __future__ import annotations

import re
from pathlib import Path

from trainlet.errors import FileError, ShapeError, TrainletError, UnsupportedError
from trainlet.frontends.tflite.builder import Builder
from trainlet.frontends.tflite.file import DAMAGE, Model, Operator, Tensor, parse, read
from trainlet.frontends.tflite.table import TABLE
from trainlet.ir.graph import Graph, Node
from trainlet.ir.roles import LOGITS
from trainlet.ir.types import TensorType
from trainlet.ops.op import leaf


def import_tflite(path: str | Path) -> Graph:
    """The forward graph of a .tflite file, with the single output `logits`.

    Inputs keep their names (as identifiers), shapes and types; weights and biases are parameters,
    called conv2d_0.weight, conv2d_0.bias, linear_0.weight, ... in order of execution.  A
    parameter of an integer operator is an integer.

    Raises FileError for a file that is absent, damaged or contradicts itself, UnsupportedError
    for what cannot be compiled (naming the operator) and where the extra `tflite` is missing.
    """
    path = Path(path)
    content = read(path)
    try:
        model = parse(content)
        at = walk(model)
        if len(model.outputs) != 1:
            raise UnsupportedError(f"the model has {len(model.outputs)} outputs; allowed: one")
        return Graph({LOGITS: at.node(model.outputs[0])}, at.values)
    except ShapeError as error:
        raise FileError(f"{path}: {error}") from None
    except TrainletError as error:
        raise type(error)(f"{path}: {error}") from None
    except DAMAGE as error:
        raise FileError(
            f"{path}: damaged or truncated ({type(error).__name__}: {error})"
        ) from error


def walk(model: Model) -> Builder:
    """The import of all operators: the node of each tensor, and the values of leaves."""
    at = Builder(model)
    names: set[str] = set()
    for k, index in enumerate(model.inputs):
        tensor = model.tensor(index)
        name = re.sub(r"\W+", "_", tensor.name, flags=re.ASCII).strip("_") or f"input_{k}"
        name = name if name[0].isalpha() else f"input_{name}"
        while name in names:
            name += "_"
        names.add(name)
        at.nodes[index] = _input(at, tensor, name)
    for operator in model.operators:
        _import(at, operator)
    return at


def _import(at: Builder, operator: Operator) -> None:
    if _computes_sizes(at, operator):
        return
    if operator.name not in TABLE:
        raise UnsupportedError(
            f"{operator}, is not supported; supported: {', '.join(sorted(TABLE))}"
        )
    at.enter(operator)
    try:
        made: Node | list[Node] = TABLE[operator.name](at, operator)
    except ShapeError as error:
        raise FileError(f"{operator}: {error}") from None
    except TrainletError as error:
        raise type(error)(f"{operator}: {error}") from None
    results = made if isinstance(made, list) else [made]
    if len(operator.outputs) != len(results):
        count = f"{len(operator.outputs)} outputs; allowed: {len(results)}"
        raise FileError(f"{operator}, has {count}")
    for index, result in zip(operator.outputs, results, strict=True):
        tensor = at.model.tensor(index)
        declared = at.type(tensor)
        if result.type != declared:
            raise FileError(
                f"{operator}: its result is {result.type} {result.type.quant}, but the file "
                f"declares {tensor.name!r} as {declared} {declared.quant}"
            )
        at.nodes[index] = result


def _input(at: Builder, tensor: Tensor, name: str) -> Node:
    """An input; of integers they are the indices of a table."""
    if tensor.dtype != "int32":
        return leaf("input", name, at.type(tensor))
    places = {"GATHER": (0, 1), "EMBEDDING_LOOKUP": (1, 0)}
    rows = [
        at.model.tensor(operator.inputs[table]).shape[0]
        for operator in at.model.operators
        for table, index in [places.get(operator.name, (0, 0))]
        if operator.name in places and operator.inputs[index] == tensor.index
    ]
    if not rows:
        raise UnsupportedError(
            f"the input {tensor.name!r} is int32; allowed: float32, int8, and indices of a table"
        )
    return leaf("input", name, TensorType(tensor.shape, "int32"), below=min(rows))


def _computes_sizes(at: Builder, operator: Operator) -> bool:
    """Whether all that it makes is integers.  They are sizes, as of SHAPE, which nobody needs: the
    file declares the shape of every result."""
    return all(at.model.tensor(k).dtype in ("int32", "int64") for k in operator.outputs)
