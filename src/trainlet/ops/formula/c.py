"""A formula as a C function of one element."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from textwrap import fill

from trainlet.ops.formula.functions import Functions
from trainlet.ops.literal import literal

HEADERS = {"exp": "exp.h", "log": "log.h", "sqrt": "sqrt.h", "floor": "floor.h",
           "sigmoid": "sigmoid.h", "normal_cdf": "erf.h"}  # fmt: skip
"""The headers of the C functions that terms call."""


@dataclass(frozen=True, eq=False)
class Term:
    """A C expression for a number or a condition.

    text: C with a place for each operand
    """

    text: str
    operands: tuple[Term, ...] = ()
    header: str = ""
    condition: bool = False

    def __add__(self, other: Term | float) -> Term:
        return _term("({} + {})", self, other)

    def __radd__(self, other: float) -> Term:
        return _term("({} + {})", other, self)

    def __sub__(self, other: Term | float) -> Term:
        return _term("({} - {})", self, other)

    def __rsub__(self, other: float) -> Term:
        return _term("({} - {})", other, self)

    def __mul__(self, other: Term | float) -> Term:
        return _term("({} * {})", self, other)

    def __rmul__(self, other: float) -> Term:
        return _term("({} * {})", other, self)

    def __truediv__(self, other: Term | float) -> Term:
        return _term("({} / {})", self, other)

    def __rtruediv__(self, other: float) -> Term:
        return _term("({} / {})", other, self)

    def __neg__(self) -> Term:
        return _term("(-{})", self)

    def __lt__(self, other: Term | float) -> Term:
        return _condition("({} < {})", self, other)

    def __le__(self, other: Term | float) -> Term:
        return _condition("({} <= {})", self, other)

    def __gt__(self, other: Term | float) -> Term:
        return _condition("({} > {})", self, other)

    def __ge__(self, other: Term | float) -> Term:
        return _condition("({} >= {})", self, other)

    def __and__(self, other: Term) -> Term:
        return _condition("({} && {})", self, other)

    def __or__(self, other: Term) -> Term:
        return _condition("({} || {})", self, other)

    def __invert__(self) -> Term:
        return _condition("(!{})", self)


def _term(text: str, *operands: Term | float, header: str = "") -> Term:
    terms = (o if isinstance(o, Term) else Term(literal(float(o))) for o in operands)
    return Term(text, tuple(terms), header)


def _condition(text: str, *operands: Term | float) -> Term:
    return Term(text, _term(text, *operands).operands, condition=True)


def _called(name: str) -> Callable[[Term], Term]:
    return staticmethod(lambda x: _term(f"{name}_f32({{}})", x, header=HEADERS[name]))


def _where(condition: Term, a: Term | float, b: Term | float) -> Term:
    return _term("({} ? {} : {})", condition, a, b)


class _CFunctions(Functions):
    exp, log, sqrt, floor, sigmoid, normal_cdf = map(_called, HEADERS)
    where = staticmethod(_where)
    equal = staticmethod(lambda a, b: _condition("({} == {})", a, b))


C = _CFunctions()


def function_text(name: str, parameters: Sequence[str], made: Term) -> str:
    """The C of `<name>_f32`, with the headers that it needs, to stand any number of times in a
    unit.  What is read twice becomes a variable."""
    reads: dict[Term, int] = {}
    order = list(_operands_first(made, reads))
    headers = sorted({t.header for t in order if t.header})
    texts: dict[Term, str] = {}
    lines = [f'#include "{header}"' for header in headers]
    guard = f"TRAINLET_{name.upper()}_F32"
    arguments = ", ".join(f"float {p}" for p in parameters)
    lines += [f"#ifndef {guard}", f"#define {guard}",
              f"static inline float {name}_f32({arguments}) {{"]  # fmt: skip
    for t in order:
        texts[t] = t.text.format(*(texts[o] for o in t.operands))
        if t.operands and reads[t] > 1:
            variable = f"v{len(lines)}"
            lines.append(_wrapped(f"{'int' if t.condition else 'float'} {variable} = {texts[t]};"))
            texts[t] = variable
    return "\n".join([*lines, _wrapped(f"return {texts[made]};"), "}", "#endif", ""])


def _wrapped(statement: str) -> str:
    return fill(statement, 96, initial_indent="  ", subsequent_indent="      ")


def _operands_first(t: Term, reads: dict[Term, int]) -> Iterator[Term]:
    reads[t] = reads.get(t, 0) + 1
    if reads[t] == 1:
        for o in t.operands:
            yield from _operands_first(o, reads)
        yield t
