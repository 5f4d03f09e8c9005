"""What an int8 graph means, in PyTorch: real values, differentiated by autograd."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

import trainlet as tl
from catalogue.torch_reference import FORMULAS
from trainlet.ir.graph import Graph, Node
from trainlet.ir.storage import to_device
from trainlet.run.evaluate import evaluate_graph
from trainlet.run.trainer import input_arrays


def first(x: Tensor) -> Tensor:
    return x.permute(0, 3, 1, 2)


def last(x: Tensor) -> Tensor:
    return x.permute(0, 2, 3, 1)


def settled(n: Node, y: Tensor, integers: np.ndarray | None) -> Tensor:
    """Clamped as n clamps; or n's own integers, and a gradient straight through their rounding."""
    a, scale = n.attrs, n.attrs["scale"]
    if integers is None:
        low, high = ((a[k] - a["zero_point"]) * scale for k in ("low", "high"))
        return y.clamp(low, high)
    kept = torch.from_numpy(integers.astype(np.float64))
    through = torch.where((kept > a["low"]) & (kept < a["high"]), y, 0)
    return through + ((kept - a["zero_point"]) * scale - through).detach()


def convolution(n: Node, x: Tensor, w: Tensor, b: Tensor) -> Tensor:
    (top, left, bottom, right), a = n.attrs["padding"], n.attrs
    depthwise = n.op == "depthwise_i8"
    kernel = w.permute(2, 0, 1).unsqueeze(1) if depthwise else first(w)
    groups = w.shape[2] if depthwise else a["groups"]
    padded = F.pad(first(x), (left, right, top, bottom))
    return last(F.conv2d(padded, kernel, b, a["stride"], 0, a["dilation"], groups))


RULES: dict[str, Callable[..., Tensor]] = {
    "conv2d_i8": lambda n, x, w, b, q: convolution(n, x, w, b),
    "depthwise_i8": lambda n, x, w, b, q: convolution(n, x, w, b),
    "linear_i8": lambda n, x, w, b, q: F.linear(x, w, b),
    "add_i8": lambda n, a, b: a + b,
    "requantize_i8": lambda n, x: x,
    "leaky_relu_i8": lambda n, x: F.leaky_relu(x, n.attrs["slope"]),
    "mean_i8": lambda n, x: x.mean(n.attrs["axes"], keepdim=n.attrs["keep"]),
    "linear": lambda n, x, w, b: F.linear(x, w, b),
    "permute_i8": lambda n, x: x.permute(n.attrs["permutation"]),
    "reshape": lambda n, x: x.reshape(n.attrs["shape"]),
    "dequantize": lambda n, x: x,
    "quantize": lambda n, x: x,
    "broadcast_to": lambda n, x: x.expand(n.attrs["shape"]),
    "max_pool_i8": lambda n, x: last(
        F.max_pool2d(first(x), n.attrs["kernel"], n.attrs["stride"], n.attrs["padding"][:2])
    ),
    **{name: lambda n, *xs, f=f: f(*xs, **n.attrs) for name, f in FORMULAS.items()},
}


def real(leaf: Node, device: np.ndarray) -> Tensor:
    """A leaf's real values in the layout of the device."""
    array, quant = device.astype(np.float64), leaf.type.quant
    if quant is not None:
        along = [-1 if k == quant.axis else 1 for k in range(array.ndim)]
        along = along if quant.axis is not None else [1] * array.ndim
        scale, zero = (np.asarray(v).reshape(along) for v in (quant.scale, quant.zero_point))
        array = (array - zero) * scale
    return torch.from_numpy(array)


def integers_of(graph: Graph, leaves: Mapping[str, np.ndarray]) -> dict[Node, np.ndarray]:
    """Of every node, computed without a plan."""
    nodes = graph.nodes()
    every = Graph({str(k): n for k, n in enumerate(nodes)}, graph.values)
    results = evaluate_graph(every, leaves)
    return {n: results[str(k)] for k, n in enumerate(nodes)}


def torch_gradients(
    graph: Graph, scheme: Mapping[str, float], x: np.ndarray, y: np.ndarray, rounded: bool
) -> tuple[float, dict[str, np.ndarray]]:
    """Cross-entropy, and its gradient by parameter in the layout of the device.

    rounded: every activation has the value that the integer network gives it
    """
    prepared = tl.train(graph, scheme, stop_after="fold").step
    inputs = prepared.leaves("input")
    device = input_arrays(inputs, {inputs[0].name: x})
    device |= {
        n.name: to_device(n, prepared.values[n.name]) for n in prepared.leaves("param", "const")
    }
    integers = integers_of(prepared, device) if rounded else {}
    known: dict[Node, Tensor] = {}
    for n in prepared.nodes():
        if n.is_leaf:
            known[n] = real(n, device[n.name]).requires_grad_(n.op == "param")
            continue
        result = RULES[n.op](n, *(known[i] for i in n.inputs))
        known[n] = settled(n, result, integers.get(n)) if "low" in n.attrs else result
    loss = F.cross_entropy(known[prepared.outputs["logits"]], torch.from_numpy(y).long())
    loss.backward()
    tensors = {n.name: t.grad for n, t in known.items() if n.op == "param"}
    return loss.item(), {name: t.numpy() for name, t in tensors.items() if t is not None}
