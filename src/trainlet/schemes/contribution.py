"""Contribution analysis: what each part of a network gains when it alone learns with the head
(Lin et al., 2022, section 2.3)."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from trainlet.arguments import optimizer_of, precision_of
from trainlet.compiler import prepare
from trainlet.errors import TrainletError, shown
from trainlet.frontends.network import Model
from trainlet.frontends.quantized import integer_precision
from trainlet.ir.arguments import finite, whole
from trainlet.ir.scheme import LEADING
from trainlet.ops.objective import Losses
from trainlet.ops.optimizer import Optimizer
from trainlet.ops.quantized.precision import Int8
from trainlet.passes.update import group_factors
from trainlet.planning.target import Target
from trainlet.schemes.cluster import library
from trainlet.schemes.compiled_cost import CompiledCost
from trainlet.schemes.gains import Gain, Gains, choices
from trainlet.schemes.knapsack import Additive
from trainlet.schemes.layers import SHARES, Choice, Layers, layers_of
from trainlet.schemes.measure import checked
from trainlet.schemes.measurements import Measurements
from trainlet.schemes.study import Study, runs_of

RATES = (0.001, 0.003, 0.01, 0.03, 0.1, 0.3)


@dataclass(frozen=True)
class Contribution:
    """What was measured, and the gains that follow.

    A run's accuracy is that of the learning rate whose mean over the runs is best.
    """

    measurements: Measurements
    _costs: dict[Target, CompiledCost] = field(default_factory=dict, repr=False, compare=False)

    def cost(self, target: Target) -> CompiledCost:
        """What schemes need on a target; estimates and plans are made once for all searches."""
        if target not in self._costs:
            self._costs[target] = CompiledCost(self.measurements.study, self.layers, target)
        return self._costs[target]

    @property
    def layers(self) -> Layers:
        return self.measurements.layers

    def measure(self) -> Contribution:
        """Measure what is missing; returns itself."""
        self.measurements.make(choices(self.layers))
        return self

    def accuracy(self, choice: Choice) -> np.ndarray:
        """Of each run at the best rate."""
        return self._gains.accuracy(choice)

    def rate(self, choice: Choice) -> float:
        """The learning rate whose mean over the runs is best."""
        best = int(self.measurements.known[choice].mean(1).argmax())
        return self.measurements.study.rates[best]

    @property
    def biases(self) -> dict[int, Gain]:
        """Of the biases of the last k layers over the head alone, for every k."""
        return self._gains.biases

    @property
    def weights(self) -> dict[tuple[int, float], Gain]:
        """Of a share of a layer's weight over the biases of the layers from it to the last, for
        every (number of the layer, share)."""
        return self._gains.weights

    @property
    def gains(self) -> Additive:
        """The means, as a search adds them up."""
        return self._gains.added

    @property
    def _gains(self) -> Gains:
        return Gains(self.measurements.known, self.layers)


def contribution(
    model: Model,
    data: Any,
    example_inputs: Any = None,
    *,
    precision: str | Int8 | None = None,
    calibration: Sequence[ArrayLike] | None = None,
    loss: Losses = "cross_entropy",
    optimizer: Optimizer | None = None,
    rates: Sequence[float] = RATES,
    epochs: int = 5,
    seeds: int = 3,
    shares: Sequence[float] = SHARES,
    channels: str = LEADING,
    file: str | Path | None = None,
    jobs: int | None = 1,
    ray: str | None = None,
    device: str = "cpu",
    measure: bool = True,
) -> Contribution:
    """Measure the gain of the biases of the last k layers, for every k, and of shares of each
    layer's weight together with the biases that its gradient passes.

    Each part learns separately from the pretrained parameters, in the simulation, whose integers
    are the device's bits; all runs and rates of a measurement at once.

    data: arrays (x, y), of which each seed holds back a quarter of every class to validate on; or a
    list of `Episode`, each with its own examples to learn from and to validate on.
    rates: learning rates that every measurement tries; epochs: passes over the data; seeds: of the
    order of the examples and, for arrays, of the quarter that is held back.
    shares: of the input channels of a weight; channels: "leading" for the first ones, "norm" for
    those with the largest weights.
    file: keeps each measurement as soon as it is made; the same call continues from there.
    jobs: processes that measure; None: one for each core.  ray: the address of a Ray cluster that
    measures instead, or "local"; nothing else changes.  device: where torch computes.
    measure: False leaves that to `Contribution.measure`; what the file holds is known.
    The other arguments and the errors are those of `compile`; DataError for data that cannot be
    used, FileError for a file of another network, data or settings.
    """
    rates = tuple(finite("rates", rate) for rate in rates)
    if not rates or min(rates) <= 0:
        raise TrainletError(f"rates={shown(rates)}; allowed: learning rates above 0")
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    jobs = (cores or 1) if jobs is None else whole("jobs", jobs, 1)
    if ray is not None:
        library()
    graph = prepare(model, example_inputs, precision=precision, calibration=calibration, loss=loss)
    integer = integer_precision(precision_of(precision), graph)
    layers = layers_of(graph, tuple(shares), loss, integer, channels)
    x, y, runs = runs_of(data, whole("seeds", seeds, 1))
    study = Study(
        graph, x, y, runs, rates, whole("epochs", epochs, 1), loss,
        optimizer_of(optimizer), integer, device,
    )  # fmt: skip
    group_factors(getattr(study.optimizer, "groups", {}), graph.leaves("param"))
    study = checked(study, Choice().scheme(layers))
    kept = None if file is None else Path(file)
    found = Contribution(Measurements(study, layers, kept, jobs, ray=ray))
    return found.measure() if measure else found
