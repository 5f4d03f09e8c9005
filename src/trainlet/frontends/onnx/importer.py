"""The walk over an .onnx file's operators."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from trainlet.errors import FileError, ShapeError, TrainletError, UnsupportedError
from trainlet.frontends.onnx import (  # noqa: F401  each fills the table
    attention,
    elementwise,
    indexed,
    layers,
    norms,
    pooling,
    recurrent,
    reductions,
    resizing,
    shaping,
)
from trainlet.frontends.onnx.builder import Builder
from trainlet.frontends.onnx.check import check_model
from trainlet.frontends.onnx.constants import folded
from trainlet.frontends.onnx.file import Model, Operator, read
from trainlet.frontends.onnx.inputs import enter
from trainlet.frontends.onnx.integers import in_integers, keep_constant
from trainlet.frontends.onnx.qoperators import QUANTISED, as_qdq
from trainlet.frontends.onnx.table import TABLE
from trainlet.ir.graph import Graph, Node
from trainlet.ir.printable import plain
from trainlet.ir.roles import LOGITS, as_outputs

KNOWN = TABLE.keys() | QUANTISED | {"QuantizeLinear", "DequantizeLinear"}
DAMAGE = (ValueError, TypeError, AttributeError, LookupError, ArithmeticError, RecursionError,
          MemoryError, AssertionError)  # fmt: skip
"""What contradictions in a file end in."""


def import_onnx(path: Path, batch: int | None = None, check: bool = True) -> Graph:
    """The forward graph of an .onnx file, with its outputs: `logits` where it is one.

    Weights are parameters under their names in the file; those that a batch norm or the shape of a
    result reads, and single numbers, are constants.

    batch: the size of a first dimension that has none in the file; None for 1
    check: compare every operator with what onnxruntime computes

    Raises FileError for a file that is absent, damaged or contradicts itself, UnsupportedError for
    what cannot be compiled (naming the operator) or differs, ToolchainError where the extra `onnx`
    is missing.
    """
    try:
        model = read(path)
        at = walk(as_qdq(model), batch)
        graph = at.graph(as_outputs(_outputs(at)))
        if check:
            check_model(at, graph)
        return graph
    except ShapeError as error:
        raise FileError(f"{path}: {error}") from None
    except TrainletError as error:
        text = str(error)
        raise (error if text.startswith(str(path)) else type(error)(f"{path}: {text}")) from None
    except DAMAGE as error:
        raise FileError(f"{path}: contradicts itself ({type(error).__name__}: {error})") from error


def walk(model: Model, batch: int | None = None) -> Builder:
    """The import of all operators: a node, or a known value, for each name."""
    at = Builder(model, lambda operator: _import(at, operator))
    open_batch = any(given.dims[:1] == (None,) for given in model.inputs)
    if batch is not None and not open_batch:
        raise FileError(f"batch={batch}, but the file gives the size of every dimension")
    for position, given in enumerate(model.inputs):
        enter(at, given, position, batch or 1)
    for operator in model.operators:
        with _naming(operator):
            for name in filter(None, operator.outputs):
                if at.type(name) or name in at.known:
                    raise FileError(f"it makes {plain(name, 200)!r}, which is there already")
            values = folded(at, operator)
            if values is None:
                _import(at, operator)
                continue
        at.known.update(values)
        if operator.kind == "DequantizeLinear" and values:
            with _naming(operator):
                keep_constant(at, operator, values)
            continue
        learns = operator.kind in TABLE and any(n in at.trained for n in operator.inputs)
        if learns:
            at.trained.update(values)
            at.deferred.update(dict.fromkeys(values, operator))
    return at


@contextmanager
def _naming(operator: Operator) -> Iterator[None]:
    """Errors name the operator at which they came up."""
    try:
        yield
    except ShapeError as error:
        raise FileError(f"{operator}: {error}") from None
    except TrainletError as error:
        text = str(error)
        named = text.startswith("operator ")
        raise (error if named else type(error)(f"{operator}: {text}")) from None
    except DAMAGE as error:
        raise FileError(f"{operator}: {type(error).__name__}: {str(error)[:200]}") from error


def _import(at: Builder, operator: Operator) -> None:
    at.enter(operator)
    with _naming(operator):
        if in_integers(at, operator, TABLE.get(operator.kind)):
            return
    if operator.kind not in TABLE:
        raise UnsupportedError(
            f"{operator}, is not supported; supported: {', '.join(sorted(KNOWN))}"
        )
    at.enter(operator)
    with _naming(operator):
        made = TABLE[operator.kind](at)
        if at.unread:
            what = ", ".join(plain(name, 60) for name in sorted(at.unread)[:4])
            raise UnsupportedError(f"its attributes {what}; leave them out")
    results = made if isinstance(made, list) else [made]
    for k, name in enumerate(operator.outputs):
        if k < len(results) and name:
            at.nodes[name] = results[k]
        elif name:
            at.unmade[name] = f"result {k} of {operator}"


def _outputs(at: Builder) -> dict[str, Node]:
    """What the model returns, by name; a single one is `logits`."""
    names = at.model.outputs
    found = {plain(name, 200): at.called(name) for name in names}
    for name, node in found.items():
        if node.type.dtype != "float32" or node.is_leaf:
            raise UnsupportedError(
                f"the output {name!r} is {node.op} {node.type}; allowed: floats that are computed"
            )
    return dict(zip(found if len(found) > 1 else [LOGITS], found.values(), strict=True))
