"""One of torch's own samples as a model: imported, differentiated and compared with autograd."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.testing._internal.opinfo.core import OpInfo, SampleInput
from torch.utils._pytree import tree_flatten, tree_unflatten

from trainlet.errors import TrainletError
from trainlet.frontends.torch import export_module, imported
from trainlet.ir.graph import Graph
from trainlet.ir.roles import LOGITS
from trainlet.ops.op import build, leaf
from trainlet.ops.verify import verify
from trainlet.passes.differentiate import differentiate
from trainlet.run.evaluate import evaluate_graph

SAME, REFUSED, SKIPPED, WRONG = "same", "refused", "skipped", "wrong"
MOST = 60
"""Samples of an operator; few have more."""
RELATIVE, ABSOLUTE = 2e-4, 2e-5


class Sampled(nn.Module):
    """The operator on a sample: its float tensors are parameters, other tensors are buffers.

    The first parameter is added to the input, so that the result depends on both.
    """

    def __init__(self, op: OpInfo, sample: SampleInput) -> None:
        super().__init__()
        leaves, self.spec = tree_flatten(((sample.input, *sample.args), dict(sample.kwargs)))
        self.op, self.plain, self.learnt = op.op, list[Any](), list[str]()
        self.is_tensor = [isinstance(value, Tensor) for value in leaves]
        for k, value in enumerate(leaves):
            if isinstance(value, Tensor):
                self._keep(f"t{k}", value.detach().clone().contiguous())
            self.plain.append(f"t{k}" if isinstance(value, Tensor) else value)

    def _keep(self, name: str, value: Tensor) -> None:
        if value.dtype == torch.float32 and value.numel():
            self.register_parameter(name, nn.Parameter(value))
            self.learnt.append(name)
        else:
            self.register_buffer(name, value)

    def forward(self, x: Tensor) -> Tensor:
        given = []
        for value, is_tensor in zip(self.plain, self.is_tensor, strict=True):
            if is_tensor:
                tensor = getattr(self, value)
                given.append(tensor + x if value == self.learnt[0] else tensor)
            else:
                given.append(value)
        args, kwargs = tree_unflatten(given, self.spec)
        made = self.op(*args, **kwargs)
        first = next(t for t in tree_flatten(made)[0] if isinstance(t, Tensor))
        return first.float() if first.dtype == torch.bool else first


def outcome(op: OpInfo, sample: SampleInput) -> tuple[str, str]:
    """What becomes of the sample, and why."""
    tensors = [t for t in tree_flatten((sample.input, sample.args, dict(sample.kwargs)))[0]
               if isinstance(t, Tensor)]  # fmt: skip
    if any(t.layout is not torch.strided for t in tensors):
        return SKIPPED, "a sparse tensor"
    model = Sampled(op, sample).eval()
    if not model.learnt or any(not t.isfinite().all() for t in model.parameters()):
        return SKIPPED, "no float tensor, or one that is not finite"
    x = torch.zeros_like(getattr(model, model.learnt[0]))
    try:
        with torch.no_grad():
            result = model(x)
    except Exception as error:
        return SKIPPED, f"torch itself: {error}"
    if result.layout is not torch.strided:
        return SKIPPED, "the result is sparse"
    if result.dtype != torch.float32 or not result.numel():
        return SKIPPED, f"the result is {result.dtype} of {result.numel()} elements"
    if not result.isfinite().all():
        return SKIPPED, "the result is not finite"
    try:
        program = export_module(model, [x])
    except TrainletError as error:
        return SKIPPED, str(error)
    try:
        graph = imported(program).graph
    except TrainletError as error:
        return REFUSED, str(error)
    return compared(model, graph, x)


def compared(model: Sampled, graph: Graph, x: Tensor) -> tuple[str, str]:
    """The graph beside torch: the result, and the gradient of a sum of its elements."""
    try:
        result = model(x)
    except RuntimeError as error:
        return SKIPPED, f"torch itself: {error}"
    weight = torch.from_numpy(np.random.default_rng(0).standard_normal(result.shape)).float()
    node = graph.outputs[LOGITS]
    if node.type.shape != tuple(result.shape):
        return WRONG, f"shape {node.type.shape} for {tuple(result.shape)}"
    weighted = build("mul", node, leaf("const", "weight of the result", node.type))
    total = build("sum_to", weighted, shape=())
    values = {**graph.values, "weight of the result": weight.numpy()}
    whole = verify(differentiate(Graph({LOGITS: node, "loss": total}, values)))
    given = {**whole.values, next(iter(graph.leaves("input"))).name: x.numpy()}
    with np.errstate(all="ignore"):
        found = evaluate_graph(whole, given)
    if not same(found[LOGITS], result.detach().numpy()):
        return WRONG, f"value {_worst(found[LOGITS], result.detach().numpy())}"
    try:
        if result.requires_grad:
            (result * weight).sum().backward()
    except RuntimeError as error:
        return SKIPPED, f"torch itself: {error}"
    for name in model.learnt:
        slope = getattr(model, name).grad
        mine = found.get(f"grad.{name}")
        if mine is None and (slope is None or not slope.any()):
            continue
        if mine is None or slope is None:
            return WRONG, f"gradient of {name}: {'none' if mine is None else 'none in torch'}"
        if not same(mine, slope.numpy()):
            return WRONG, f"gradient of {name}: {_worst(mine, slope.numpy())}"
    return SAME, ""


def same(found: np.ndarray, wanted: np.ndarray) -> bool:
    if found.shape != wanted.shape:
        return False
    scale = float(np.abs(wanted[np.isfinite(wanted)]).max(initial=0))
    return np.allclose(found, wanted, RELATIVE, RELATIVE * scale + ABSOLUTE, equal_nan=True)


def _worst(found: np.ndarray, wanted: np.ndarray) -> str:
    with np.errstate(invalid="ignore"):
        at = np.unravel_index(np.nan_to_num(np.abs(found - wanted), nan=1e30).argmax(), found.shape)
    return f"{found[at]} for {wanted[at]}"


def samples(op: OpInfo) -> Sequence[SampleInput]:
    """The first of float32, with gradients where the operator has any."""
    learns = torch.float32 in op.supported_backward_dtypes("cpu") and op.supports_autograd
    return list(op.sample_inputs("cpu", torch.float32, requires_grad=learns))[:MOST]
