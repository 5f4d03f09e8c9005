"""Full, last, bias + last, norm + last: the presets, for a PyTorch model or a loaded graph."""

from __future__ import annotations

import torch
from torch.nn.modules.batchnorm import _NormBase

from trainlet.errors import SchemeError
from trainlet.frontends.network import check_model
from trainlet.ir.arguments import whole
from trainlet.ir.graph import Graph
from trainlet.ir.scheme import UpdateScheme
from trainlet.passes.presets import Parameter, choose, graph_parameters, is_bias

Model = torch.nn.Module | Graph
_NORMS = (
    _NormBase,
    torch.nn.GroupNorm,
    torch.nn.LayerNorm,
    torch.nn.LocalResponseNorm,
    torch.nn.RMSNorm,
)


def preset(name: str, model: Model) -> UpdateScheme:
    """The preset of that name; raises SchemeError for an unknown one."""
    return choose(name, parameters_of(model))


def full(model: Model) -> UpdateScheme:
    """Every parameter learns."""
    return preset("full", model)


def last(model: Model) -> UpdateScheme:
    """The classifier alone: the last layer's weight and bias."""
    return preset("last", model)


def bias(model: Model) -> UpdateScheme:
    """Every bias (a batch-norm's included) and the classifier: TinyTL-B (Cai et al., 2020)."""
    return preset("bias", model)


def norm(model: Model) -> UpdateScheme:
    """Every norm's weight and bias, and the classifier."""
    return preset("norm", model)


def last_layers(model: Model, k: int) -> UpdateScheme:
    """All parameters from the weight of the k-th last layer on: of a module in the order in which
    it holds them, of a graph in that of its computation.  Layers are linear or convolutions.

    Raises SchemeError for fewer than k layers.
    """
    parameters = parameters_of(model)
    layers = [at for at, p in enumerate(parameters) if p.weight]
    whole("k", k, 1, len(layers), SchemeError)
    return UpdateScheme({p.name: 1.0 for p in parameters[layers[-k] :]})


def lora(graph: Graph, *, frozen_a: bool = False, head: bool = True) -> UpdateScheme:
    """The adapters that `trainlet.adapt.lora` added, and the classifier.

    frozen_a: only each adapter's B learns (LoRA-FA, Zhang et al., 2023).
    head: whether the classifier learns; False for a language model, whose classifier is its largest
    layer and often its embedding too
    """
    scheme = preset("lora_fa" if frozen_a else "lora", graph)
    if head:
        return scheme
    adapters = [p.name for p in parameters_of(graph) if p.name in scheme and not p.last]
    return UpdateScheme(dict.fromkeys(adapters, 1.0))


def tinytl(graph: Graph, *, biases: bool = True) -> UpdateScheme:
    """The lite residual modules that `trainlet.adapt.tinytl` added, and the classifier.

    biases: the network's biases too (TinyTL-L+B); without, the modules alone (TinyTL-L).
    """
    return preset("tinytl" if biases else "tinytl_l", graph)


def parameters_of(model: Model) -> list[Parameter]:
    """What presets know of each parameter: of a module in the order in which it holds them, of a
    graph in that of its computation."""
    if isinstance(model, Graph):
        return graph_parameters(model)
    check_model(model)
    first = {id(p): name for name, p in model.named_parameters()}
    owners = [
        (name, module, p)
        for path, module in model.named_modules()
        for own, p in module.named_parameters(recurse=False)
        if first[id(p)] == (name := f"{path}.{own}".lstrip("."))
    ]
    layers = [m for _, m, _ in owners if not isinstance(m, _NORMS) and hasattr(m, "weight")]
    head = layers[-1] if layers else None
    return [
        Parameter(
            name,
            is_bias(name),
            isinstance(m, _NORMS),
            m is head,
            weight=not isinstance(m, _NORMS) and p is getattr(m, "weight", None),
        )
        for name, m, p in owners
        if p.requires_grad
    ]
