"""How a network of the soak is trained and where: everything that is drawn beside the network."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from random import Random

PRESETS = ("full", "bias", "last", "norm")
SHARES = (1.0, 1.0, 1.0, 0.7, 0.5, 0.25, 0.1)
LOSSES = (
    "cross_entropy", "cross_entropy", "smoothed", "mse", "bce_with_logits", "two", "distillation",
    "l2", "proximal", "huber", "weights",
)  # fmt: skip
OF_FLOATS = ("l2", "proximal")
"""Penalties take no parameters that are trained as integers."""
OPTIMIZERS = ("sgd", "sgd", "momentum", "adam")
CORES = ("cortex-m0plus", "cortex-m4", "cortex-m7", "cortex-m55")


@dataclass(frozen=True)
class Options:
    """The first value of each is the plainest; a smaller case has more of these.

    scheme:    a preset, or "sparse": parameters and shares drawn with the case's seed
    given:     whether the compiler gets torch's module, an exported program or a loaded graph
    ram_share: the arena may have this share of what it would take; None for all of it
    device:    beside the oracle, the arena and the host: "sanitized", "unicorn" or "qemu"
    level:     of optimisation, for the host's compiler
    """

    scheme: str = "full"
    loss: str = "cross_entropy"
    optimizer: str = "sgd"
    accumulate: int = 1
    target: str = "host"
    device: str = ""
    compiler: str = "gcc"
    level: str = "-O0"
    tile: bool | None = None
    stream: bool = False
    ram_share: float | None = None
    schedule: str = "greedy"
    given: str = "graph"
    precision: str = "float32"
    gradient: str = "float32"
    extra_bits: int = 8
    rounding: str = "stochastic"
    qas: bool = True
    float_head: bool = True
    head_bits: int = 32
    calibration: str = "minmax"

    def changed(self) -> dict[str, object]:
        """What is not the plainest."""
        return {f.name: v for f in fields(self) if (v := getattr(self, f.name)) != f.default}

    def all(self) -> dict[str, object]:
        return asdict(self)


def draw_options(rng: Random) -> Options:
    """Fast devices for most, so that a thousand networks take minutes."""
    rare = rng.random
    options: dict[str, object] = {
        "scheme": rng.choice([*PRESETS, "sparse", "sparse", "sparse"]),
        "loss": rng.choice(LOSSES) if rare() < 0.95 else "bce",
        "optimizer": rng.choice(OPTIMIZERS),
        "accumulate": rng.choice([1, 1, 1, 2]),
        "target": rng.choice(["host", *CORES]),
        "level": rng.choice(["-O0"] * 4 + ["-O1", "-O2"]),
        "tile": rng.choice([None, None, None, True, True, False]),
        "stream": rare() < 0.12,
        "ram_share": rng.choice([0.9, 0.75, 0.6]) if rare() < 0.05 else None,
        "schedule": "optimal" if rare() < 0.03 else "greedy",
        "given": rng.choice(["graph"] * 4 + ["module", "program"]),
        "device": "sanitized" if rare() < 0.06 else "",
    }
    if options["target"] != "host" and rare() < 0.2:
        options["device"] = "qemu" if options["target"] == "cortex-m55" else "unicorn"
        options["compiler"] = "zig" if rare() < 0.1 else "gcc"
    if rare() < 0.4:
        options |= {
            "precision": "int8",
            "gradient": rng.choice(["float32", "int16", "int16", "int8", "int8"]),
            "extra_bits": rng.choice([0, 4, 8, 8]),
            "rounding": rng.choice(["stochastic", "stochastic", "nearest", "truncate"]),
            "qas": rare() < 0.9,
            "float_head": rare() < 0.7,
            "calibration": rng.choice(["minmax", "minmax", "minmax", "mse"]),
        }
        if options["loss"] in OF_FLOATS:
            options["loss"] = "two"
        if options["qas"] and options["float_head"] and options["scheme"] != "sparse":
            options["head_bits"] = rng.choice([32, 16])
    return Options(**options)  # type: ignore[arg-type]
