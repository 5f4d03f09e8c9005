"""Everything that a server and its devices have to agree on, as plain values that fit in a file."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from trainlet.compiled import CompiledProgram
from trainlet.compiler import compile
from trainlet.errors import TrainletError, shown
from trainlet.fleet.encoding import encoding
from trainlet.fleet.member import Recipe
from trainlet.ir.arguments import closest
from trainlet.ir.files import read_file
from trainlet.ir.npz import read_npz
from trainlet.ir.scheme import UpdateScheme
from trainlet.ops.optimizer import SGD
from trainlet.ops.penalty import Proximal
from trainlet.passes.presets import SCHEMES

STRATEGIES = ("fedavg", "fedprox", "fedadam", "krum", "trimmed")
SINGLE = ("krum", "trimmed")
"""Strategies that compare single updates."""


@dataclass(frozen=True)
class Setting:
    """A fleet.

    net: a network's file; scheme: a preset, or the path of a TOML file
    calibration: for int8: an .npz file with typical inputs in an array x
    personal: patterns of parameters that never leave a device, with commas
    share: how updates are encoded; strategy: how the server combines them, one of STRATEGIES
    rounds, epochs, lr: of the fleet; passes of a device over its data in a round; learning rate
    proximal: FedProx's mu; server_lr: FedAdam's step; attackers: for Krum, how many devices may
    send anything; trim: for the trimmed mean, the share cut off at either end
    evaluate: after so many rounds the nodes of Flower test the model; 0 for never
    secure_aggregation: whether the server learns the sum of the updates alone
    """

    net: str
    data: str = ""
    scheme: str = "bias"
    precision: str = "float32"
    calibration: str = ""
    personal: str = ""
    share: str = "none"
    strategy: str = "fedavg"
    rounds: int = 10
    epochs: int = 1
    lr: float = 0.01
    seed: int = 0
    target: str = "cortex-m7"
    proximal: float = 0.1
    server_lr: float = 0.01
    attackers: int = 1
    trim: float = 0.2
    evaluate: int = 0
    secure_aggregation: bool = False

    def __post_init__(self) -> None:
        if self.strategy not in STRATEGIES:
            known = ", ".join(STRATEGIES) + closest(self.strategy, STRATEGIES)
            raise TrainletError(f"unknown strategy {shown(self.strategy)}; allowed: {known}")
        if self.secure_aggregation and self.strategy in SINGLE:
            raise TrainletError(f"secure aggregation hides single updates, which {self.strategy} "
                                "compares; allowed: another strategy")  # fmt: skip

    @staticmethod
    def of(values: Mapping[str, Any]) -> Setting:
        """A setting from a file's values; raises TrainletError for unknown or unfit ones."""
        known = {f.name: f.type for f in fields(Setting)}
        kinds = {"str": str, "int": int, "float": (int, float), "bool": bool}
        for name, value in values.items():
            if name not in known:
                raise TrainletError(f"unknown setting {shown(name)}; allowed: {', '.join(known)}"
                                    f"{closest(name, known)}")  # fmt: skip
            flag = known[name] == "bool"
            if not isinstance(value, kinds[str(known[name])]) or isinstance(value, bool) != flag:
                raise TrainletError(f"{name} = {shown(value)}; allowed: {known[name]}")
        if "net" not in values:
            raise TrainletError("the setting has no net; name the network's file")
        return Setting(**values)

    @staticmethod
    def load(path: str | Path) -> Setting:
        """A setting from a TOML file; raises FileError, or TrainletError for what it holds."""
        try:
            values = tomllib.loads(read_file(path).decode())
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise TrainletError(f"{path}: is no TOML file: {error}") from None
        return Setting.of(values)

    def values(self) -> dict[str, Any]:
        """As plain values, which `of` takes."""
        return asdict(self)

    def program(self) -> CompiledProgram:
        """The trainer that every device runs."""
        preset = self.scheme in SCHEMES
        losses: Any = "cross_entropy"
        if self.strategy == "fedprox":
            losses = ["cross_entropy", Proximal(self.proximal)]
        calibration = read_npz(self.calibration, ["x"])["x"] if self.calibration else None
        return compile(
            Path(self.net),
            None,
            self.scheme if preset else UpdateScheme.load(self.scheme),
            target=self.target,
            precision=self.precision,
            calibration=None if calibration is None else [(calibration,)],
            loss=losses,
            optimizer=SGD(self.lr),
        )

    def recipe(self) -> Recipe:
        """The program, compiled, and how its devices share."""
        patterns = tuple(part.strip() for part in self.personal.split(",") if part.strip())
        return Recipe(self.program(), encoding(self.share), patterns)
