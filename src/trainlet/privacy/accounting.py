"""Differential privacy over all rounds, by the accountant of the library dp-accounting."""

from __future__ import annotations

from importlib import import_module

from trainlet.errors import ToolchainError, TrainletError
from trainlet.ir.arguments import finite, whole


def epsilon(multiplier: float, rounds: int, sampled: float = 1.0, delta: float = 1e-5) -> float:
    """The epsilon of (epsilon, delta)-differential privacy that rounds with Gaussian noise give.

    multiplier: the noise's standard deviation in multiples of the clipping norm, as of the step
    `dp` of a share; of noise that each device adds, this protects one message of each round
    rounds: in which a device may take part
    sampled: the probability with which each device takes part in a round (Poisson sampling), 1 for
    all devices

    Raises TrainletError for other numbers, ToolchainError without dp-accounting.
    """
    if not finite("multiplier", multiplier) > 0:
        raise TrainletError(f"multiplier={multiplier}; allowed: a number above 0")
    for name, value in (("sampled", sampled), ("delta", delta)):
        if not 0 < finite(name, value) <= 1:
            raise TrainletError(f"{name}={value}; allowed: a number above 0, at most 1")
    try:
        library = import_module("dp_accounting")
        accountant = import_module("dp_accounting.rdp").RdpAccountant()
    except ImportError:
        raise ToolchainError(
            "epsilon needs dp-accounting, which is not installed; install trainlet[dp]"
        ) from None
    event = library.GaussianDpEvent(multiplier)
    if sampled < 1:
        event = library.PoissonSampledDpEvent(sampled, event)
    accountant.compose(event, whole("rounds", rounds, 1))
    return float(accountant.get_epsilon(delta))
