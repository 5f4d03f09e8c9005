"""From formulas to records: the meaning, the kernel and the gradient rule of an operator."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from inspect import signature
from typing import Any

import numpy as np

from trainlet.ir.graph import Node
from trainlet.ops.broadcast import loop_literals
from trainlet.ops.elementwise import BROADCAST_SAMPLES, broadcast_type, product_gradient
from trainlet.ops.formula.c import C, Term, function_text
from trainlet.ops.formula.functions import NUMPY, Value
from trainlet.ops.formula.kernel import broadcast_kernel, map_kernel
from trainlet.ops.layout import ELEMENTWISE
from trainlet.ops.op import (
    OUR_SERIES,
    Affine,
    Op,
    Sample,
    Thunk,
    build,
    float32,
    register,
    same_type,
)
from trainlet.ops.row_access import own_rows

Formula = Callable[..., Value]
"""(functions, operands.., numbers by name) -> value"""
Attrs = Mapping[str, float]
Draw = Callable[[np.random.Generator], np.ndarray]
SIZE = 41

FORMULAS: dict[str, Formula] = {}
"""What each operator here computes, for whoever has functions of another kind of tensors."""


def wide(rng: np.random.Generator) -> np.ndarray:
    """Samples wide enough to saturate, with zeros of both signs."""
    return np.append(rng.uniform(-8, 8, SIZE - 2), [0.0, -0.0]).astype(np.float32)


def positive(rng: np.random.Generator) -> np.ndarray:
    """Where roots and logarithms are defined, apart from zero."""
    return rng.uniform(0.05, 8, SIZE).astype(np.float32)


@dataclass(frozen=True)
class Unary:
    """A function of one operand.

    slope:      its derivative; None where that is zero wherever it exists; it takes those of the
                function's numbers that it names
    of_result:  the slope is a function of the result, so that the operand need not be kept
    attrs:      the numbers of each sample
    draw:       the operand of a sample
    kinks:      attributes -> where there is no derivative
    tolerances: of the function's kernel and of its gradient's
    own_header: <name>.h has the C function
    affine:     as of `Op`
    """

    value: Formula
    slope: Formula | None
    of_result: bool = False
    attrs: Sequence[Attrs] = ({},)
    draw: Draw = wide
    kinks: Callable[[Attrs], Sequence[float]] = lambda attrs: ()
    tolerances: tuple[int, int] = (OUR_SERIES, OUR_SERIES)
    own_header: bool = False
    affine: Affine | None = None


@dataclass(frozen=True)
class Binary:
    """A function of two operands, which broadcast.

    partials:  its derivatives with respect to each, functions of both; None where there is none
    vjp:       the gradient rule, where it is simpler than the gradient times a derivative
    tolerance: of the function's kernel and of its derivatives'
    """

    value: Formula
    partials: tuple[Formula | None, Formula | None] = (None, None)
    vjp: Callable[[Node, Node], Sequence[Thunk | None]] | None = None
    draw: Draw | None = None
    tolerance: int = 0


def register_unary(name: str, f: Unary) -> None:
    """Enter a function, and its gradient as `<name>_dx`: (gradient, operand or result)."""
    slope, used = f.slope, _numbers(f.slope) if f.slope else ()

    def drawn(rng: np.random.Generator, attrs: Attrs) -> np.ndarray:
        x = f.draw(rng)
        return _meaning(f.value)(x, **attrs) if f.of_result else x

    def vjp(n: Node, g: Node) -> Sequence[Thunk | None]:
        saved = n if f.of_result else n.inputs[0]
        attrs = {k: n.attrs[k] for k in used}
        return [(lambda: build(f"{n.op}_dx", g, saved, label=n.name, **attrs)) if slope else None]

    _enter(name, f.value, ("x",), _numbers(f.value), f.own_header,
        vjp=vjp,
        kinks=f.kinks,
        layout=ELEMENTWISE,
        tolerance=f.tolerances[0],
        affine=f.affine,
        samples=[Sample((float32(SIZE),), dict(a), {0: f.draw}) for a in f.attrs],
    )  # fmt: skip
    if slope:
        _enter(
            f"{name}_dx", lambda m, g, v, **attrs: g * slope(m, v, **attrs), ("g", "v"), used,
            tolerance=f.tolerances[1],
            samples=[
                Sample((float32(SIZE),) * 2, {k: a[k] for k in used},
                       {1: lambda rng, a=a: drawn(rng, a)})
                for a in f.attrs
            ],
        )  # fmt: skip


def register_binary(name: str, f: Binary) -> None:
    """Enter a function, and its derivatives as `<name>_da` and `<name>_db`."""
    samples = [
        Sample(types, {}, {k: lambda rng, d=f.draw, s=t.shape: _shaped(d(rng), s)
                           for k, t in enumerate(types)} if f.draw else {})
        for types in BROADCAST_SAMPLES
    ]  # fmt: skip
    names = [f"{name}_da", f"{name}_db"]

    def vjp(n: Node, g: Node) -> Sequence[Thunk | None]:
        def side(operand: Node, derivative: str) -> Thunk:
            factor = lambda: build(derivative, *n.inputs, label=n.name)  # noqa: E731
            return lambda: product_gradient(n, g, operand, factor())

        each = zip(n.inputs, names, f.partials, strict=True)
        return [side(i, d) if partial else None for i, d, partial in each]

    fields = {"samples": samples, "layout": ELEMENTWISE, "tolerance": f.tolerance}
    _enter(name, f.value, ("p", "q"), vjp=f.vjp or vjp, **fields)
    for derivative, partial in zip(names, f.partials, strict=True):
        if partial:
            _enter(derivative, partial, ("p", "q"), **fields)


def _numbers(formula: Formula) -> tuple[str, ...]:
    """The numbers that a formula of one operand takes."""
    return tuple(signature(formula).parameters)[2:]


def _shaped(x: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """Of so many elements, repeated."""
    return np.resize(x, shape)


def _enter(
    name: str, formula: Formula, operands: tuple[str, ...], numbers: tuple[str, ...] = (),
    own_header: bool = False, **fields: Any,
) -> None:  # fmt: skip
    FORMULAS[name] = formula
    broadcasts = operands == ("p", "q")
    terms = [Term(p) for p in operands]

    def function() -> str:
        if own_header:
            return f'#include "{name}.h"\n'
        made = formula(C, *terms, **{p: Term(p) for p in numbers})
        return function_text(name, (*operands, *numbers), made)

    def literals(attrs: Attrs) -> tuple[float, ...]:
        return tuple(float(attrs[p]) for p in numbers)

    def sizes(n: Node) -> tuple[int, ...]:
        if broadcasts:
            return loop_literals(n.type.shape, *(i.type.shape for i in n.inputs))
        return (n.type.size,)

    write = broadcast_kernel if broadcasts else map_kernel
    register(
        Op(
            name,
            rows=own_rows,
            infer=broadcast_type if broadcasts else same_type,
            eval=_meaning(formula),
            call=lambda n: (*sizes(n), *literals(n.attrs)),
            source=lambda n: write(name, operands, numbers, function()),
            function=None if own_header else function,
            element=literals,
            inplace=(0, 1) if broadcasts else (0,),
            **fields,
        )
    )


def _meaning(formula: Formula) -> Callable[..., np.ndarray]:
    """The formula on arrays, its numbers rounded to float32 as in C."""

    def run(*arrays: np.ndarray, **attrs: float) -> np.ndarray:
        with np.errstate(all="ignore"):
            made = formula(NUMPY, *arrays, **{k: np.float32(v) for k, v in attrs.items()})
        shape = np.broadcast_shapes(*(a.shape for a in arrays))
        return np.broadcast_to(np.asarray(made, arrays[-1].dtype), shape)

    return run
