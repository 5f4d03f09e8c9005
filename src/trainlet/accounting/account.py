"""What each update scheme of a network needs: in a compiled trainer, and in PyTorch."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any
from warnings import catch_warnings, simplefilter

from numpy.typing import ArrayLike
from rich.table import Table
from torch.export import ExportedProgram
from torch.nn import Module

from trainlet.adapt import lora, tinytl
from trainlet.arguments import scheme_of, target_of
from trainlet.compiler import Scheme, compile, prepare, resolved
from trainlet.errors import SchemeError, shown
from trainlet.frontends.calibration import example_inputs as float_inputs
from trainlet.frontends.network import Model, import_network, opened
from trainlet.frontends.torch import example_inputs as inputs_of
from trainlet.ir.graph import Graph
from trainlet.ir.printable import printable
from trainlet.ops.quantized.precision import Int8
from trainlet.passes.presets import PRESETS, SCHEMES
from trainlet.planning.report import Report
from trainlet.planning.target import Target
from trainlet.progress import stage
from trainlet.torch.saved import learning, saved_bytes

Adapter = Callable[[Graph], Graph]
ADAPTERS: Mapping[str, Adapter] = {
    "lora": lora, "lora_fa": lora, "tinytl": tinytl, "tinytl_l": tinytl,
}  # fmt: skip
"""The adapters that the presets of this name train."""
ROOM = 1 << 28
"""Bytes of RAM and of Flash: every scheme is planned as if the target had that much."""


@dataclass(frozen=True)
class Account:
    """What one scheme needs.

    report: of the trainer, planned without recomputation; `report.saved_bytes` is what it keeps for
    the backward pass
    torch_bytes: what PyTorch's autograd keeps for the same update of the same batch, without the
    loss's own; None where the network is no PyTorch model, and of adapters
    """

    scheme: str
    report: Report
    torch_bytes: int | None


@dataclass(frozen=True)
class Accounts:
    """The schemes of a network, on one target.

    refused: {scheme: why the network cannot learn with it}
    """

    target: Target
    rows: tuple[Account, ...]
    refused: Mapping[str, SchemeError] = field(default_factory=dict)

    def __getitem__(self, scheme: str) -> Account:
        """The account of a scheme; raises SchemeError where it was refused."""
        if scheme in self.refused:
            raise self.refused[scheme]
        return {row.scheme: row for row in self.rows}[scheme]

    def table(self) -> Table:
        """As a table, to print; in bytes."""
        table = Table(title=f"Bytes on {printable(self.target.name)}", title_justify="left")
        table.add_column("scheme")
        for name in ("learns", "kept", "PyTorch keeps", "arena", "RAM", "Flash"):
            table.add_column(name, justify="right")
        table.add_column("")
        for row in self.rows:
            report = row.report
            sizes = (
                report.parameter_bytes, report.saved_bytes, row.torch_bytes, report.arena_bytes,
                report.ram_bytes, report.flash_bytes,
            )  # fmt: skip
            table.add_row(
                printable(row.scheme), *("-" if n is None else f"{n:,}" for n in sizes),
                self.verdict(row),
            )  # fmt: skip
        for name, why in self.refused.items():
            table.add_row(printable(name), *6 * ["-"], printable(str(why)))
        return table

    def record(self) -> dict[str, object]:
        """The accounts as JSON data."""
        return {
            "target": self.target.name,
            "schemes": {
                row.scheme: {**row.report.record(), "torch_bytes": row.torch_bytes}
                for row in self.rows
            },
            "refused": {scheme: str(why) for scheme, why in self.refused.items()},
        }

    def verdict(self, row: Account) -> str:
        """Whether the target has so much; '' where it has no limit."""
        needs = ((row.report.ram_bytes, self.target.ram), (row.report.flash_bytes or 0,
                                                           self.target.flash))  # fmt: skip
        limits = [(needed, limit) for needed, limit in needs if limit is not None]
        if not limits:
            return ""
        return "fits" if all(needed <= limit for needed, limit in limits) else "too much"


def account(
    model: Model,
    example_inputs: Any = None,
    schemes: Sequence[str] | Mapping[str, Scheme] = tuple(PRESETS),
    *,
    target: str | Target = "cortex-m7",
    precision: str | Int8 | None = None,
    calibration: Sequence[ArrayLike] | None = None,
    adapters: Mapping[str, Adapter] = ADAPTERS,
) -> Accounts:
    """What each update scheme of a network needs, in bytes.

    model, example_inputs, target, precision, calibration: as `compile` takes them
    schemes: names of presets, or {name to show: scheme}
    adapters: {preset: function that adds its adapters to the graph}, such as {"lora":
    functools.partial(tl.adapt.lora, rank=4)}

    Each scheme is compiled with its values kept, not recomputed, whether the target has room or
    not.  A scheme that this network cannot learn with, such as adapters that fit none of its
    layers, is one of `refused`.  Raises what `compile` raises; SchemeError only if all are refused.
    """
    device, network = target_of(target), opened(model)
    roomy = replace(device, ram=ROOM, flash=ROOM) if device.cpu else device
    how: dict[str, Any] = {"target": roomy, "precision": precision, "max_recompute": None}
    rows, refused = list[Account](), dict[str, SchemeError]()
    for name, scheme in _named(schemes).items():
        stage(f"scheme {name}")
        adapter, kept = adapters.get(scheme) if isinstance(scheme, str) else None, None
        try:
            if adapter is not None:
                graph = prepare(
                    network, example_inputs, precision=precision, calibration=calibration
                )
                program = compile(adapter(graph), None, scheme, **how)
            else:
                program = compile(network, example_inputs, scheme, calibration=calibration,
                                  check=not rows, **how)  # fmt: skip
                if isinstance(network, (Module, ExportedProgram)):
                    kept = _torch_bytes(network, example_inputs, scheme)
        except SchemeError as error:
            refused[name] = error
        else:
            rows.append(Account(name, program.report, kept))
    if not rows:
        raise next(iter(refused.values()))
    return Accounts(device, tuple(rows), refused)


def _named(schemes: Any) -> dict[str, Any]:
    if isinstance(schemes, Mapping):
        return {str(name): scheme_of(scheme) for name, scheme in schemes.items()}
    if isinstance(schemes, str) or not isinstance(schemes, Sequence) or not schemes:
        raise SchemeError(
            f"schemes={shown(schemes)}; allowed: a list of presets ({', '.join(SCHEMES)}), or "
            "{name: scheme}"
        )
    return {str(name): scheme_of(name) for name in schemes}


def _torch_bytes(network: Module | ExportedProgram, example: Any, scheme: Any) -> int:
    """What autograd keeps of one forward pass when the scheme's parameters learn."""
    graph = import_network(network, example)
    names = set(resolved(scheme, graph, network))
    if isinstance(network, ExportedProgram):
        inputs, module = inputs_of(network), network.module()
    else:
        inputs, module = float_inputs(example), network
    with learning(module, names), catch_warnings():
        simplefilter("ignore", FutureWarning)  # torch's, of its own exported modules
        return saved_bytes(module, lambda: module(*inputs))
