"""The learning rate that the validation part chooses; no optimum may lie at an edge of the grid."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from trainlet.ir.scheme import UpdateScheme
from trainlet.schemes.measure import measure
from trainlet.schemes.study import Study

RATES = tuple(round(m * 10.0**e, 6) for e in range(-5, 2) for m in (1, 3))
"""Every rate that may be tried, 0.00001 to 30."""


@dataclass(frozen=True)
class Tuned:
    """The best rate, the mean accuracy that it reached, and those of all rates that were tried."""

    rate: float
    accuracy: float
    by_rate: dict[float, float]

    @property
    def at_edge(self) -> bool:
        return self.rate in (min(self.by_rate), max(self.by_rate))


def tuned(
    study: Study,
    scheme: UpdateScheme,
    first: tuple[float, ...],
    known: Mapping[float, np.ndarray] | None = None,
) -> Tuned:
    """Tries a lower or a higher rate until the best one has neighbours on both sides.

    first: rates that are tried first; known: accuracies [runs] of rates that are measured already.
    """
    found = dict(known or _measured(study, scheme, first))
    while True:
        means = {rate: float(found[rate].mean()) for rate in sorted(found)}
        best = max(means, key=lambda rate: means[rate])
        at, tried = RATES.index(best), [RATES.index(rate) for rate in means]
        beyond = [k for k in (at - 1, at + 1) if not min(tried) <= k <= max(tried)]
        missing = tuple(RATES[k] for k in beyond if 0 <= k < len(RATES))
        if not missing:
            return Tuned(best, means[best], means)
        found |= _measured(study, scheme, missing)


def _measured(
    study: Study, scheme: UpdateScheme, rates: tuple[float, ...]
) -> dict[float, np.ndarray]:
    rows = measure(replace(study, rates=rates), scheme)
    return dict(zip(rates, rows, strict=True))
