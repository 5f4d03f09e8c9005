"""What an operator is: one record, one place.  The registry is a dict."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from itertools import zip_longest
from typing import Any

import numpy as np

from trainlet.errors import GraphError, ShapeError
from trainlet.ir.graph import Node
from trainlet.ir.types import DType, TensorType
from trainlet.ops.layout import Layout
from trainlet.ops.row_access import RowAccess
from trainlet.ops.ties import Tie

ANOTHER_ORDER = 8
"""Tolerance of sums, whose order differs: NumPy adds pairwise, BLAS in blocks, a kernel from first
to last."""
OUR_SERIES = 4
"""Tolerance of exp, log, tanh and erf, for which the kernels have their own implementation."""

Thunk = Callable[[], Node]
Affine = Callable[[Node, Mapping[Node, Sequence[Node]]], Sequence[Node]]
Chosen = float | Node
"""Some of the channels: a share, which are the leading ones; or a leaf with their indices."""
Literal = int | float


@dataclass(frozen=True)
class Sample:
    """Inputs on which the catalogue test runs an op.

    `values` maps an input's position to a function that draws it; others are standard normal.
    """

    types: tuple[TensorType, ...]
    attrs: dict[str, Any] = field(default_factory=dict)
    values: Mapping[int, Callable[[np.random.Generator], Any]] = field(default_factory=dict)


@dataclass(frozen=True)
class Op:
    """All that Trainlet knows of an operator.

    What it computes:
    infer:        types of the inputs, **attrs -> type of the result; raises ShapeError
    checks_elements: `infer` itself tells which element types the inputs may have
    eval:         arrays, **attrs -> array: the meaning; for integers, exact
    macs:         node -> multiply-accumulates

    Its gradients:
    vjp:          (node, gradient) -> for each input a thunk that builds its gradient, or None where
                  the op is not differentiable; an unneeded gradient is never built
    vjp_bfp:      the same in block floating point: (node, mantissas) -> thunks that build
                  mantissas, or float32 for parameters; without it `vjp` serves, on the gradient as
                  float32
    narrow:       (gradient node, chosen) -> the same gradient for the chosen input channels only,
                  so that less of the activation is saved
    applied:      of a parameter's gradient, the op that makes it and applies it to the parameter at
                  once, so that it needs no buffer; None where there is none
    sums_rows:    the result is a sum over the rows of its inputs: of inputs stacked along a new
                  first axis it is the sum over the stack
    detaches:     the result is the input, and no gradient passes
    of_parts:     (node, parts of its weight along the input channels) -> the same result, made of
                  each part alone; None where it needs the weight as a whole

    Its kernel in C:
    call:         node -> the literals that follow the pointers in the C call
    kernel:       node -> the name of its C function, after "k_"
    variants:     other kernels than that of its own name, which `kernel` names for some nodes
    source:       node -> the C text of its kernel; None where a file has it
    pointers:     number of input pointers of the kernel; absent inputs are NULL
    workspace:    node -> bytes of scratch memory, handed to the kernel as its last pointer
    element:      attributes -> the literals that follow the operands of <name>_f32, the C function
                  of one element; None where elements do not stand alone
    function:     -> the text of that C function; None where <name>.h has it
    own_loop:     its own kernel is faster than its share of a loop over several operations
    alias:        the result is the input's own storage under another shape; no code
    window:       node -> where the result begins among the elements of its input 0, if it is a run
                  of these; else None
    calls:        node -> nodes whose kernels its own kernel calls
    seed:         position of the input that only tells where the backward pass begins: no pointer
    lowered:      a pass replaces the op before a plan is made; no kernel

    How it uses memory:
    inplace:      positions of the inputs whose storage the result may take
    inplace_of:   node -> the same, where it depends on the node
    mutates:      the result overwrites the leaf at this position (updates of parameters and state)
    contracts:    no value of the result has a larger magnitude than the largest of its inputs
    keeping:      the update that does the same and leaves the old value where its input 1 was
    weight_copy:  position of a weight of which a copy may be read in its place, so that the
                  weight's own update need not wait for this op
    rows:         node -> which rows it reads, if it can run on a few rows of its maps at a time

    Its place in a network:
    layout:       how a permutation of its inputs becomes one of its result; None where it does not
    channel_axis: of a layer (x, weight, bias, ..), the axis of its weight along which the output
                  channels lie; None where the op is no layer
    ties:         node -> axes of its inputs and its result whose slices it keeps apart, so that
                  their order may change in all of them at once; by default all axes of an
                  element-wise op, none of other ops
    affine:       of a normalisation, (node, readers of each node) -> the tensors that scale and
                  shift what it normalised; None for other ops

    Its tests:
    samples:      what the tests run: an op without samples fails; they show the element types of
                  each input, others are refused
    kinks:        attributes -> the inputs where the function has no derivative
    tolerance:    largest difference between the kernel and `eval`, in units in the last place of
                  the result's largest element; 0 where both round alike in the same order

    What it computes in torch stands in `trainlet.backends.torch`, so that `ops` need not load it.
    """

    name: str
    infer: Callable[..., TensorType]
    eval: Callable[..., np.ndarray]
    samples: Sequence[Sample]
    macs: Callable[[Node], int] = lambda node: 0

    vjp: Callable[[Node, Any], Sequence[Thunk | None]] | None = None
    vjp_bfp: Callable[[Node, Node], Sequence[Thunk | None]] | None = None
    narrow: Callable[[Node, Chosen], Node] | None = None
    applied: str | None = None
    checks_elements: bool = False
    sums_rows: bool = False
    detaches: bool = False
    of_parts: Callable[[Node, Sequence[Node]], Node | None] = lambda node, parts: None

    call: Callable[[Node], Sequence[Literal]] = lambda node: (node.type.size,)
    kernel: Callable[[Node], str] = lambda node: node.op
    variants: tuple[str, ...] = ()
    source: Callable[[Node], str] | None = None
    pointers: int = 0
    workspace: Callable[[Node], int] = lambda node: 0
    element: Callable[[Mapping[str, Any]], Sequence[Literal]] | None = None
    function: Callable[[], str] | None = None
    own_loop: bool = False
    alias: bool = False
    window: Callable[[Node], int | None] = lambda node: None
    calls: Callable[[Node], Sequence[Node]] = lambda node: ()
    seed: int | None = None
    lowered: bool = False

    inplace: tuple[int, ...] = ()
    inplace_of: Callable[[Node], Sequence[int]] | None = None
    mutates: int | None = None
    contracts: bool = False
    keeping: str | None = None
    weight_copy: int | None = None
    rows: Callable[[Node], RowAccess | None] = lambda node: None

    layout: Layout | None = None
    channel_axis: int | None = None
    ties: Callable[[Node], Iterable[Tie]] | None = None
    affine: Affine | None = None

    kinks: Callable[[Mapping[str, Any]], Sequence[float]] = lambda attrs: ()
    tolerance: int = 0


OPS: dict[str, Op] = {}


def register(op: Op) -> Op:
    """Enter an op into the catalogue."""
    if op.name in OPS:
        raise GraphError(f"op {op.name!r} is registered twice")
    OPS[op.name] = op
    return op


def build(name: str, *inputs: Node, label: str = "", **attrs: Any) -> Node:
    """A node of the op `name`; `label` is its readable name (the user's module).

    Raises GraphError for an unknown op, ShapeError when the inputs do not fit.
    """
    if name not in OPS:
        raise GraphError(f"unknown op {name!r}; known: {', '.join(sorted(OPS))}")
    op, types = OPS[name], [i.type for i in inputs]
    try:
        if not (op.alias or op.checks_elements):
            check_elements(op, types)
        result = op.infer(*types, **attrs)
    except ShapeError as error:
        where = f" at {label}" if label else ""
        raise ShapeError(f"{name}{where}: {error}") from None
    return Node(name, inputs, result, attrs, label)


@cache
def elements(name: str) -> tuple[frozenset[DType], ...]:
    """For each input of an op the element types that it takes: those of its samples."""
    columns = zip_longest(*(sample.types for sample in OPS[name].samples))
    return tuple(frozenset(t.dtype for t in column if t) for column in columns)


def check_elements(op: Op, types: Sequence[TensorType]) -> None:
    """Raise ShapeError where an input has elements that no kernel of the op reads."""
    for k, (t, known) in enumerate(zip(types, elements(op.name), strict=False)):
        allowed = " or ".join(sorted(known))
        require(t.dtype in known, f"input {k} is {t}; allowed: elements of type {allowed}")


def no_literals(attrs: Mapping[str, Any]) -> Sequence[Literal]:
    """`element` of an op whose function takes nothing but its operands."""
    return ()


def in_place_candidates(n: Node) -> list[int]:
    """Positions of the inputs whose storage the result may take: none that is smaller."""
    op = OPS[n.op]
    own = op.inplace_of(n) if op.inplace_of else [k for k in op.inplace if k < len(n.inputs)]
    return [k for k in own if n.inputs[k].type.nbytes >= n.type.nbytes]


def kept(channels: int, ratio: float) -> int:
    """The number of channels that a ratio keeps: rounded to the nearest integer, at least one."""
    return max(1, int(channels * ratio + 0.5))


def leaf(kind: str, name: str, type: TensorType, **attrs: Any) -> Node:
    """A node without inputs: kind is one of trainlet.ir.graph.LEAVES."""
    return Node(kind, (), type, attrs, name)


def float32(*shape: int) -> TensorType:
    """The float32 type of this shape."""
    return TensorType(shape)


def typed(dtype: DType, *shape: int) -> TensorType:
    """The type of this shape with elements of `dtype`."""
    return TensorType(shape, dtype)


def require(condition: bool, message: str) -> None:
    """Raise ShapeError(message) unless `condition`."""
    if not condition:
        raise ShapeError(message)


def same_type(*types: TensorType, **_: Any) -> TensorType:
    """`infer` of an op whose inputs and result are all of one type."""
    require(all(t == types[0] for t in types), f"types differ: {', '.join(map(str, types))}")
    return types[0]
