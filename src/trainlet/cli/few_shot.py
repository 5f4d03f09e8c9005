"""The options of a trainer that chooses on the device what learns."""

from __future__ import annotations

from typing import Annotated

import typer

import trainlet as tl
from trainlet.cli.adapters import adapted
from trainlet.cli.losses import terms_of
from trainlet.cli.options import Request
from trainlet.errors import SchemeError, TrainletError
from trainlet.schemes.tinytrain import DEPTH

HEAD = "cosine_head:ways=5"

FewShot = Annotated[
    bool,
    typer.Option(
        "--few-shot",
        help="in the place of a scheme: the device chooses what learns by a few examples; the "
        f"network gives features, and gets the head --adapt {HEAD} if no other is given",
    ),
]
Macs = Annotated[
    int | None,
    typer.Option(min=1, help="with --few-shot: limit on multiply-accumulates backward"),
]
Share = Annotated[
    float,
    typer.Option(help="with --few-shot: share of the input channels of a chosen weight that learn"),
]
Depth = Annotated[
    int, typer.Option(min=1, help="with --few-shot: the last so many weights can be chosen")
]
Criterion = Annotated[
    str,
    typer.Option(
        help="with --few-shot: what tells which layers and channels matter: fisher, the Fisher "
        "information, or gradient, the squared norm of the gradient over that of the weight"
    ),
]
__all__ = [
    "DEPTH",
    "Criterion",
    "Depth",
    "FewShot",
    "Macs",
    "Share",
    "check_choice",
    "choosing_program",
]


def check_choice(scheme: str | None, few_shot: bool) -> None:
    """Raise SchemeError unless there is a scheme, or --few-shot in its place."""
    if (scheme is None) is not few_shot:
        found = "neither --scheme nor --few-shot" if scheme is None else "both"
        raise SchemeError(f"found {found}; give --scheme (a TOML file or a preset), or --few-shot")


def choosing_program(
    asked: Request, macs: int | None, share: float, depth: int, criterion: str
) -> tl.schemes.ChoosingProgram:
    """The trainer; raises TrainletError for options that it does not have."""
    refused = {
        "--accumulate": asked.accumulate != 1, "--stream": asked.stream,
        "--stream-input": asked.stream_input is not None, "--no-rollback": not asked.rollback,
        "--schedule": asked.schedule != "greedy", "--max-ram": asked.max_ram is not None,
        "--features": asked.features,
    }  # fmt: skip
    if given := [name for name, there in refused.items() if there]:
        raise TrainletError(f"--few-shot does not go with {', '.join(given)}; leave it out")
    loss, precision = terms_of(asked.loss), asked.arithmetic()
    graph = tl.prepare(asked.net, precision=precision, calibration=asked.shown(), loss=loss)
    return tl.schemes.choosing(
        adapted(graph, asked.adapt or HEAD),
        macs=macs,
        share=share,
        depth=depth,
        criterion=criterion,
        target=asked.target_device(),
        loss=loss,
        optimizer=asked.make_optimizer(),
        precision=precision,
        prefix=asked.prefix,
    )
