"""The verifier finds every kind of broken graph."""

import numpy as np
import pytest

from passes.stages import after, small
from trainlet.errors import FileError, GraphError
from trainlet.ir.graph import Graph, Node, rewrite
from trainlet.ir.text import parse_graph, print_graph
from trainlet.ir.types import TensorType
from trainlet.ops.op import build, leaf
from trainlet.ops.verify import verify

SCHEME = {"conv.weight": 1, "fc.weight": 1}


def sound() -> Graph:
    model, x = small()
    return after("update", model, x, SCHEME)


def instead(op: str, make) -> Graph:
    """The sound graph with the first node of an op replaced."""
    done = []

    def rule(n: Node) -> Node | None:
        if n.op != op or done:
            return None
        done.append(n)
        return make(n)

    graph = rewrite(sound(), rule)
    assert done
    return graph


def with_value(name: str, value: np.ndarray | None) -> Graph:
    graph = sound()
    values = {**graph.values, name: value}
    return Graph(graph.outputs, {k: v for k, v in values.items() if v is not None})


def of_type(n: Node, *shape: int, dtype: str = "float32") -> Node:
    return Node(n.op, n.inputs, TensorType(shape, dtype), n.attrs, n.name)


def updated_twice() -> Graph:
    graph = sound()
    first = graph.outputs["new.fc.weight"]
    rate = build("scale", first.inputs[2], factor=2.0)
    again = first.with_inputs((*first.inputs[:2], rate))
    return Graph({**graph.outputs, "again": again}, graph.values)


FAULTS = {
    "unknown op": (
        lambda: instead("relu", lambda n: Node("frobnicate", n.inputs, n.type)),
        "frobnicate.* is an unknown operation",
    ),
    "wrong shape": (
        lambda: instead("relu", lambda n: of_type(n, 1, 5, 5, 5)),
        r"has type float32\[1,5,5,5\], its inputs give float32\[1,5,5,4\]",
    ),
    "wrong dtype": (
        lambda: instead("relu_mask", lambda n: of_type(n, 13, dtype="int8")),
        r"has type int8\[13\], its inputs give uint8\[13\]",
    ),
    "missing input": (
        lambda: instead("add", lambda n: Node("add", n.inputs[:1], n.type)),
        "<add",
    ),
    "unknown attribute": (
        lambda: instead("conv2d", lambda n: Node(n.op, n.inputs, n.type, {**n.attrs, "slope": 2})),
        "<conv2d.*slope",
    ),
    "missing attribute": (
        lambda: instead("conv2d", lambda n: Node(n.op, n.inputs, n.type)),
        "<conv2d.*stride",
    ),
    "two leaves of one name": (
        lambda: instead("const", lambda n: leaf("const", "bn.bias.folded", n.type)),
        "two leaves are called 'bn.bias.folded'",
    ),
    "no value": (lambda: with_value("fc.bias", None), "fc.bias.* has no value"),
    "value of another shape": (
        lambda: with_value("fc.bias", np.zeros(4, np.float32)),
        r"value of .*fc.bias.* has shape \(4,\)",
    ),
    "value that is NaN": (
        lambda: with_value("fc.bias", np.full(3, np.nan, np.float32)),
        "fc.bias.* holds NaN or infinity",
    ),
    "an update of no leaf": (
        lambda: instead(
            "sgd", lambda n: n.with_inputs((build("relu", n.inputs[0]), *n.inputs[1:]))
        ),
        "updates .*, which is not a leaf",
    ),
    "two updates of one leaf": (updated_twice, "is updated twice"),
}


def test_the_sound_graph_passes():
    graph = sound()
    assert verify(graph) is graph


@pytest.mark.parametrize("fault", FAULTS)
def test_a_planted_fault(fault):
    make, message = FAULTS[fault]
    with pytest.raises(GraphError, match=message):
        verify(make())


GOOD = '%0 = input() "x" : float32[2,3]\n%1 = relu(%0) "act" : float32[2,3]\noutput "y" = %1\n'


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("relu(%0)", "relu(%7)", "line 2 .*'7'"),
        ("relu(%0)", "relu()", "relu has no inputs"),
        (": float32[2,3]\n%1", ": complex64[2,3]\n%1", "unknown dtype complex64"),
        ("[2,3]\n%1", "[2,-3]\n%1", "line 1"),
        ('output "y" = %1', 'output "y" = %5', "line 3 .*'5'"),
        ("%1 = relu", "one equals relu", "neither a node nor an output"),
        ('"act"', '{"a": __import__("os")} "act"', "line 2"),
    ],
)
def test_a_text_that_is_no_graph(old, new, message):
    assert print_graph(parse_graph(GOOD)) == GOOD
    with pytest.raises(FileError, match=message):
        parse_graph(GOOD.replace(old, new, 1))
