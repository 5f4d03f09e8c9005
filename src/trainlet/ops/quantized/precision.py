"""How an int8 program keeps and updates its weights: the choices that cost bytes or accuracy."""

from __future__ import annotations

from dataclasses import dataclass

from trainlet.errors import TrainletError, shown
from trainlet.ir.arguments import flag, whole
from trainlet.ops.quantized.update import ROUNDINGS

EXTRA_BITS = (0, 4, 8)
BIAS_BITS = (32, 16)
HEAD_BITS = (32, 16)
CALIBRATIONS = ("minmax", "mse")
GRADIENTS = ("float32", "int16", "int8")


@dataclass(frozen=True)
class Int8:
    """Real int8 training.

    extra_bits:  fractional bits kept in RAM for each trained weight: 0, 4 or 8
    bias_bits:   of each trained bias in RAM: 32, or 16 for its difference to the pretrained value,
                 which stays in Flash; the difference saturates at +-32767 units of the int32 bias
    rounding:    of an update to the weight's units: "stochastic", "nearest" or "truncate"
    qas:         quantisation-aware scaling; without it the integer gradient is used as it is
    float_head:  the last layer with a weight stays float32; else its result is int8 too
    head_bits:   of each trained parameter of a float32 head in RAM: 32, or 16 in fixed point, which
                 saturates at four times the largest pretrained value or beyond
    calibration: ranges of the activations by "minmax" or by least squared error, "mse"
    seed:        of the stochastic rounding
    gradient:    of an activation: "int16" or "int8" with a common exponent, found at run time, in
                 integer arithmetic; or "float32", with twice the bytes of "int16" or more
    """

    extra_bits: int = 4
    rounding: str = "stochastic"
    qas: bool = True
    float_head: bool = True
    calibration: str = "minmax"
    seed: int = 0
    gradient: str = "int16"
    bias_bits: int = 16
    head_bits: int = 32

    def __post_init__(self) -> None:
        for name, value, allowed in (
            ("extra_bits", self.extra_bits, EXTRA_BITS),
            ("bias_bits", self.bias_bits, BIAS_BITS),
            ("head_bits", self.head_bits, HEAD_BITS),
            ("rounding", self.rounding, ROUNDINGS),
            ("calibration", self.calibration, CALIBRATIONS),
            ("gradient", self.gradient, GRADIENTS),
        ):
            plain = isinstance(value, (str, int)) and not isinstance(value, bool)
            if not plain or value not in allowed:
                raise TrainletError(
                    f"{name}={shown(value)}; allowed: {', '.join(map(str, allowed))}"
                )
        flag("qas", self.qas)
        flag("float_head", self.float_head)
        whole("seed", self.seed, 0, 2**32 - 1)
        if self.head_bits == 16 and not (self.float_head and self.qas):
            raise TrainletError(
                "head_bits=16 keeps a float32 head in fixed point, which descends in real units; "
                "allowed: with float_head=True and qas=True"
            )
