"""What a scheme costs on a target: an estimate in milliseconds, a plan, the compiled firmware."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from trainlet.compiled import CompiledProgram
from trainlet.compiler import plan, train
from trainlet.frontends.losses import objective_of
from trainlet.ir.graph import Graph
from trainlet.ir.scheme import UpdateScheme
from trainlet.ops.optimizer import SGD
from trainlet.passes.training import differentiate_once, step_of_scheme
from trainlet.planning.estimate import estimate_tiled
from trainlet.planning.limits import needed
from trainlet.planning.target import Target
from trainlet.run.profile import step_instructions
from trainlet.schemes.knapsack import Additive, Part
from trainlet.schemes.layers import Choice, Layers
from trainlet.schemes.study import Study

ROOMY = 1 << 30
"""Bytes: a target on which every program fits is planned like one on which it just does."""


def roomy(target: Target) -> Target:
    """The target with room for every program; one without limits is that already."""
    return target if target.ram is None else replace(target, ram=ROOMY, flash=ROOMY)


@dataclass
class CompiledCost:
    """Estimates and plans of the schemes of one study on one target; each is made once."""

    study: Study
    layers: Layers
    target: Target
    _estimates: dict[Choice, int] = field(default_factory=dict, init=False)
    _programs: dict[Choice, CompiledProgram] = field(default_factory=dict, init=False)

    def __post_init__(self) -> None:
        body = self.layers.body
        names = [*self.layers.head, *(name for layer in body for name in layer.biases)]
        names += [layer.weight for layer in body if layer.shares]
        every, losses = (
            UpdateScheme(dict.fromkeys(names, 1.0)),
            objective_of(self.study.loss).losses,
        )
        self._whole = differentiate_once(self.study.graph, every, losses, self.study.precision)

    def step(self, choice: Choice) -> Graph:
        """The training step, without a plan."""
        scheme, study = choice.scheme(self.layers), self.study
        optimizer = study.optimizer_of(scheme) or SGD()
        return step_of_scheme(self._whole, scheme, optimizer, study.precision)

    def estimate(self, choice: Choice) -> int:
        """Bytes of RAM, the reserved stack included, without a plan."""
        if choice not in self._estimates:
            step = self.step(choice)
            kept = sum(n.type.nbytes for n in step.leaves("param", "state"))
            self._estimates[choice] = estimate_tiled(step) + kept + self.target.stack
        return self._estimates[choice]

    @property
    def plans(self) -> int:
        """How many schemes were planned."""
        return len(self._programs)

    def program(self, choice: Choice) -> CompiledProgram:
        """The program as `compile` plans it without recomputation, whether it fits or not."""
        if choice not in self._programs:
            scheme = choice.scheme(self.layers)
            training = train(
                self.study.graph, scheme, loss=self.study.loss,
                optimizer=self.study.optimizer_of(scheme), precision=self.study.precision,
            )  # fmt: skip
            made = plan(training, roomy(self.target), max_recompute=None)
            self._programs[choice] = replace(made, target=self.target)
        return self._programs[choice]

    def planned(self, choice: Choice) -> tuple[int, int]:
        """Bytes of RAM with the reserved stack, and of Flash without code."""
        return needed(self.program(choice))

    def added(self, parts: Iterable[Part]) -> Additive:
        """What each part alone adds to the estimate: a rule that adds up, close to the truth where
        the parts are kept at the same moment, and above it elsewhere."""
        base = self.estimate(Choice())
        biases = {
            k: max(0, self.estimate(Choice(k)) - base) for k in range(len(self.layers.body) + 1)
        }
        weights = {}
        for number, share in parts:
            reached = self.layers.reaching(number)
            alone = self.estimate(Choice.of(reached, [(number, share)]))
            weights[number, share] = max(0, alone - self.estimate(Choice(reached)))
        return Additive(biases, weights, base)

    def instructions(self, choice: Choice) -> int:
        """Of a training step, counted on the emulated core."""
        return step_instructions(self.program(choice))

    def work(self, choice: Choice) -> int:
        """Multiply-accumulates of a training step."""
        program = self.program(choice)
        return program.macs_forward + program.macs_backward
