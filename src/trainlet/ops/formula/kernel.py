"""The kernels of formulas: a loop over the C function of one element."""

from __future__ import annotations

from collections.abc import Sequence

_MAP = """{function}#include "kernel.h"
KERNEL void k_{name}(float *y, {tensors}, int size{numbers}) {{
  for (int k = 0; k < size; k++) y[k] = {name}_f32({arguments});
}}
"""
_BROADCAST = """{function}#include "broadcast.h"
#include "kernel.h"
/* either operand repeated by broadcasting */
KERNEL void k_{name}(float *y, const float *p, const float *q, BROADCAST_TWO) {{
  BROADCAST_LOOP_TWO(y[n] = {name}_f32(p[i], q[j]))
}}
"""


def map_kernel(name: str, operands: Sequence[str], numbers: Sequence[str], function: str) -> str:
    """y[k] is the function of the operands' elements k and of the numbers."""
    return _MAP.format(
        name=name,
        function=function,
        tensors=", ".join(f"const float *{x}" for x in operands),
        numbers="".join(f", float {number}" for number in numbers),
        arguments=", ".join([*(f"{x}[k]" for x in operands), *numbers]),
    )


def broadcast_kernel(
    name: str, operands: Sequence[str], numbers: Sequence[str], function: str
) -> str:
    """The same of two operands, either of which repeats by broadcasting."""
    return _BROADCAST.format(name=name, function=function)
