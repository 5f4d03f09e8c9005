"""Formulas with the functions of torch, in the operations of the C kernels: the same bits."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from trainlet.backends.torch.experiments import fitted
from trainlet.backends.torch.functions import exp_f32, log_f32, normal_cdf_f32, sigmoid_f32
from trainlet.backends.torch.table import LOWERINGS
from trainlet.ir.graph import Node
from trainlet.ops.formula.functions import Functions
from trainlet.ops.formula.record import FORMULAS, Formula


def _where(condition: Tensor, a: Any, b: Any) -> Tensor:
    numbers = not isinstance(a, Tensor) and not isinstance(b, Tensor)
    return torch.where(condition, torch.tensor(a) if numbers else a, b)


class _TorchFunctions(Functions):
    where = staticmethod(_where)
    equal = staticmethod(torch.eq)
    exp = staticmethod(exp_f32)
    log = staticmethod(log_f32)
    sqrt = staticmethod(lambda x: torch.sqrt(x.double()).float())  # float32's is not exact
    floor = staticmethod(lambda x: torch.floor(x) + 0.0)  # the C's zero is positive
    sigmoid = staticmethod(sigmoid_f32)
    normal_cdf = staticmethod(normal_cdf_f32)


_TORCH = _TorchFunctions()


def _lowered(formula: Formula) -> Any:
    def run(n: Node, *operands: Tensor) -> Tensor:
        numbers = {k: torch.tensor(float(v)) for k, v in n.attrs.items()}
        aligned = fitted(*operands)
        made = formula(_TORCH, *aligned, **numbers)
        return made.expand(torch.broadcast_shapes(*(x.shape for x in aligned)))

    return run


LOWERINGS.update({name: _lowered(formula) for name, formula in FORMULAS.items()})
