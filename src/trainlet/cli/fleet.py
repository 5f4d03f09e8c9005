"""trainlet fleet."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from rich.progress import Progress
from rich.table import Table

from trainlet.cli.compile import check_picture
from trainlet.cli.options import Calibration, Net, PrecisionName, Scheme, Target
from trainlet.cli.screen import OUT, USAGE, add_bar, bars
from trainlet.cli.stages import stages
from trainlet.files import check_file, check_folder, replacing
from trainlet.fleet.combine import Combine
from trainlet.fleet.faults import Faults
from trainlet.fleet.people import people
from trainlet.fleet.secure.round import SecureAggregation
from trainlet.fleet.setting import STRATEGIES, Setting
from trainlet.fleet.simulation import Fleet, Round

OWN = ("fedavg", "fedprox")
"""Strategies that need no Flower."""


def fleet_command(
    net: Net,
    data: Annotated[
        Path,
        typer.Option(
            metavar="PLACE",
            help="folder with a .npz file for each device (x, y; x_test, y_test), or a file with "
            "an array person",
        ),
    ],
    scheme: Scheme = "last",
    devices: Annotated[int | None, typer.Option(min=1, help="how many (default: all)")] = None,
    alpha: Annotated[
        float | None,
        typer.Option(help="divide a file's examples by a Dirichlet distribution, instead"),
    ] = None,
    rounds: Annotated[int, typer.Option(min=1, help="rounds of the fleet")] = 10,
    epochs: Annotated[int, typer.Option(min=1, help="passes of a device in a round")] = 1,
    share: Annotated[
        str,
        typer.Option(
            help="what of an update is sent: none, fp16, int8, sign, topk:0.01, noise:0.1, "
            "prune:0.2, clip:1.0, joined by commas"
        ),
    ] = "none",
    strategy: Annotated[
        str, typer.Option(help=f"{', '.join(STRATEGIES)}; all but {', '.join(OWN)} need Flower")
    ] = "fedavg",
    personal: Annotated[
        str, typer.Option(metavar="PATTERN,..", help="parameters that never leave a device")
    ] = "",
    lr: Annotated[float, typer.Option(help="learning rate of the devices")] = 0.01,
    proximal: Annotated[float, typer.Option(min=0, help="FedProx's mu")] = 0.1,
    target: Target = "cortex-m7",
    precision: PrecisionName = None,
    calibration: Calibration = None,
    dropouts: Annotated[
        float, typer.Option(min=0, max=1, help="share of the devices that miss a round")
    ] = 0.0,
    poisoned: Annotated[
        float, typer.Option(min=0, max=1, help="share of the devices that are hostile")
    ] = 0.0,
    secure: Annotated[
        bool,
        typer.Option("--secure-aggregation", help="the server sees only the sum of the updates"),
    ] = False,
    held_out: Annotated[
        float,
        typer.Option(
            min=0, max=0.9, help="share of the examples that test, where a file has no x_test"
        ),
    ] = 0.3,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", metavar="NPZ", help="write what was learnt")
    ] = None,
    journal: Annotated[
        Path | None, typer.Option(metavar="FILE", help="continue from the last finished round")
    ] = None,
    picture: Annotated[
        Path | None, typer.Option(metavar="SVG", help="animate the fleet and its accuracy")
    ] = None,
    app: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="write the Flower app, for `flwr run`")
    ] = None,
    evaluate: Annotated[
        int, typer.Option(min=0, help="with --app: nodes test the model after so many rounds")
    ] = 1,
    jobs: Annotated[int, typer.Option(min=1, help="processes")] = 1,
    seed: Annotated[int, typer.Option(min=0, help="of orders, splits, noise and faults")] = 0,
) -> None:
    """Let many devices learn together, in a simulation; their data stay on them."""
    if alpha is not None and devices is None:
        raise USAGE("--alpha needs --devices")
    if picture is not None:
        check_picture(picture)
    for path in (out, journal):
        check_file(path)
    setting = Setting(
        str(net), str(data), scheme, precision or "float32", str(calibration or ""), personal,
        share, strategy, rounds, epochs, lr, seed, target, proximal,
        evaluate=evaluate, secure_aggregation=secure,
    )  # fmt: skip
    with stages(f"compiling {net}"):
        recipe = setting.recipe()
        found = people(data, recipe.program, devices, alpha, seed)
    if app is not None:
        _write_app(app, setting, len(found))
        return
    divided = [one.divided(held_out, seed) for one in found]
    faults = Faults(
        len(found), recipe.shared.sizes, dropouts=dropouts, poisoned=poisoned, seed=seed
    )
    tests = [one.test for one in divided]
    fleet = Fleet(
        [recipe], [(0, one.learn) for one in divided], tests=tests, combine=_combine(setting),
        journal=journal, secure=SecureAggregation() if secure else None, seed=seed, jobs=jobs,
    )  # fmt: skip
    with fleet, bars() as progress:
        before = fleet.accuracy()
        shown = _rounds(progress, fleet, setting, faults)
        vector = fleet.server.model
        refused = [v for v in fleet.server.verdicts if v.reason]
        if out is not None:
            state = recipe.shared.put(vector, fleet.trainers[0].state())
            with replacing(out) as part:
                np.savez(part, **{name: state[name] for name in recipe.shared.names})  # type: ignore[arg-type]
    OUT.print(f"{len(found)} devices share {recipe.shared.size:,} values of {net}:", markup=False,
              soft_wrap=True)  # fmt: skip
    OUT.print(_table(before, shown))
    if refused:
        OUT.print(f"{len(refused)} messages were refused or bounded; the first: {refused[0]}",
                  markup=False, soft_wrap=True)  # fmt: skip
    if picture is not None:
        from trainlet.pictures.fleet import draw_fleet

        curve = [before, *(one.accuracy for one in shown)]
        with replacing(picture) as part:
            draw_fleet([p for p in curve if p is not None], [len(d.learn) for d in divided], part)
        OUT.print(f"The fleet is drawn in {picture}", markup=False, soft_wrap=True)
    if out is not None:
        OUT.print(f"What was learnt is in {out}", markup=False, soft_wrap=True)


def _combine(setting: Setting) -> Combine | None:
    """What combines updates; Flower's where the server alone cannot."""
    if setting.strategy in OWN:
        return None
    from trainlet.fleet.flower.combine import combine_of

    return combine_of(setting)


def _write_app(folder: Path, setting: Setting, devices: int) -> None:
    from trainlet.fleet.app import write_app

    folder.mkdir(parents=True, exist_ok=True)
    check_folder(folder)
    write_app(folder, setting, devices)
    OUT.print(f"{folder} is a Flower app of {devices} devices; next: flwr run {folder}",
              markup=False, soft_wrap=True)  # fmt: skip


def _rounds(progress: Progress, fleet: Fleet, setting: Setting, faults: Faults) -> list[Round]:
    """The rounds that are left, on a bar."""
    left = max(setting.rounds - fleet.server.round, 0)
    bar, shown = add_bar(progress, "rounds", left), list[Round]()
    for one in fleet.run(setting.rounds, epochs=setting.epochs, lr=setting.lr,
                         present=faults.present, deliver=faults.deliver):  # fmt: skip
        shown.append(one)
        right = "" if one.accuracy is None else f"{one.accuracy:.1%} right"
        progress.update(bar, completed=len(shown), count=f"{len(shown)}/{left}", note=right)
    return shown


def _table(before: float | None, shown: list[Round]) -> Table:
    table = Table("round", "accuracy", "updates", "bytes sent", "bytes received")
    for column in table.columns:
        column.justify = "right"
    table.add_row("start", _percent(before), "", "", "")
    for one in shown if len(shown) <= 12 else [*shown[:: len(shown) // 10], shown[-1]]:
        table.add_row(str(one.number), _percent(one.accuracy), str(one.taken),
                      f"{one.bytes_up:,}", f"{one.bytes_down:,}")  # fmt: skip
    return table


def _percent(share: float | None) -> str:
    return "" if share is None else f"{share:.1%}"
