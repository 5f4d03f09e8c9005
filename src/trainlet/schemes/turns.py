"""Training in which other parameters learn every n steps."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from trainlet.arguments import graph_of, scheme_of
from trainlet.compiled import CompiledProgram
from trainlet.compiler import Scheme, plan, train
from trainlet.errors import SchemeError, TrainletError, shown
from trainlet.ir.arguments import whole
from trainlet.ir.graph import Graph
from trainlet.run.device import Closing, Targets
from trainlet.run.trainer import Inputs, Trainer


class Turns(Closing):
    """A trainer of a few programs of one network, one for each scheme, which take turns.

    What the turn's scheme does not name is frozen meanwhile, so a turn needs the activations and
    the optimiser's state of its own parameters only.  All that any scheme names lies in RAM.
    Parameters go from turn to turn by name; the optimiser's state begins anew.

    graph:    what `prepare` returns
    schemes:  such as those of `trainlet.schemes.lisa`; parameters learn as a whole
    every:    steps of a turn
    target, device: as of `plan` and `build`
    how:      arguments of `train`: loss, optimizer, accumulate

    Each program is compiled when its first turn comes.
    Raises SchemeError for schemes without two members or with parts of parameters, and what `train`
    and `plan` raise.
    """

    def __init__(
        self,
        graph: Graph,
        schemes: Sequence[Scheme],
        *,
        every: int,
        target: str = "host",
        device: str = "host",
        **how: Any,
    ) -> None:
        self._graph, self._how, self._target, self._device = graph_of(graph), how, target, device
        self.every = whole("every", every, 1)
        self.schemes = [_whole_parameters(scheme) for scheme in schemes]
        if len(self.schemes) < 2:
            raise SchemeError(f"{len(self.schemes)} schemes take turns; allowed: at least 2")
        self._programs: dict[int, CompiledProgram] = {}
        self._trainer: Trainer | None = None
        self.steps = 0
        self._begin({})

    @property
    def turn(self) -> int:
        """Which of the schemes learns in the next step."""
        return self.steps // self.every % len(self.schemes)

    @property
    def program(self) -> CompiledProgram:
        """The program of the present turn."""
        return self._programs[self._now]

    def step(self, x: Inputs, y: Targets | Sequence[ArrayLike], lr: float | None = None) -> float:
        """Train on one batch, as `Trainer.step`; the next scheme's turn begins where it is due."""
        if self.turn != self._now:
            self._begin(self.state())
        loss = self._open.step(x, y, lr)
        self.steps += 1
        return loss

    def predict(self, x: Inputs) -> Any:
        """As `Trainer.predict`."""
        return self._open.predict(x)

    def state(self) -> dict[str, np.ndarray]:
        """All parameters that any of the schemes trains, in the layout of the user's model."""
        return self._open.state()

    def close(self) -> None:
        """Stop the device; closing twice does nothing."""
        trainer, self._trainer = self._trainer, None
        if trainer is not None:
            trainer.close()

    @property
    def _open(self) -> Trainer:
        if self._trainer is None:
            raise TrainletError("the turns are closed; begin others: trainlet.schemes.Turns(...)")
        return self._trainer

    def _begin(self, state: dict[str, np.ndarray]) -> None:
        """The turn that is due, from these parameters on."""
        self.close()
        self._now = self.turn
        if self._now not in self._programs:
            self._programs[self._now] = self._compiled(self._now)
        self._trainer = self._programs[self._now].build(self._device)
        self._trainer.load_state(state)

    def _compiled(self, turn: int) -> CompiledProgram:
        scheme = self.schemes[turn]
        others = dict.fromkeys(name for s in self.schemes for name in s if name not in scheme)
        return plan(train(self._graph, scheme, held=tuple(others), **self._how), self._target)


def _whole_parameters(scheme: Scheme) -> dict[str, float]:
    chosen = scheme_of(scheme)
    if isinstance(chosen, str) or chosen.channels or set(chosen.ratios.values()) != {1.0}:
        raise SchemeError(
            f"the scheme is {shown(scheme)}; allowed for taking turns: {{parameter: 1.0}}, since "
            "parameters learn as a whole"
        )
    return dict(chosen.ratios)
