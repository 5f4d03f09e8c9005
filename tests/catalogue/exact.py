"""The oracle with the kernels' own roundings: then the C has its bits, floats included.

Where NumPy adds in another order, or takes another exp, an operation is computed by its reference
kernel, called alone on arrays of its own; the catalogue compares that kernel with `eval`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import numpy as np

from catalogue.kernels import Library
from trainlet.ir.types import Quant, TensorType
from trainlet.ops.op import OPS, Op, build, leaf


def exact_ops(kernels: Library) -> dict[str, Op]:
    """The operations whose `eval` differs from their kernel in the last places, by name."""

    def computed_by_kernel(name: str) -> Callable[..., np.ndarray]:
        def run(*arrays: np.ndarray, **attrs) -> np.ndarray:
            types = [type_of(a, attrs) for a in arrays]
            inputs = [leaf("input", f"x{k}", t) for k, t in enumerate(types)]
            return kernels.run(build(name, *inputs, **attrs), list(arrays))

        return run

    return {
        name: replace(OPS[name], eval=computed_by_kernel(name))
        for name, op in OPS.items()
        if op.tolerance and (op.element or not op.source)  # others are made for one node
    }


def type_of(array: np.ndarray, attrs: Mapping[str, Any]) -> TensorType:
    """Integers with the scale that the operation names, where it names one."""
    scaled = array.dtype == np.int8 and "zero" in attrs
    quant = Quant((attrs["scale"],), (attrs["zero"],)) if scaled else None
    return TensorType(array.shape, str(array.dtype), quant)  # type: ignore[arg-type]


@contextmanager
def exact_meanings(kernels: Library) -> Iterator[None]:
    """Oracle and arena compute with the roundings of the C."""
    before = dict(OPS)
    OPS.update(exact_ops(kernels))
    try:
        yield
    finally:
        OPS.update(before)
