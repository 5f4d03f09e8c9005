"""Training of a deep network of equal blocks, part after part: a package for each kind of part."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn import Module

from trainlet.arguments import optimizer_of
from trainlet.backends.aten.module import Placement, traced
from trainlet.compiler import prepare
from trainlet.errors import DataError, DivergedError, SchemeError, UnsupportedError, shown
from trainlet.frontends.losses import objective_of
from trainlet.ir.graph import Graph
from trainlet.ir.roles import LOSS, RATE, is_target
from trainlet.ir.scheme import UpdateScheme
from trainlet.ir.storage import Storage, storage, to_device
from trainlet.ops.objective import Losses
from trainlet.ops.optimizer import Optimizer
from trainlet.planning.order.schedule import schedule
from trainlet.run.torch_device import WAYS
from trainlet.torch.block_graphs import (
    BACK,
    GIVEN,
    KEPT,
    RESULT,
    block_graphs,
    head_graph,
    state_values,
)
from trainlet.torch.block_packages import write_blocks
from trainlet.torch.block_parts import Call, Kind, Part

DIFFERENCE = {torch.float32: 1e-3, torch.bfloat16: 5e-2}
"""Between a kind's result and torch's, as a share of the largest element; rounding is below it."""


class BlockTrainer:
    """Trains modules that follow each other, in place.

    Each kind of part is compiled once: equal modules of which the same parameters learn.  A step
    runs the parts forward, the last one with the loss, and then the trained ones backward; each
    updates its parameters as soon as it has their gradients.  Between the passes it keeps the input
    of each trained part and the results of its products.
    """

    def __init__(
        self,
        modules: Mapping[str, Module] | Sequence[tuple[str, Module]],
        example: Tensor,
        scheme: UpdateScheme | Mapping[str, float],
        *,
        loss: Losses = "cross_entropy",
        optimizer: Optimizer | None = None,
        way: str = "eager",
    ) -> None:
        """modules: the parts by the prefix of their parameters in the scheme, in their order; each
        has one input and one output, and the loss reads the last one's.  Their parameters are on
        one device, of float32 or bfloat16.
        example: an input of the first part
        scheme: the names of the parameters that learn, each as a whole
        way: "eager", "torch.compile" or "inductor"

        Raises UnsupportedError for a part that cannot be compiled, SchemeError for a scheme that
        does not fit, DataError for parameters of different types or devices.
        """
        named = list(modules.items() if isinstance(modules, Mapping) else modules)
        self.optimizer, self.losses = optimizer_of(optimizer), objective_of(loss).losses
        self.placement, self.way = _placement(named), way
        learning = _learning(named, scheme)
        first = next(k for k, names in enumerate(learning) if names)
        self.kinds: dict[Any, Kind] = {}
        self.parts: list[Part] = []
        x = example.to(self.placement.device)
        for k, ((prefix, module), names) in enumerate(zip(named, learning, strict=True)):
            last = k == len(named) - 1
            back = k >= max(first, 1)
            self.parts.append(self._part(prefix, module, names, x, back, last))
            if not last:
                x = self._checked(self.parts[-1], x)
        self.first = first

    def _part(
        self, prefix: str, module: Module, names: frozenset[str], x: Tensor, back: bool, last: bool
    ) -> Part:
        key = repr(module), _shapes(module), x.shape, names, back, last
        if key not in self.kinds:
            self.kinds[key] = self._kind(module, names, x, back, last)
        kind = self.kinds[key]
        values = {n: p.detach() for n, p in module.named_parameters()}
        values |= {n.name: self.placement.tensor(n, v) for n, v in kind.states.items()}
        return Part(prefix, module, names, kind, values)

    def _kind(
        self, module: Module, names: frozenset[str], x: Tensor, back: bool, last: bool
    ) -> Kind:
        plain = copy.deepcopy(module).to("cpu", torch.float32).eval()
        example = x.cpu().float() if x.is_floating_point() else x.cpu()
        graph = prepare(plain, example, check=False)
        if last:
            step = head_graph(graph, names, back, self.losses, self.optimizer)
            outputs = [LOSS, *(["dx"] if back else [])]
            return Kind(None, self._compiled(step, outputs), state_values(step))
        halves = block_graphs(graph, names, back, self.optimizer)
        forward = self._compiled(halves.forward, list(halves.forward.outputs))
        backward = halves.backward and self._compiled(halves.backward, ["dx"] if back else [])
        return Kind(forward, backward, state_values(halves.backward))

    def _compiled(self, graph: Graph, outputs: Sequence[str]) -> Call:
        for n in graph.leaves("param", "input"):
            if storage(n) != Storage.plain(storage(n).shape):
                raise UnsupportedError(
                    f"{n.name!r} would be kept in another layout than torch's, and parts are "
                    "trained in place; allowed: parts of linear layers, attention, normalisations"
                )
        constants = {
            n.name: self.placement.tensor(n, to_device(n, graph.values[n.name]))
            for n in graph.leaves("const", "seed")
        }
        made = traced(graph, schedule(graph), outputs, constants, self.placement)
        return Call(WAYS[self.way](made), made)

    @torch.no_grad()
    def _checked(self, part: Part, x: Tensor) -> Tensor:
        """The part's result; raises UnsupportedError where it is not torch's, such as of a module
        that only seems to be equal to an earlier one."""
        assert part.kind.forward is not None
        wanted = part.module(x)
        y = part.kind.forward({**part.values, GIVEN: x})[RESULT].reshape(wanted.shape)
        apart = float((y - wanted).abs().max()) / max(float(wanted.abs().max()), 1e-9)
        if not apart <= DIFFERENCE[self.placement.floats]:
            raise UnsupportedError(
                f"a part computes something else than torch: {apart:.1e} of the largest element "
                f"({shown(repr(part.module)[:60])}); modules with the same text and shapes have to "
                "compute the same"
            )
        return y

    @torch.no_grad()
    def step(self, x: Tensor, y: Tensor, lr: float | None = None) -> float:
        """Train on one batch; the loss before the update.

        Raises DivergedError when the loss is not finite; the state is lost then.
        """
        place = self.placement.device
        rate = torch.tensor(self.optimizer.lr if lr is None else lr, device=place)
        at, kept = x.to(place), list[dict[str, Tensor]]()
        for k, part in enumerate(self.parts[:-1]):
            assert part.kind.forward is not None
            found = part.kind.forward({**part.values, GIVEN: at})
            if k >= self.first:
                kept.append({GIVEN: at, **{n: t for n, t in found.items() if n.startswith(KEPT)}})
            at = found[RESULT]
        head = self.parts[-1]
        assert head.kind.backward is not None
        target = {n.name: y.to(place) for n in head.kind.backward.graph.leaves if is_target(n)}
        found = head.kind.backward({**head.values, GIVEN: at, RATE: rate, **target})
        del at
        for part in reversed(self.parts[self.first : -1]):
            assert part.kind.backward is not None
            given = {**part.values, **kept.pop(), BACK: found["dx"], RATE: rate}
            del found["dx"]
            found |= part.kind.backward(given)
            del given
        loss = float(found[LOSS])
        if loss - loss != 0:
            raise DivergedError("the loss is not finite; the state is lost: load a saved one, and "
                                "use a smaller learning rate")  # fmt: skip
        return loss

    def write(self, folder: str | Path) -> Path:
        """The network as packages of AOTInductor, one for each kind of part and direction, its
        present weights and optimiser's state, and an example that trains it without Trainlet.

        It takes a minute or more for each package, and as much disk as the weights are large.
        Raises ToolchainError where Inductor fails, FileError when the folder cannot be written;
        nothing is written then.
        """
        return write_blocks(self.parts, self.first, Path(folder))


def _placement(named: Sequence[tuple[str, Module]]) -> Placement:
    found = {(p.device, p.dtype) for _, module in named for p in module.parameters()}
    types = {dtype for _, dtype in found}
    if len(found) != 1 or not types <= set(DIFFERENCE):
        raise DataError(
            f"the parameters are {sorted(map(str, found))}; allowed: one device, and all of "
            "float32 or all of bfloat16"
        )
    ((device, dtype),) = found
    return Placement(device, dtype)


def _shapes(module: Module) -> tuple[Any, ...]:
    named = (*module.named_parameters(), *module.named_buffers())
    return tuple((name, tuple(t.shape)) for name, t in named)


def _learning(
    named: Sequence[tuple[str, Module]], scheme: UpdateScheme | Mapping[str, float]
) -> list[frozenset[str]]:
    """Of each part the parameters that learn, in its own names."""
    given = scheme if isinstance(scheme, UpdateScheme) else UpdateScheme(scheme)
    entries = {name: given.entry(name) for name in given}
    if parts := [name for name, share in entries.items() if share != 1]:
        raise SchemeError(
            f"the scheme trains a part of {parts[0]!r}; allowed: whole parameters (a share of 1)"
        )
    found = []
    for prefix, module in named:
        own = {f"{prefix}.{n}": n for n, _ in module.named_parameters()}
        found.append(frozenset(own[name] for name in own if name in entries))
        for name in own:
            entries.pop(name, None)
    if entries or not any(found):
        allowed = [f"{prefix}.{n}" for prefix, m in named[-1:] for n, _ in m.named_parameters()]
        raise SchemeError(
            f"the scheme names {shown([*entries])}; allowed: at least one parameter of the parts, "
            f"such as {', '.join(allowed)}"
        )
    return found
