"""The weights of the plain network that computes what an adapted one has learnt."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from trainlet.adapt.lora import A
from trainlet.arguments import graph_of
from trainlet.errors import SchemeError, StateError
from trainlet.ir.arguments import flag
from trainlet.ir.graph import Graph, Node
from trainlet.ir.storage import storage, to_device, to_user


def merge(
    graph: Graph, state: Mapping[str, np.ndarray], *, requantize: bool = False
) -> dict[str, np.ndarray]:
    """The parameters of the plain network that are not as they were, by torch's names: each
    weight plus its adapter's product, and what else has learnt.

    graph: what `lora` returned
    state: what has been trained of it, as `Trainer.state` returns it
    requantize: of an int8 network, round the sums to the integers of the weights.  That loses most
    of a small adapter: without this, an error says how much.

    In float32 the outputs equal those of the adapted network within rounding, and
    `model.load_state_dict(merged, strict=False)` takes the arrays as tensors.  Of an int8 network
    they are values for the graph that `prepare` returned.
    Raises SchemeError for a graph without such adapters, StateError for a parameter of another
    shape or one that the graph does not have.
    """
    flag("requantize", requantize)
    leaves = {n.name: n for n in graph_of(graph).leaves("param")}
    adapters = [n for n in leaves.values() if "adapts" in n.attrs]
    if not adapters:
        raise SchemeError("the graph has no adapter that can be merged; give what lora returned")
    given = {name: _checked(name, value, graph) for name, value in state.items()}
    merged = {k: v for k, v in given.items() if "adapter" not in leaves[k].attrs}
    values = {**graph.values, **given}
    for b in adapters:
        weight = leaves.get(b.attrs["adapts"]) or _constant(graph, b.attrs["adapts"])
        change = values[b.name] @ values[b.name[: -len(A)] + A] * np.float32(b.attrs["factor"])
        merged[weight.name] = _sum(weight, values[weight.name], change)
    lost = {
        n.name: _lost(n, graph.values[n.name], merged[n.name])
        for n in leaves.values()
        if n.name in merged and n.type.quant is not None and n.name not in given
    }
    if any(lost.values()) and not requantize:
        worst = max(lost, key=lambda name: lost[name])
        raise SchemeError(
            f"int8 weights cannot hold what the adapters learnt: rounding loses "
            f"{np.median(list(lost.values())):.0%} of a change in the median of {len(lost)} "
            f"weights, {lost[worst]:.0%} of that of {worst!r}; keep the adapters, or call "
            "merge(..., requantize=True)"
        )
    return {k: _rounded(leaves[k], v) if k in lost else v for k, v in merged.items()}


def _sum(weight: Node, value: np.ndarray, change: np.ndarray) -> np.ndarray:
    """The weight plus what its adapter adds to it as the device keeps it, in the user's terms."""
    before, factor = _rounded(weight, value), storage(weight).factor
    change = change.reshape(before.shape)
    if factor is not None:
        along = np.asarray(factor, np.float32).reshape(-1, *[1] * (before.ndim - 1))
        change = np.divide(change, along, out=np.zeros_like(change), where=along != 0)
    return before + change


def _rounded(weight: Node, value: np.ndarray) -> np.ndarray:
    """The value that a leaf holds: of a quantised one the nearest that its integers can express."""
    return to_user(weight, to_device(weight, value))


def _lost(weight: Node, before: np.ndarray, merged: np.ndarray) -> float:
    """The size of what rounding changes in a merged weight, as a share of what it learnt."""
    learnt = np.linalg.norm(merged - _rounded(weight, before))
    wrong = np.linalg.norm(_rounded(weight, merged) - merged)
    return float(wrong / learnt) if learnt else 0.0


def _constant(graph: Graph, name: str) -> Node:
    return next(n for n in graph.leaves("const") if n.name == name)


def _checked(name: str, value: np.ndarray, graph: Graph) -> np.ndarray:
    known = graph.values.get(name)
    if known is None or known.shape != np.shape(value):
        allowed = "the names of the graph's parameters" if known is None else known.shape
        raise StateError(f"the state holds {name!r} of shape {np.shape(value)}; allowed: {allowed}")
    return np.asarray(value, np.float32)
