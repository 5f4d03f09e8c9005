"""Checks the arguments of the four verbs before any work."""

from __future__ import annotations

import re
from dataclasses import dataclass, fields, replace
from typing import Any

import torch

from trainlet.backends.names import check_prefix
from trainlet.errors import SchemeError, TargetError, TrainletError, shown
from trainlet.ir.arguments import finite, flag, one_of, whole
from trainlet.ir.graph import Graph
from trainlet.ir.roles import LOGITS, predictions
from trainlet.ir.scheme import UpdateScheme
from trainlet.ops.op import OPS
from trainlet.ops.optimizer import OPTIMIZERS, SGD, Optimizer, written
from trainlet.ops.quantized.precision import Int8
from trainlet.passes.presets import SCHEMES
from trainlet.passes.update import Training
from trainlet.planning.limits import Limits
from trainlet.planning.order.best_order import EFFORTS
from trainlet.planning.planner import Planner
from trainlet.planning.target import PRESETS, Target
from trainlet.planning.tiles.stream import AUTO
from trainlet.planning.undo import STEPS_ALONE, Rollback

MOST_SUMMED = 2**24
"""Steps whose gradients make one update; 1 / n of each is a number of float32."""


def scheme_of(scheme: Any) -> UpdateScheme | str:
    """A scheme, or the name of a preset; raises SchemeError."""
    if scheme is None:
        raise SchemeError("the scheme is missing; start with trainlet.schemes.bias(model)")
    if isinstance(scheme, str):
        return one_of("unknown scheme ", scheme, SCHEMES, SchemeError, " or {parameter: ratio}")
    if isinstance(scheme, (list, tuple, set)) and all(isinstance(n, str) for n in scheme):
        ratios = ", ".join(f"{name!r}: 1.0" for name in list(scheme)[:3])
        raise SchemeError(f"the scheme is {shown(scheme)}; allowed: {{parameter: ratio}}, such as "
                          f"{{{ratios}}}")  # fmt: skip
    known: Any = scheme
    return known if isinstance(known, UpdateScheme) else UpdateScheme(known)


def target_of(target: Any) -> Target:
    """A target, by its name or as it is; raises TargetError."""
    if isinstance(target, Target):
        return target
    if isinstance(target, str):
        return Target.preset(target)
    raise TargetError(f"target={shown(target)}; allowed: a Target, or one of {', '.join(PRESETS)}")


def optimizer_of(optimizer: Any) -> Optimizer:
    """An optimizer, SGD() for None; the error says how to write one of torch's here."""
    if optimizer is None:
        return SGD()
    ours = callable(getattr(optimizer, "update", None)) and hasattr(optimizer, "lr")
    if isinstance(optimizer, type) or not ours:
        known = dict.fromkeys(type(make()).__name__ for make in OPTIMIZERS.values())
        allowed = ", ".join(f"trainlet.{name}(lr=...)" for name in known)
        raise TrainletError(
            f"optimizer={shown(optimizer)}; allowed: None, {allowed}{_ours(optimizer)}"
        )
    return optimizer


def _ours(optimizer: Any) -> str:
    """What to write in the place of another library's optimizer, or of a name."""
    if isinstance(optimizer, str):
        made = OPTIMIZERS.get(optimizer.lower())
        return f"; use trainlet.{written(made())}" if made else ""
    if not isinstance(optimizer, torch.optim.Optimizer) or len(optimizer.param_groups) != 1:
        return ""
    group, kind = optimizer.param_groups[0], type(optimizer).__name__
    ours = next((o for make in OPTIMIZERS.values() if type(o := make()).__name__ == kind), None)
    if ours is None:
        return ""
    own = [option.name for option in fields(ours) if option.name in group]
    given = ", ".join(f"{name}={group[name]!r}" for name in own)
    return f"; use trainlet.{kind}({given})"


def bytes_of(name: str, size: Any) -> int | None:
    """A number of bytes, or None for no limit of its own."""
    if size is None:
        return None
    text = size if isinstance(size, str) else ""
    if match := re.fullmatch(r"\s*(\d{1,9})\s*([kKmM]?)[iI]?[bB]?\s*", text):
        count = int(match[1]) * {"": 1, "k": 1 << 10, "m": 1 << 20}[match[2].lower()]
        raise TrainletError(f"{name}={size!r}; write the number of bytes: {name}={count}")
    try:
        return whole(name, size, 1, 1 << 40)
    except TrainletError:
        raise TrainletError(
            f"{name}={shown(size)}; allowed: None, or a number of bytes above 0"
        ) from None


def graph_of(graph: Any) -> Graph:
    """A forward graph; raises TrainletError for anything else."""
    if not isinstance(graph, Graph):
        raise TrainletError(
            f"graph is {shown(graph)}; allowed: the result of trainlet.prepare or trainlet.load"
        )
    if not predictions(graph):
        found = ", ".join(map(repr, graph.outputs)) or "none"
        raise TrainletError(f"the graph has no output {LOGITS!r}, which the loss reads; its "
                            f"outputs: {found}")  # fmt: skip
    return graph


def training_of(training: Any) -> Training:
    """A training step; raises TrainletError for anything else, and for one that is not whole."""
    if not isinstance(training, Training):
        raise TrainletError(f"training is {shown(training)}; allowed: the result of trainlet.train")
    if not any(OPS[n.op].mutates is not None for n in training.step.nodes() if not n.is_leaf):
        raise TrainletError("the training stopped before its updates; leave out stop_after")
    return training


def precision_of(precision: Any) -> str | Int8 | None:
    """A precision by its name, or an Int8; None for what the network is."""
    if precision is None or isinstance(precision, Int8):
        return precision
    return one_of("precision ", precision, ("float32", "int8"), also=", or an Int8")


@dataclass(frozen=True)
class Planning:
    """How a training step is planned: the options of `plan`."""

    target: Target
    limits: Limits
    planner: Planner
    max_recompute: float | None
    prefix: str

    @staticmethod
    def of(
        target: Any,
        prefix: Any,
        tile: Any,
        stream: Any,
        max_ram: Any,
        max_recompute: Any,
        schedule: Any,
        rollback: Any,
    ) -> Planning:
        """The options as a user gives them; raises TrainletError."""
        if tile is not None:
            flag("tile", tile, ", None")
        if not isinstance(stream, str):
            flag("stream", stream, ", 'auto', the name of an input")
        if rollback != STEPS_ALONE:
            flag("rollback", rollback, f", {STEPS_ALONE!r}")
        if max_recompute is not None and not 1 <= finite("max_recompute", max_recompute) <= 2:
            raise TrainletError(f"max_recompute={max_recompute}; allowed: None, or between 1 and 2")
        one_of("schedule=", schedule, EFFORTS)
        check_prefix(prefix)
        place = target_of(target)
        limits = Limits.of(place, bytes_of("max_ram", max_ram))
        limited = place.ram is not None
        tiles = limited if tile is None else tile
        if stream == AUTO and not (tiles and limited and place.runtime is None):
            stream = False
        planner = Planner(tiles, tile is True, stream, schedule, rollback)
        return Planning(place, limits, planner, max_recompute, prefix)

    def changed(
        self, stream: bool | str, max_recompute: float | None, rollback: Rollback
    ) -> Planning:
        """A copy with other values of these options."""
        planner = replace(self.planner, stream=stream, rollback=rollback)
        return replace(self, planner=planner, max_recompute=max_recompute)

    def without_auto_rows(self) -> Planning:
        """A copy that reads the first input as a whole, unless somebody asked for rows."""
        stream = False if self.planner.stream == AUTO else self.planner.stream
        return replace(self, planner=replace(self.planner, stream=stream))
