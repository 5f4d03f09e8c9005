"""What is compared: how the weights are kept, how their updates are rounded, how they descend."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import trainlet as tl

RATES = (0.001, 0.003, 0.01, 0.03, 0.1)
ADAM_RATES = (0.0001, 0.0003, 0.001, 0.003, 0.01)
UNSCALED_RATES = (0.003, 0.01, 0.03, 0.1, 0.3)
INTEGER_RATES = (10.0, 100.0, 1000.0, 10000.0, 100000.0)
"""A step of the integer weight is lr * s_w * G: s_w is about 0.01, so its rates are 10^4 larger."""


@dataclass(frozen=True)
class Method:
    """precision: None for float32.  head_only: nothing but the classifier learns.
    rates: the grid, of one size for every method."""

    name: str
    title: str
    precision: tl.Int8 | None
    rates: tuple[float, ...] = RATES
    optimizer: Callable[[], Any] = tl.SGD
    head_only: bool = False


def _methods() -> list[Method]:
    plain = partial(tl.Int8, gradient="float32", extra_bits=8)
    with_qas = partial(tl.Int8, qas=True, gradient="float32")
    methods = [
        Method("float32", "float32", None),
        Method("float-head", "float32, only the head learns", None, head_only=True),
        Method("head", "int8, only the float head learns", plain(), head_only=True),
        Method("no-qas", "int8 without QAS", plain(qas=False), UNSCALED_RATES),
        Method(
            "no-qas-int8-head",
            "int8 without QAS, int8 head",
            plain(qas=False, float_head=False),
            INTEGER_RATES,
        ),
        Method("adam", "int8, Adam", plain(), ADAM_RATES, tl.Adam),
        Method("truncate", "int8 + QAS, truncated", with_qas(extra_bits=0, rounding="truncate")),
        Method("nearest", "int8 + QAS, to nearest", with_qas(extra_bits=0, rounding="nearest")),
        Method("stochastic", "int8 + QAS, stochastic", with_qas(extra_bits=0)),
        Method("bits4", "int8 + QAS, 4 extra bits", with_qas(extra_bits=4)),
        Method("bits8", "int8 + QAS, 8 extra bits", with_qas(extra_bits=8)),
    ]
    for name, kind, bits in (
        ("int16", "int16", 8),
        ("int16-bits4", "int16", 4),
        ("int8", "int8", 8),
    ):
        title = f"int8 + QAS, {bits} extra bits, {kind} gradients"
        methods.append(Method(f"gradient-{name}", title, with_qas(extra_bits=bits, gradient=kind)))
    for bits in (32, 16):
        title = f"the default, with {bits} bits a bias"
        methods.append(Method(f"bias{bits}", title, tl.Int8(bias_bits=bits)))
    methods.append(Method("head16", "the default, with the head in 16 bits", tl.Int8(head_bits=16)))
    return methods


METHODS = {method.name: method for method in _methods()}
