"""Checks the sizes of a network before anything of that size is allocated."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch.export import ExportedProgram
from torch.nn.parameter import UninitializedBuffer, UninitializedParameter

from trainlet.errors import DataError, UnsupportedError
from trainlet.ir.bounds import GRAPH_NODES, NODES, TENSOR_BYTES
from trainlet.ir.graph import Graph


def check_module(module: torch.nn.Module) -> torch.nn.Module:
    """The module itself; raises as check_tensors does."""
    tensors = [*module.named_parameters(), *module.named_buffers()]
    check_tensors((name, tensor) for name, tensor in tensors)
    return module


def check_program(program: ExportedProgram) -> ExportedProgram:
    """The exported program itself.

    Raises as check_tensors does, and UnsupportedError for more operations than NODES or a result
    larger than TENSOR_BYTES.
    """
    check_tensors([*program.state_dict.items(), *program.constants.items()])
    calls = [n for n in program.graph.nodes if n.op == "call_function"]
    NODES.check(len(calls), "the network", UnsupportedError)
    for n in program.graph.nodes:
        value = n.meta.get("val")
        if isinstance(value, torch.Tensor) and all(isinstance(k, int) for k in value.shape):
            what = f"{n.name!r} of shape {tuple(value.shape)}"
            TENSOR_BYTES.check(value.numel() * value.itemsize, what, UnsupportedError)
    return program


def check_graph(graph: Graph) -> Graph:
    """The graph itself; raises UnsupportedError for more nodes than GRAPH_NODES."""
    GRAPH_NODES.check(len(graph.nodes()), "the graph", UnsupportedError)
    return graph


def check_tensors(tensors: Iterable[tuple[str, object]]) -> None:
    """Parameters and buffers by name; one that several names share counts once.

    Raises DataError for one without data, UnsupportedError for a sparse or quantized one and for
    more than TENSOR_BYTES in all.
    """
    total, seen = 0, set()
    for name, tensor in tensors:
        if not isinstance(tensor, torch.Tensor):
            continue
        check_dense(tensor, repr(name))
        if isinstance(tensor, torch.nn.Parameter) and tensor.dtype != torch.float32:
            raise UnsupportedError(
                f"parameter {name!r} is {tensor.dtype}; allowed: torch.float32 (call model.float())"
            )
        if id(tensor) not in seen:
            seen.add(id(tensor))
            total += tensor.numel() * tensor.itemsize
            what = f"the parameters and buffers, up to {name!r} of shape {tuple(tensor.shape)}"
            TENSOR_BYTES.check(total, what, UnsupportedError)


def check_dense(tensor: torch.Tensor, what: str) -> None:
    """Raise DataError for a tensor without data, UnsupportedError for one that is not dense."""
    if tensor.is_meta or isinstance(tensor, torch._subclasses.FakeTensor):
        raise DataError(
            f"{what} has no data (device 'meta'); load the weights: "
            "model.to_empty(device='cpu'), then model.load_state_dict(...)"
        )
    if isinstance(tensor, (UninitializedParameter, UninitializedBuffer)):
        raise DataError(f"{what} has no shape yet; run the model once on an example")
    if tensor.is_complex():
        raise UnsupportedError(f"{what} is {tensor.dtype}; allowed: real numbers")
    if tensor.is_quantized or tensor.layout is not torch.strided or tensor.is_nested:
        kind = "quantized" if tensor.is_quantized else str(tensor.layout).removeprefix("torch.")
        raise UnsupportedError(f"{what} is {kind}; allowed: dense tensors of floats")
