"""Batch norms that become part of the layer before them, before the network is quantised.

With s = gamma / sqrt(variance + epsilon), the layer's weight becomes s weight, and its bias becomes
s bias + beta - s mean.  A user's parameter can be told from the folded one while the others stay;
these relations are kept as terms, so that a trained state is in the terms of the user's model.
"""

from __future__ import annotations

import operator as python
from collections.abc import Collection
from typing import Any

import numpy as np
import torch
from torch.fx import GraphModule
from torch.fx import Node as Fx
from torch.nn.utils.fusion import fuse_conv_bn_weights, fuse_linear_bn_weights

from trainlet.frontends.captured import LAYERS, TRANSPOSED, bias_names, has_statistics
from trainlet.frontends.integers import operator
from trainlet.frontends.terms import Names, Term

LEAST_FACTOR = 1e-6
"""Below it a channel tells nothing of the parameter that the factor multiplied."""


def training_names(module: GraphModule) -> Names:
    """Of a network whose norms torchao folds after training: every term is the folded one."""
    weights, biases = {}, {}
    for norm in _norms(module):
        layer: Any = norm.args[0]
        if operator(layer) not in LAYERS or layer.args[1].op != "get_attr":
            continue
        name = layer.args[1].target
        gamma, beta = map(_name, norm.args[1:3])
        weights[name] = (Term(name), *_terms(gamma, alone=False))
        biases[name] = (*_terms(beta), *_terms(_name(_bias(layer))))
    return Names(bias_names(module), weights, biases)


def fold_norms(module: GraphModule, heads: Collection[Fx], trained: Collection[str]) -> Names:
    """Fold every batch norm that may be folded, in place; hide the others from torchao.

    heads:   the layers that stay float32; nothing is folded into them
    trained: a scale is folded only if it stays as it is, or if the layer's weight learns too
    """
    shared = _read_twice(module)
    weights: dict[str, tuple[Term, ...]] = {}
    offsets: dict[str, tuple[Term, ...]] = {}
    called: dict[str, str | None] = {}
    for norm in _norms(module):
        layer: Any = norm.args[0]
        if layer in heads or not _foldable(layer, norm, shared, trained):
            norm.target = unfolded_norm
            continue
        name = layer.args[1].target
        weights[name], offsets[name] = _fold(module, layer, norm)
        bias = [term.name for term in reversed(offsets[name]) if term.alone]
        called[layer.args[2].target] = next((name for name in bias if name not in shared), None)
        offsets[name] = tuple(term for term in offsets[name] if term.name not in shared)
        weights[name] = tuple(term for term in weights[name] if term.name not in shared)
    module.graph.eliminate_dead_code()
    module.recompile()
    biases = {**bias_names(module), **called}
    return Names({k: v for k, v in biases.items() if v is not None}, weights, offsets)


def unfolded_norm(*arguments: Any) -> torch.Tensor:
    """A batch norm that torchao does not recognise, and leaves alone."""
    return torch.ops.aten.batch_norm.default(*arguments)


def show_norms(module: GraphModule) -> None:
    """Restore the batch norms that were hidden from torchao."""
    for n in module.graph.nodes:
        if n.target is unfolded_norm:
            n.target = torch.ops.aten.batch_norm.default
    module.recompile()


def usual_norms(module: GraphModule) -> None:
    """The functional form's batch norm, whose result is one of three, as the plain operator."""
    functional = torch.ops.aten._native_batch_norm_legit_no_training.default
    for n in [n for n in module.graph.nodes if n.target is functional]:
        for result in [r for r in n.users if r.target is python.getitem and r.args[1] == 0]:
            result.replace_all_uses_with(n)
            module.graph.erase_node(result)
        n.target = torch.ops.aten.batch_norm.default
        n.args = (*n.args[:5], False, *n.args[5:], False)
        n.meta["val"] = n.meta["val"][0] if isinstance(n.meta["val"], tuple) else n.meta["val"]


def _norms(module: GraphModule) -> list[Any]:
    return [n for n in module.graph.nodes if operator(n) == "batch_norm"]


def _read_twice(module: GraphModule) -> set[str]:
    """Parameters that several operators read, by whatever name."""
    readers: dict[int, int] = {}
    nodes = [n for n in module.graph.nodes if n.op == "get_attr"]
    for n in nodes:
        tensor = id(_attribute(module, n))
        readers[tensor] = readers.get(tensor, 0) + len(n.users)
    return {n.target for n in nodes if readers[id(_attribute(module, n))] > 1}


def _foldable(layer: Any, norm: Any, shared: set[str], trained: Collection[str]) -> bool:
    if operator(layer) not in LAYERS | TRANSPOSED or len(layer.users) > 1:
        return False
    if not has_statistics(norm) or _has_groups(layer):
        return False
    if operator(layer) == "linear" and layer.meta["val"].ndim != 2:
        return False  # the norm's channels are then no outputs of the layer
    weight, bias = layer.args[1], _bias(layer)
    own = [n for n in (weight, bias) if n is not None]
    if any(n.op != "get_attr" or n.target in shared for n in own):
        return False
    gamma, beta = map(_name, norm.args[1:3])
    if any(name in shared and name in trained for name in (gamma, beta)):
        return False
    return gamma not in trained or weight.target in trained


def _has_groups(layer: Any) -> bool:
    """Of a transposed convolution, whose weight then has no axis of output channels."""
    outputs = layer.args[1].meta["val"].shape[1]
    return operator(layer) in TRANSPOSED and outputs != layer.meta["val"].shape[1]


def _fold(module: GraphModule, layer: Any, norm: Any) -> tuple[tuple[Term, ...], tuple[Term, ...]]:
    """Fold one norm; what the terms of the layer's new weight and bias are."""
    weight, bias = layer.args[1], _bias(layer)
    gamma, beta, mean, variance = norm.args[1:5]
    eps = norm.args[7]
    tensors: list[Any] = [
        None if n is None else _attribute(module, n)
        for n in (weight, bias, mean, variance, gamma, beta)
    ]
    w, b, centre, spread, g, shift = tensors
    if operator(layer) == "linear":
        new = fuse_linear_bn_weights(w, b, centre, spread, eps, g, shift)
    else:
        transposed = operator(layer) in TRANSPOSED
        new = fuse_conv_bn_weights(w, b, centre, spread, eps, g, shift, transposed)
    path, _, _ = str(weight.target).rpartition(".")
    called = bias.target if bias else f"{path}.folded_bias".lstrip(".")
    _set(module, weight.target, new[0])
    _set(module, called, new[1])
    if bias is None:
        with module.graph.inserting_before(layer):
            added = module.graph.get_attr(called)
        layer.args = (*layer.args[:2], added, *layer.args[3:])
    norm.replace_all_uses_with(layer)
    module.graph.erase_node(norm)

    one, zero = np.ones(len(new[1])), np.zeros(len(new[1]))
    scale = _real(g, one) / np.sqrt(_real(spread, one) + eps)
    moved = -scale * _real(centre, zero)
    told = bool((np.abs(scale) > LEAST_FACTOR).all())
    known = np.where(np.abs(scale) > LEAST_FACTOR, scale, 1.0)
    factor = tuple(known.tolist())
    axis = 1 if operator(layer) in TRANSPOSED else None
    weights = (Term(weight.target, factor, channels=axis), *_terms(_name(gamma), alone=False))
    by_beta = tuple((scale * _real(b, zero) + moved).tolist())
    by_bias = tuple((moved + _real(shift, zero)).tolist())
    alone = told or beta is None
    return weights, (
        *_terms(_name(beta), offset=by_beta),
        *_terms(_name(bias), factor=factor, offset=by_bias, alone=alone),
    )


def _terms(name: str | None, **relation: Any) -> tuple[Term, ...]:
    return () if name is None else (Term(name, **relation),)


def _name(n: Any) -> str | None:
    return None if n is None else str(n.target)


def _bias(layer: Any) -> Any:
    return layer.args[2] if len(layer.args) > 2 else None


def _attribute(module: GraphModule, n: Any) -> torch.Tensor:
    return python.attrgetter(n.target)(module)


def _real(tensor: torch.Tensor | None, default: np.ndarray) -> np.ndarray:
    return default if tensor is None else tensor.detach().double().numpy()


def _set(module: torch.nn.Module, name: str, tensor: torch.Tensor) -> None:
    path, _, last = name.rpartition(".")
    setattr(module.get_submodule(path), last, torch.nn.Parameter(tensor.detach()))
