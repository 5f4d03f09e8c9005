"""What a back end takes: planned stages and a target, and what follows from them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from trainlet.ir.graph import Graph, Node
from trainlet.ir.roles import (
    FEATURES,
    PROTOTYPES_OF,
    RATE,
    forward_part,
    is_feature,
    is_target,
    predictions,
)
from trainlet.ir.storage import to_device
from trainlet.ops.objective import Labels, Loss, labels_of
from trainlet.ops.op import OPS, build
from trainlet.passes.fuse.rematerialize import rematerialized
from trainlet.passes.recompute import backward_nodes
from trainlet.planning.blob import Layout
from trainlet.planning.buffers import storage_of
from trainlet.planning.plan import Plan
from trainlet.planning.recompute.budget import Recomputation
from trainlet.planning.target import Target
from trainlet.planning.tiles.tile import Tile
from trainlet.planning.undo import Rollback

PREDICT, STEP, APPLY = "predict", "step", "apply"


@dataclass(frozen=True)
class Stage:
    """A graph and its plan: one sequence of kernel calls.

    begins: the name of another stage whose first calls these are; it has the same plan
    """

    graph: Graph
    plan: Plan
    begins: str = ""


def training_stages(
    step: Stage, apply: Stage | None = None, front: Stage | None = None
) -> dict[str, Stage]:
    """The stages of a trainer: `step` runs for every batch, `apply` updates the parameters from
    summed gradients, `predict` is the part of a step that computes the outputs.  `features`, if
    there is one, makes the inputs of a step and of a prediction of the network's."""
    forward = forward_part(step.graph)
    parts = {FEATURES: front, STEP: step, APPLY: apply}
    stages = {name: part for name, part in parts.items() if part is not None}
    return {**stages, PREDICT: Stage(forward, step.plan, STEP)}


@dataclass(frozen=True)
class Program:
    """A trainer: named stages, planned for a target.

    `apply`, if there is one, runs after every `accumulate` steps.  All stages share the parameters
    and the state; each has the whole arena while it runs.
    losses: of the outputs, whose weighted sum a step minimises beside penalties
    """

    stages: Mapping[str, Stage]
    target: Target
    accumulate: int = 1
    lr: float = 0.01
    prefix: str = "trainer"
    recomputation: Recomputation | None = None
    rollback: Rollback = True
    losses: tuple[Loss, ...] = ()

    @property
    def graph(self) -> Graph:
        """The graph of a training step."""
        return self.stages[STEP].graph

    @property
    def plan(self) -> Plan:
        """The plan of a training step."""
        return self.stages[STEP].plan

    @property
    def planned(self) -> list[Stage]:
        """The stages that have a plan of their own."""
        return [stage for stage in self.stages.values() if not stage.begins]

    @property
    def arena_bytes(self) -> int:
        """Bytes of the arena: enough for every stage, and for the state if `load` verifies it
        there."""
        least = max(stage.plan.arena for stage in self.planned)
        return max(self.state_bytes, least) if self.rollback is True else least

    @property
    def staged(self) -> bool:
        """Whether `load` verifies a state in the arena, so that the old one survives a reader that
        fails or lies; else it reads a blob twice."""
        return self.state_bytes <= self.arena_bytes

    @property
    def first(self) -> Stage:
        """The stage that reads the model's inputs."""
        return self.stages.get(FEATURES, self.stages[STEP])

    @cached_property
    def inputs(self) -> list[Node]:
        """The model's own inputs."""
        return [n for n in self.first.graph.leaves("input") if n.name != RATE and not is_target(n)]

    @cached_property
    def features(self) -> Node | None:
        """What a step and a prediction read of the frozen front, if that is a stage of its own."""
        if FEATURES not in self.stages:
            return None
        return next(n for n in self.graph.leaves("input") if is_feature(n))

    @property
    def feature_bytes(self) -> int:
        """Of the features of an example."""
        return self.features.type.nbytes if self.features else 0

    @cached_property
    def outputs(self) -> dict[str, Node]:
        """What a prediction returns, by name; `logits` where it is one."""
        return predictions(self.graph)

    @cached_property
    def streamed(self) -> Node | None:
        """The input that comes in rows, if one does."""
        return next((n for n in self.inputs if n in self.first.plan.streamed), None)

    @cached_property
    def targets(self) -> list[Node]:
        """The targets of a step's losses, in the order in which the losses name them."""
        return [n for n in self.graph.leaves("input") if is_target(n)]

    @property
    def target_leaf(self) -> Node:
        """The only target, or the first."""
        return self.targets[0]

    def labels(self, target: Node) -> Labels | None:
        """What the labels of a target can be; None where it is of real numbers."""
        return labels_of(target, self.losses, self.outputs)

    @cached_property
    def teaching(self) -> Node | None:
        """What `observe` computes at the end: the features of the examples are added to the
        prototypes of their classes.  None where no prototypes are trained."""
        for p in self.params:
            if PROTOTYPES_OF in p.attrs:
                features = self.outputs[p.attrs[PROTOTYPES_OF]]
                return build("add_to_class", p, features, self.target_leaf, label=p.name)
        return None

    @property
    def prototypes(self) -> str:
        """The name of the prototypes that `observe` adds to; empty where none are trained."""
        return self.teaching.inputs[0].name if self.teaching else ""

    @cached_property
    def params(self) -> list[Node]:
        """Trained parameters."""
        return _unique(self.planned, "param")

    @cached_property
    def states(self) -> list[Node]:
        """The optimiser's state and gradient sums."""
        return _unique(self.planned, "state")

    @cached_property
    def layout(self) -> Layout:
        """All that training changes, as it lies in the state."""
        return Layout.of((*self.params, *self.states), self.accumulate)

    @property
    def kept(self) -> tuple[Node, ...]:
        """All leaves that training changes, as they lie in the state."""
        return self.layout.leaves

    @cached_property
    def constants(self) -> list[Node]:
        """What lies in Flash; a seed does where an operation reads its value."""
        read = {
            storage_of(i).name
            for stage in self.planned
            for n in stage.plan.order
            for k, i in enumerate(n.inputs)
            if k != OPS[n.op].seed
        }
        return [*_unique(self.planned, "const"), *(n for n in self.seeds if n.name in read)]

    @cached_property
    def seeds(self) -> list[Node]:
        """The gradients of the losses with respect to themselves."""
        return _unique(self.planned, "seed")

    @cached_property
    def predict_order(self) -> list[Node]:
        """The part of the step that makes the outputs."""
        needed = set(self.stages[PREDICT].graph.nodes())
        return [n for n in self.plan.order if n in needed]

    @cached_property
    def halves(self) -> tuple[list[Node | Tile], list[Node | Tile]]:
        """A step up to the outputs, with all that runs in between, and what follows."""
        needed, steps = set(self.predict_order), self.plan.steps()
        last = max(
            k
            for k, step in enumerate(steps)
            if not needed.isdisjoint(step.nodes if isinstance(step, Tile) else (step,))
        )
        return steps[: last + 1], steps[last + 1 :]

    def initial(self, leaf: Node) -> np.ndarray:
        """The value that the device starts from."""
        for stage in self.planned:
            if leaf.name in stage.graph.values:
                return to_device(leaf, stage.graph.values[leaf.name])
        raise KeyError(leaf.name)

    @property
    def state_bytes(self) -> int:
        """What trainer_save keeps, and all that training changes."""
        return self.layout.state_bytes

    @cached_property
    def constant_bytes(self) -> int:
        return sum(n.type.nbytes for n in self.constants)

    @property
    def macs_front(self) -> int:
        """Of the frozen front, where that is a stage of its own."""
        front = self.stages.get(FEATURES)
        return sum(OPS[n.op].macs(n) for n in front.plan.order) if front else 0

    @property
    def macs_forward(self) -> int:
        return sum(OPS[n.op].macs(n) for n in self.predict_order) + self.macs_front

    @property
    def macs_backward(self) -> int:
        every = sum(OPS[n.op].macs(n) for n in self.plan.order) + self.macs_front
        return every - self.macs_forward - self.macs_recomputed

    @property
    def macs_recomputed(self) -> int:
        """Multiply-accumulates of the operations that run a second time so that their results need
        not be kept."""
        return sum(OPS[n.op].macs(n) for n in self.recomputed)

    @property
    def recomputed(self) -> tuple[Node, ...]:
        """Nodes that make a value of the forward pass again."""
        return self.recomputation.nodes if self.recomputation else ()

    @cached_property
    def saved_bytes(self) -> int:
        """Bytes that the forward pass keeps for the backward pass: made by nodes that the loss
        needs or that compress what it made (masks, slices), and read after the loss is known."""
        return saved_for_backward(self.graph, self.recomputation)


def saved_for_backward(graph: Graph, recomputation: Recomputation | None = None) -> int:
    """Bytes of arena tensors that do not depend on the loss's gradient but are read by nodes
    that do, or that run again for these.  Inputs count; parameters, constants and the label do
    not, nor what is made of them alone: that is recomputed whenever it is read."""
    return sum(n.type.nbytes for n in kept_for_backward(graph, recomputation))


def kept_for_backward(graph: Graph, recomputation: Recomputation | None = None) -> set[Node]:
    """The tensors that `saved_for_backward` counts."""
    late = set(recomputation.late) if recomputation else set[Node]()
    backward = backward_nodes(graph) | rematerialized(graph) | late
    fed = _fed_nodes(graph)
    saved: set[Node] = set()
    for n in backward:
        for i in n.inputs:
            while not i.is_leaf and OPS[i.op].alias:
                i = i.inputs[0]
            if i not in backward and i in fed:
                saved.add(i)
    return saved


def _fed_nodes(graph: Graph) -> set[Node]:
    """The model's inputs, and all that follows from them."""
    fed: set[Node] = set()
    for n in graph.nodes():
        own = n.op == "input" and n.name != RATE and not is_target(n)
        if own or any(i in fed for i in n.inputs):
            fed.add(n)
    return fed


def _unique(stages: list[Stage], kind: str) -> list[Node]:
    """Leaves of all stages by name: the stages have leaves of their own for the same storage."""
    found: dict[str, Node] = {}
    for stage in stages:
        for n in stage.graph.leaves(kind):
            found.setdefault(n.name, n)
    return list(found.values())
