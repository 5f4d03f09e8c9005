"""The options that several commands have, and what they mean together."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any

import typer

import trainlet as tl
from trainlet.cli.adapters import ADAPTERS, adapted
from trainlet.cli.losses import PENALTIES, terms_of
from trainlet.errors import SchemeError, TrainletError, shown
from trainlet.frontends.archive import read_archive
from trainlet.frontends.torch import input_names
from trainlet.ir.graph import Graph
from trainlet.ops.objective import LOSSES
from trainlet.ops.optimizer import OPTIMIZERS, Optimizer
from trainlet.ops.quantized.precision import GRADIENTS
from trainlet.passes.presets import SCHEMES
from trainlet.planning.order.best_order import EFFORTS
from trainlet.planning.undo import STEPS_ALONE
from trainlet.run.dataset import file_keys, read_named
from trainlet.run.trainer import DEVICES

KB = 1024


def _group(text: str) -> tuple[str, float]:
    pattern, _, factor = text.rpartition("=")
    try:
        return pattern, float(factor)
    except ValueError:
        raise TrainletError(
            f"--factor {text}; allowed: PATTERN=FACTOR, such as 'classifier.*=10'"
        ) from None


def _kilobytes(text: str) -> int:
    """A size such as 192 or 192K, in KB."""
    match = re.fullmatch(r"(\d{1,9})[kK]?", str(text))
    if not match or not int(match[1]):
        raise typer.BadParameter(f"{text!r}; allowed: a number of KB above 0, such as 192 or 192K")
    return int(match[1])


def _known_device(name: str) -> str:
    if name not in DEVICES:
        raise TrainletError(f"unknown device {name!r}; allowed: {', '.join(DEVICES)}")
    return name


Net = Annotated[
    Path,
    typer.Argument(metavar="NET", help="network: .pt2 of torch.export.save, .onnx or .tflite"),
]
Scheme = Annotated[
    str,
    typer.Option(metavar="FILE|PRESET", help=f"a TOML file, or a preset: {', '.join(SCHEMES)}"),
]
Target = Annotated[str, typer.Option(help="microcontroller; `trainlet targets` lists all")]
Ram = Annotated[
    int | None,
    typer.Option(metavar="KB", parser=_kilobytes, help="size of RAM (default: the target's)"),
]
Flash = Annotated[
    int | None,
    typer.Option(metavar="KB", parser=_kilobytes, help="size of Flash (default: the target's)"),
]
MaxRam = Annotated[
    int | None,
    typer.Option(
        metavar="KB",
        min=1,
        help="limit on RAM; recompute values until it fits (default: the target's RAM)",
    ),
]
MaxRecompute = Annotated[
    float,
    typer.Option(min=1, max=2, help="limit on work, as a factor of the step without recomputation"),
]
_RATES = ", ".join(f"{name} {make().lr:g}" for name, make in OPTIMIZERS.items())
OptimizerName = Annotated[
    str,
    typer.Option("--optimizer", help=", ".join(OPTIMIZERS) + "; momentum is SGD with momentum 0.9"),
]
Lr = Annotated[float | None, typer.Option(help=f"learning rate (default: {_RATES})")]
Factors = Annotated[
    list[str],
    typer.Option(
        "--factor",
        metavar="PATTERN=FACTOR",
        help="multiplies the learning rate of the parameters that the pattern matches: "
        "'classifier.*=10'; may be repeated, the first match counts",
    ),
]
NO_FACTORS: list[str] = []
LossTerms = Annotated[
    list[str],
    typer.Option(
        "--loss",
        metavar="NAME[:OPTION=VALUE,..]",
        help=f"{', '.join(LOSSES)}, {', '.join(PENALTIES)}; several are added, each with its "
        "options: mse:output=age,target=age,weight=0.5",
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="print JSON instead of a table")]
Adapt = Annotated[
    str | None,
    typer.Option(
        "--adapt",
        metavar="NAME[:OPTION=VALUE,..]",
        help=f"add adapters to the network: {', '.join(ADAPTERS)}; such as lora:rank=4 with "
        "--scheme lora, tinytl with --scheme tinytl",
    ),
]
Accumulate = Annotated[
    int, typer.Option(min=1, help="number of steps whose gradients are averaged for one update")
]
PrecisionName = Annotated[
    str | None,
    typer.Option("--precision", help="float32 or int8 (default: that of the file)"),
]
Calibration = Annotated[
    Path | None,
    typer.Option(
        metavar="NPZ", help="for int8: typical inputs, in an array x; of several inputs x_NAME each"
    ),
]
Gradient = Annotated[
    str | None,
    typer.Option(help=f"for int8: format of gradients, {', '.join(GRADIENTS)} (default: int16)"),
]
ExtraBits = Annotated[
    int | None,
    typer.Option(help="for int8: fractional bits of a trained weight, 0, 4 or 8 (default: 4)"),
]
BiasBits = Annotated[
    int | None,
    typer.Option(
        help="for int8: bits in RAM of a trained bias, 32, or 16 for its difference to the "
        "pretrained one (default: 16)"
    ),
]
HeadBits = Annotated[
    int | None,
    typer.Option(
        help="for int8: bits in RAM of a trained parameter of the float32 head, 32, or 16 in "
        "fixed point (default: 32)"
    ),
]
FloatHead = Annotated[
    bool | None,
    typer.Option(
        "--float-head/--no-float-head",
        help="for int8: keep the last layer in float32 (default), or make it int8 too",
    ),
]
Schedule = Annotated[
    str,
    typer.Option("--schedule", help=f"search for the order of operations: {', '.join(EFFORTS)}"),
]
Stream = Annotated[
    bool | None,
    typer.Option(
        "--stream/--no-stream",
        help="read the first input row by row through a callback; by default where that saves RAM",
    ),
]
StreamInput = Annotated[
    str | None,
    typer.Option(metavar="NAME", help="read this input row by row, instead of the first"),
]
Features = Annotated[
    bool,
    typer.Option(
        "--features",
        help="make the frozen layers before the first that learns a call of their own, whose "
        "result stands for an example in all epochs",
    ),
]
Rollback = Annotated[
    bool,
    typer.Option(
        "--rollback/--no-rollback",
        help="undo an update that overflows and a load that fails, or use less RAM and do not",
    ),
]
LoadTwice = Annotated[
    bool,
    typer.Option(
        "--load-twice",
        help="verify a saved state in a first read, so that the arena needs no room for it; a "
        "second read that fails loses the state",
    ),
]
Prefix = Annotated[str, typer.Option(help="prefix of all names in the C code")]
On = Annotated[str, typer.Option("--on", callback=_known_device, help=", ".join(DEVICES))]


def update_scheme(given: str) -> tl.UpdateScheme | str:
    """The preset's name, or the file's scheme."""
    if given in SCHEMES:
        return given
    if not os.path.exists(given):  # False too for what can be no path
        raise SchemeError(
            f"unknown scheme {shown(given)}; allowed: the path of a TOML file, or "
            f"one of {', '.join(SCHEMES)}"
        )
    return tl.UpdateScheme.load(given)


@dataclass(frozen=True)
class Request:
    """What to compile, as the options say it."""

    net: Path
    scheme: str | None
    target: str
    ram: int | None
    flash: int | None
    optimizer: str
    lr: float | None
    loss: list[str]
    accumulate: int
    prefix: str = "trainer"
    precision: str | None = None
    calibration: Path | None = None
    max_ram: int | None = None
    max_recompute: float = 1.33
    gradient: str | None = None
    extra_bits: int | None = None
    schedule: str = "greedy"
    stream: bool | None = None
    float_head: bool | None = None
    rollback: bool = True
    load_twice: bool = False
    stream_input: str | None = None
    adapt: str | None = None
    factor: Sequence[str] = ()
    features: bool = False
    bias_bits: int | None = None
    head_bits: int | None = None

    def update_scheme(self) -> tl.UpdateScheme | str:
        if self.scheme is None:
            raise SchemeError("the scheme is missing; start with --scheme bias")
        return update_scheme(self.scheme)

    def target_device(self) -> tl.Target:
        found = tl.Target.preset(self.target)
        sizes = {"ram": self.ram, "flash": self.flash}
        return replace(found, **{k: v * KB for k, v in sizes.items() if v is not None})

    def make_optimizer(self) -> Optimizer:
        if self.optimizer not in OPTIMIZERS:
            known = ", ".join(OPTIMIZERS)
            raise TrainletError(f"unknown optimizer {self.optimizer!r}; allowed: {known}")
        rate = {} if self.lr is None else {"lr": self.lr}
        return OPTIMIZERS[self.optimizer](**rate, groups=dict(map(_group, self.factor)))

    def arithmetic(self) -> str | tl.Int8 | None:
        """What `compile` takes as its precision."""
        choices = {
            "gradient": self.gradient, "extra_bits": self.extra_bits, "float_head": self.float_head,
            "bias_bits": self.bias_bits, "head_bits": self.head_bits,
        }  # fmt: skip
        given: dict[str, Any] = {k: v for k, v in choices.items() if v is not None}
        if not given:
            return self.precision
        if self.precision != "int8" and (
            self.precision or self.net.suffix not in (".tflite", ".onnx")
        ):
            name = next(iter(given)).replace("_", "-")
            raise TrainletError(f"--{name} needs --precision int8; leave it out, or give both")
        return tl.Int8(**given)

    def shown(self) -> list | None:
        """The calibration batches."""
        if self.calibration is None:
            return None
        names = input_names(read_archive(self.net)) if self.net.suffix == ".pt2" else ["x"]
        (inputs,) = read_named(self.calibration, file_keys("x", names))
        return [tuple(inputs[name] for name in names)]

    def with_adapters(self) -> Graph | None:
        """The quantised graph with the adapters that are asked for; None without any."""
        if self.adapt is None:
            return None
        graph = tl.prepare(
            self.net, precision=self.arithmetic(), calibration=self.shown(),
            loss=terms_of(self.loss),
        )  # fmt: skip
        return adapted(graph, self.adapt)

    def rows(self) -> bool | str:
        """What `compile` takes as its `stream`."""
        if self.stream_input is not None:
            return self.stream_input
        return "auto" if self.stream is None else self.stream

    def program(self) -> tl.CompiledProgram:
        graph = self.with_adapters()
        return tl.compile(
            graph or self.net,
            None,
            self.update_scheme(),
            target=self.target_device(),
            precision=self.arithmetic(),
            calibration=None if graph else self.shown(),
            loss=terms_of(self.loss),
            optimizer=self.make_optimizer(),
            accumulate=self.accumulate,
            prefix=self.prefix,
            max_ram=None if self.max_ram is None else self.max_ram * KB,
            max_recompute=self.max_recompute,
            schedule=self.schedule,
            stream=self.rows(),
            rollback=STEPS_ALONE if self.rollback and self.load_twice else self.rollback,
            split_features=self.features,
        )
