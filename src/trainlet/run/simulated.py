"""Two devices in NumPy: the oracle evaluates the graph without a plan, and the arena device follows
the plan in one array of bytes."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable

import numpy as np

from trainlet.errors import DivergedError
from trainlet.ir.graph import Graph, Node
from trainlet.ir.roles import FEATURES, LOSS, RATE
from trainlet.ir.types import TensorType
from trainlet.ops.op import OPS
from trainlet.planning.blob import Saved
from trainlet.planning.buffers import first_byte, in_arena, storage_of
from trainlet.planning.program import (
    APPLY,
    PREDICT,
    STEP,
    Program,
    Stage,
)
from trainlet.planning.tiles.tile import Band, Fetch, Place, Slide, Tile
from trainlet.planning.undo import Copy, Undo
from trainlet.run.device import Inputs, Targets, flat_targets
from trainlet.run.evaluate import evaluate_graph
from trainlet.run.graph_device import GraphDevice
from trainlet.run.teaching import taught

NEW = "new."
LOST = "the loss is not finite; nothing was updated; use a smaller learning rate"
OVERFLOWED = "an update overflows; nothing was updated; use a smaller learning rate"


class SimulatedDevice(GraphDevice):
    """The trainer's state and its counter of summed gradients; stages are run by a subclass."""

    def __init__(self, program: Program) -> None:
        super().__init__(program)
        self.init()

    @abstractmethod
    def run(self, graph: Graph, stage: Stage, fed: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        """The outputs of `graph`, a part of the stage's."""

    def init(self) -> None:
        program = self.program
        leaves = (*program.params, *program.states, *program.constants, *program.seeds)
        self.values = {n.name: self.program.initial(n).copy() for n in leaves}
        self.pending = 0

    def predict(self, inputs: Inputs) -> np.ndarray:
        return self._predict(self._begun(inputs))

    def _predict(self, fed: dict[str, np.ndarray]) -> np.ndarray:
        stage = self.program.stages[PREDICT]
        found = self.run(stage.graph, stage, fed)
        return np.concatenate([found[name].reshape(-1) for name in stage.graph.outputs])

    def _begun(self, inputs: Inputs) -> dict[str, np.ndarray]:
        """What a step and a prediction read: the inputs, or what the front makes of them."""
        stage, fed = self.program.stages.get(FEATURES), self.fed(inputs)
        if stage is None:
            return fed
        with np.errstate(all="ignore"):
            return self.run(stage.graph, stage, fed)

    def features(self, inputs: Inputs) -> bytes:
        return self._begun(inputs)[FEATURES].tobytes()

    def predict_features(self, features: bytes) -> np.ndarray:
        return self._predict(self._of_features(features))

    def step_features(self, features: bytes, target: Targets, lr: float) -> float:
        return self._step(self._of_features(features), target, lr)

    def _of_features(self, features: bytes) -> dict[str, np.ndarray]:
        leaf = self.program.features
        assert leaf is not None
        return {FEATURES: np.frombuffer(features, leaf.type.dtype).reshape(leaf.type.shape)}

    def step(self, inputs: Inputs, target: Targets, lr: float) -> float:
        return self._step(self._begun(inputs), target, lr)

    def _step(self, begun: dict[str, np.ndarray], target: Targets, lr: float) -> float:
        rate = np.asarray(lr, np.float32)
        fed = {**begun, **self.wanted(target), RATE: rate}
        stage = self.program.stages[STEP]
        before, pending = self.values, self.pending
        with np.errstate(all="ignore"):
            try:
                results = self.run(stage.graph, stage, fed)
                if not np.isfinite(results[LOSS]):
                    raise DivergedError(LOST)
                self._take(results, stage)
                self.pending += 1
                apply = self.program.stages.get(APPLY)
                if apply is not None and self.pending == self.program.accumulate:
                    stage = apply
                    self._take(self.run(stage.graph, stage, {RATE: rate}), stage)
            except DivergedError:
                self.pending = pending
                self._take_back(before)
                raise
        self.pending %= self.program.accumulate
        return float(results[LOSS])

    def observe(self, inputs: Inputs, target: Targets) -> None:
        stage = self.program.stages[PREDICT]
        (labels,) = flat_targets(self.interface, target)
        with np.errstate(all="ignore"):
            found = self.run(stage.graph, stage, self._begun(inputs))
        sums = self.values[self.program.prototypes]
        self.values = {**self.values, **taught(self.program, found, labels, sums)}

    def _take_back(self, before: dict[str, np.ndarray]) -> None:
        """Restore the values from before a step that diverged."""
        if restores(self.program):
            self.values = before

    def save(self) -> bytes:
        return self.program.layout.pack(Saved(self.values, self.pending))

    def load(self, blob: bytes) -> None:
        saved = self.program.layout.unpack(blob)
        self.values |= saved.arrays
        self.pending = saved.pending

    def _take(self, results: dict[str, np.ndarray], stage: Stage) -> None:
        """The new values; raises DivergedError where one is not finite."""
        new = {k.removeprefix(NEW): v for k, v in results.items() if k.startswith(NEW)}
        finite = all(np.isfinite(v).all() for v in new.values())
        if finite or not restores(self.program):
            self.values = {**self.values, **new}
        if not finite:
            raise DivergedError(OVERFLOWED)


def restores(program: Program) -> bool:
    """Whether a step that diverges changes nothing."""
    undo = [stage.plan.undo for stage in program.planned if stage.plan.undo]
    return all(one.restores for one in undo)


class OracleDevice(SimulatedDevice):
    """The reference semantics of the program: every tensor is a new array, and nothing is
    overwritten."""

    def run(self, graph: Graph, stage: Stage, fed: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        return evaluate_graph(graph, {**self.values, **fed})


class ArenaDevice(SimulatedDevice):
    """Runs in the planned bytes, so a wrong address or order gives wrong numbers."""

    def run(self, graph: Graph, stage: Stage, fed: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        if stage is not self.program.stages.get(APPLY):  # which finds the copies of the step before
            self.arena = np.full(self.program.arena_bytes, 0xAA, np.uint8)
        arena, undo = self.arena, stage.plan.undo
        kept = {name: value.copy() for name, value in self.values.items()}

        def view(n: Node) -> np.ndarray:
            if not in_arena(n):
                whole = kept[storage_of(n).name].reshape(-1)
                start = first_byte(n) // whole.itemsize
                return whole[start : start + n.type.size].reshape(n.type.shape)
            start = stage.plan.offset[n]
            part = arena[start : start + n.type.nbytes].view(n.type.dtype)
            return part.reshape(n.type.shape)

        for leaf in stage.graph.leaves("input"):
            if leaf.name in fed and leaf not in stage.plan.streamed:
                view(leaf)[...] = fed[leaf.name]
        needed, names = set(graph.nodes()), dict[Node, list[str]]()
        for name, n in graph.outputs.items():  # an alias is there with what it is an alias of
            names.setdefault(n if n.is_leaf else _made(n), []).append(name)
        results: dict[str, np.ndarray] = {}
        for step in stage.plan.steps():
            nodes = step.nodes if isinstance(step, Tile) else (step,)
            if needed.isdisjoint(nodes):
                continue
            if isinstance(step, Tile):
                _run_tile(step, stage, arena, view, fed)
            elif not OPS[step.op].alias:
                copy = stage.plan.copies.get(step)
                old = kept[copy.leaf.name].reshape(-1).view(np.uint8).copy() if copy else None
                if copy and not copy.swapped:
                    _bytes(arena, copy)[...] = old
                view(step)[...] = OPS[step.op].eval(*map(view, step.inputs), **step.attrs)
                if copy and copy.swapped:
                    _bytes(arena, copy)[...] = old
            for name in (name for n in nodes for name in names.get(n, ())):
                results[name] = view(graph.outputs[name]).copy()
            if LOSS in names.get(nodes[-1], ()) and not np.isfinite(results[LOSS]):
                raise DivergedError(LOST)
            if undo is not None and undo.last in nodes:
                self._judge(undo, kept, arena)
        return results

    def _judge(self, undo: Undo, kept: dict[str, np.ndarray], arena: np.ndarray) -> None:
        """Every copy goes back where an update has overflowed; raises DivergedError then."""
        if all(np.isfinite(kept[n.name]).all() for n in undo.judged):
            return
        for copy in (*undo.copies, *undo.earlier):
            leaf = copy.leaf
            flat = _bytes(arena, copy).view(leaf.type.dtype)
            kept[leaf.name] = flat.reshape(leaf.type.shape).copy()
        self.values = kept
        raise DivergedError(OVERFLOWED)

    def _take_back(self, before: dict[str, np.ndarray]) -> None:
        """Nothing: the copies in the arena have already restored the values."""


def _made(n: Node) -> Node:
    """The node whose call makes the value of n."""
    while OPS[n.op].alias and not n.inputs[0].is_leaf:
        n = n.inputs[0]
    return n


def _bytes(arena: np.ndarray, copy: Copy) -> np.ndarray:
    return arena[copy.start : copy.start + copy.leaf.type.nbytes]


def _run_tile(
    tile: Tile,
    stage: Stage,
    arena: np.ndarray,
    view: Callable[[Node], np.ndarray],
    fed: dict[str, np.ndarray],
) -> None:
    """The rows of a tile, window by window."""

    def rows(place: Place, turn: int, type: TensorType) -> np.ndarray:
        start = stage.plan.offset[place.node] + place.start + turn * place.advance
        return arena[start : start + type.nbytes].view(type.dtype).reshape(type.shape)

    def slide(step: Slide) -> None:
        start = stage.plan.offset[step.node]
        moved = arena[start + step.start : start + step.start + step.size].copy()
        arena[start : start + step.size] = moved

    def fetch(step: Fetch, turn: int) -> None:
        first = step.first + turn * step.advance
        part = fed[step.node.name][:, first : first + step.rows]
        type = step.node.type.with_shape(part.shape)
        rows(Place(step.node, step.start), turn, type)[...] = part

    def band(step: Band, turn: int) -> None:
        inputs = zip(step.call.inputs, step.inputs, strict=True)
        values = [rows(p, turn, i.type) if p else view(i) for i, p in inputs]
        result = OPS[step.call.op].eval(*values, **step.call.attrs)
        rows(step.result, turn, step.call.type)[...] = result

    for loop in tile.loops:
        for turn in range(loop.times):
            for step in loop.body:
                if isinstance(step, Slide):
                    slide(step)
                elif isinstance(step, Fetch):
                    fetch(step, turn)
                else:
                    band(step, turn)
