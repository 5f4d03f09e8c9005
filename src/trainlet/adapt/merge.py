"""The weights of the plain network that computes what an adapted one has learnt."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from trainlet.adapt.lora import A
from trainlet.errors import SchemeError, StateError
from trainlet.ir.graph import Graph


def merge(graph: Graph, state: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The parameters of the plain network that are not as they were, by torch's names: each
    weight plus its adapter's product, and what else has learnt.

    graph: what `lora` returned
    state: what has been trained of it, as `Trainer.state` returns it

    `model.load_state_dict(merged, strict=False)` takes them, as tensors.  The outputs equal those
    of the adapted network within float32's rounding.
    Raises SchemeError for a graph without such adapters, StateError for a parameter of another
    shape or one that the graph does not have.
    """
    adapters = [n for n in graph.leaves("param") if "adapts" in n.attrs]
    if not adapters:
        raise SchemeError("the graph has no adapter that can be merged; give what lora returned")
    values = {name: _checked(name, value, graph) for name, value in state.items()}
    merged = {n: v for n, v in values.items() if n not in _own(graph)}
    values = {**graph.values, **values}
    for b in adapters:
        name, weight = b.name, b.attrs["adapts"]
        a = values[name[: -len(A)] + A]
        product = (values[name] @ a).reshape(values[weight].shape)
        merged[weight] = values[weight] + np.float32(b.attrs["factor"]) * product
    return merged


def _own(graph: Graph) -> set[str]:
    """The names of all parameters of adapters."""
    return {n.name for n in graph.leaves("param") if "adapter" in n.attrs}


def _checked(name: str, value: np.ndarray, graph: Graph) -> np.ndarray:
    found = np.shape(value)
    if name not in graph.values or graph.values[name].shape != found:
        known = graph.values.get(name)
        allowed = "the names of the graph's parameters" if known is None else known.shape
        raise StateError(f"the state holds {name!r} of shape {found}; allowed: {allowed}")
    return np.asarray(value, np.float32)
