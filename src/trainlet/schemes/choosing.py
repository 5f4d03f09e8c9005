"""A trainer that chooses on the device which layers and channels learn (TinyTrain)."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from functools import cached_property

from trainlet.arguments import bytes_of, graph_of, optimizer_of, precision_of, target_of
from trainlet.compiled import CompiledProgram
from trainlet.compiler import plan
from trainlet.errors import SchemeError, TargetError
from trainlet.frontends.losses import objective_of
from trainlet.frontends.quantized import integer_precision
from trainlet.ir.arguments import finite, one_of, whole
from trainlet.ir.graph import Graph, users
from trainlet.ir.scheme import UpdateScheme
from trainlet.ops.objective import Losses, Objective
from trainlet.ops.op import kept
from trainlet.ops.optimizer import Optimizer
from trainlet.ops.quantized.precision import Int8
from trainlet.ops.verify import verify
from trainlet.passes.channels import input_channels, squared_norm
from trainlet.passes.freeze import fold_constants, freeze
from trainlet.passes.leaf_names import distinct_names
from trainlet.passes.loops import trim_loops
from trainlet.passes.prune import prune
from trainlet.passes.run_time_channels import (
    MEASURED,
    can_choose,
    learn_at_run_time,
    measure,
    measured_name,
)
from trainlet.passes.training import differentiate_once, fused, updated
from trainlet.passes.training_head import read_by_losses
from trainlet.passes.update import Training
from trainlet.planning.selection import WORDS, Candidate, Choosing, largest_sets, program_bytes
from trainlet.planning.target import Target
from trainlet.progress import stage
from trainlet.schemes.choosing_program import ChoosingProgram
from trainlet.schemes.compiled_cost import roomy
from trainlet.schemes.layers import Layer, Layers, layers_of
from trainlet.schemes.tinytrain import DEPTH, score_factors

MOST_CANDIDATES = 32
LEAST = 1e-30
"""A weight's squared norm is at least this, so that its inverse is a float32."""


def choosing(
    graph: Graph,
    *,
    ram: int | None = None,
    macs: int | None = None,
    share: float = 0.5,
    depth: int = DEPTH,
    target: str | Target = "cortex-m7",
    loss: Losses = "cross_entropy",
    optimizer: Optimizer | None = None,
    precision: str | Int8 | None = None,
    prefix: str = "trainer",
    criterion: str = "fisher",
) -> ChoosingProgram:
    """A trainer to which a few examples are shown, which then chooses what learns, and learns.

    The rule is that of `tinytrain`, computed by the device.  Which candidates may learn together is
    decided here: for each candidate one set of weights that contains it and fits, planned and
    checked as a program of its own (a variant).  The device takes the candidates in descending
    order of their scores, each that is in one variant with all that were taken before.  Channels
    are data.

    graph: of `prepare`, with a classifier, such as that of `tl.adapt.cosine_head`
    ram: bytes of RAM, the reserved stack included, at most the target's (the default)
    macs: multiply-accumulates of a backward pass, None for no limit
    share: of the input channels of a chosen weight that learn
    depth: the last so many weights are candidates; the network's first weight is none
    precision: as given to `prepare`
    criterion: of channels: "fisher" or "gradient", as of `tinytrain`

    Raises SchemeError where no weight can be chosen, TargetError where no variant fits.
    """
    if not 0 < finite("share", share, SchemeError) <= 1:
        raise SchemeError(f"share is {share}; allowed: above 0, at most 1")
    whole("depth", depth, 1, MOST_CANDIDATES, SchemeError)
    one_of("criterion ", criterion, MEASURED, SchemeError)
    objective, device = objective_of(loss), target_of(target)
    if device.runtime:
        raise TargetError(f"target {device.name!r} takes no C; the selection is C: compile for a "
                          "microcontroller or the host")  # fmt: skip
    integer = integer_precision(precision_of(precision), graph_of(graph))
    graph, losses = read_by_losses(graph, objective.losses)
    graph = verify(distinct_names(graph))
    objective = replace(objective, losses=losses)
    layers = layers_of(graph, (share,), loss, integer)
    parts = _Parts(graph, layers, objective, optimizer_of(optimizer), integer, share, depth,
                   criterion)  # fmt: skip
    limits = [size for size in (bytes_of("ram", ram), device.ram) if size is not None]
    budget = _Budget(parts, device, prefix, min(limits, default=None), macs)
    measure = budget.measuring()
    stage("choosing layers")
    sets = largest_sets(parts.promising, budget.fits)
    if not sets:
        raise TargetError(f"no candidate fits: {budget}; the smallest trainer is that of "
                          f"{budget.smallest()}; give more, or a smaller share")  # fmt: skip
    variants = tuple(budget.variant(one) for one in sets)
    choice = Choosing(tuple(parts.candidates), measure, variants, sets)
    return ChoosingProgram(choice)


@dataclass
class _Parts:
    """The graphs between which a trainer chooses; they share one forward and backward pass."""

    graph: Graph
    layers: Layers
    objective: Objective
    optimizer: Optimizer
    precision: Int8 | None
    share: float
    depth: int
    criterion: str

    def __post_init__(self) -> None:
        body = [layer for layer in self.layers.body if layer.weight]
        self._before, able = body[0] if body else None, list[Layer]()
        every = dict.fromkeys([*self.layers.head, *(layer.weight for layer in body)], 1.0)
        whole = self._differentiated(every)
        able = [
            layer
            for layer in body[1:]
            if layer.shares and can_choose(whole, layer.weight, self.criterion)
        ]
        self.chosen = able[-self.depth :]
        if not self.chosen:
            raise SchemeError("no weight can be chosen; allowed: those of convolutions without "
                              "groups and of linear layers, after the first and before the "
                              "classifier")  # fmt: skip
        first = body[body.index(self.chosen[0]) - 1]
        names = [first.weight, *self._names(range(len(self.chosen)))]
        self.whole = self._differentiated(dict.fromkeys(names, 1.0))

    def _differentiated(self, names: Mapping[str, float]) -> Graph:
        return differentiate_once(
            self.graph, UpdateScheme(names), self.objective.losses, self.precision
        )

    def _names(self, numbers: Collection[int]) -> list[str]:
        """What learns if these candidates do."""
        layers = [self.chosen[k] for k in sorted(numbers)]
        return [*self.layers.head, *(n for one in layers for n in (one.weight, *one.biases))]

    @cached_property
    def candidates(self) -> list[Candidate]:
        names = [layer.weight for layer in self.chosen]
        factors, readers = score_factors(self.graph, names), users(self.whole.nodes())
        params = {p.name: p for p in self.whole.leaves("param")}
        found = list[Candidate]()
        for name in names:
            p, factor = params[name], factors[name]
            _, count = input_channels(p, readers[p])
            if self.criterion == "gradient":
                factor /= max(squared_norm(p, self.whole.values[name]), LEAST)
            sums = measured_name(name, self.criterion)
            found.append(Candidate(name, sums, count, kept(count, self.share), factor))
        return found

    @property
    def promising(self) -> list[int]:
        """The candidates in descending order of their factors, of equal ones the last first."""
        return sorted(range(len(self.candidates)), key=lambda k: (-self.candidates[k].factor, -k))

    def measuring(self) -> Training:
        """The step that measures, and trains nothing."""
        step = measure(self.whole, [layer.weight for layer in self.chosen], self.criterion)
        frozen = fold_constants(trim_loops(freeze(step, UpdateScheme(
            dict.fromkeys(self.layers.head, 1.0)))))  # fmt: skip
        return Training(
            verify(fused(frozen)), lr=self.optimizer.lr, precision=self.precision,
            losses=self.objective.losses,
        )  # fmt: skip

    def learning(self, numbers: Collection[int]) -> Training:
        """The step in which these candidates, their biases and the classifier learn."""
        scheme = UpdateScheme(dict.fromkeys(self._names(numbers), 1.0))
        pruned = fold_constants(trim_loops(freeze(prune(self.whole, scheme), scheme)))
        many = {self.candidates[k].weight: self.candidates[k].many for k in sorted(numbers)}
        found = updated(learn_at_run_time(pruned, many), self.optimizer, 1, self.precision)
        return replace(found, step=verify(fused(found.step)), losses=self.objective.losses)


@dataclass
class _Budget:
    """What a program may need, and the programs that were planned."""

    parts: _Parts
    target: Target
    prefix: str
    ram: int | None
    macs: int | None

    def __post_init__(self) -> None:
        self._known: dict[frozenset[int], CompiledProgram] = {}

    def variant(self, numbers: frozenset[int]) -> CompiledProgram:
        """The program in which these candidates learn."""
        if numbers not in self._known:
            self._known[numbers] = self._planned(self.parts.learning(numbers))
        return self._known[numbers]

    def fits(self, numbers: frozenset[int]) -> bool:
        program = self.variant(numbers)
        within = self.ram is None or self._need(program) <= self.ram
        return within and (self.macs is None or program.macs_backward <= self.macs)

    def measuring(self) -> CompiledProgram:
        """The program that measures; raises TargetError where it does not fit."""
        program = self._planned(self.parts.measuring())
        need = self._need(program)
        if self.ram is not None and need > self.ram:
            raise TargetError(f"to choose, the device needs {need:,} bytes of RAM; allowed: "
                              f"{self.ram:,}; give more RAM, or a smaller depth")  # fmt: skip
        return program

    def smallest(self) -> str:
        """What the candidate needs that needs least RAM."""
        candidates = self.parts.candidates
        programs = [(self.variant(frozenset({k})), one) for k, one in enumerate(candidates)]
        program, one = min(programs, key=lambda pair: self._need(pair[0]))
        macs = program.macs_backward
        return f"{one.weight!r}, {self._need(program):,} bytes of RAM, {macs:,} MACs backward"

    def _planned(self, training: Training) -> CompiledProgram:
        program = plan(
            training, roomy(self.target), prefix=self.prefix, stream=False, max_recompute=None
        )
        return replace(program, target=self.target)

    def _need(self, program: CompiledProgram) -> int:
        """Bytes of RAM, the reserved stack included."""
        return program_bytes(program) + WORDS + self.target.stack

    def __str__(self) -> str:
        limits = (self.ram, "bytes of RAM"), (self.macs, "MACs backward")
        return ", ".join(f"{most:,} {what}" for most, what in limits if most is not None)
