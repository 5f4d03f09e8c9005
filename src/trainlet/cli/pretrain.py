"""trainlet pretrain."""

from __future__ import annotations

import runpy
from pathlib import Path
from typing import Annotated

import numpy as np
import torch
import typer

from trainlet.cli.screen import OUT, Commands
from trainlet.cli.stages import stages
from trainlet.errors import FileError, TrainletError
from trainlet.fewshot import Episodes, meta_train, pretrain
from trainlet.files import check_file, replacing
from trainlet.ir.npz import read_npz

FUNCTION = "network"

pretrain_app = typer.Typer(cls=Commands, no_args_is_help=True)


@pretrain_app.callback()
def pretrain_group() -> None:
    """Train a network on this computer for what devices will do with it."""


@pretrain_app.command("fewshot")
def fewshot_command(
    net: Annotated[
        Path,
        typer.Argument(
            metavar="NET.py",
            help=f"Python file, which is run; its function {FUNCTION}() returns a torch module "
            "that gives features [n, d], without a classifier",
        ),
    ],
    data: Annotated[
        Path,
        typer.Option(metavar="NPZ", help="examples of many classes, in arrays x and y"),
    ],
    out: Annotated[Path, typer.Option("--out", "-o", metavar="FILE.pt2", help="file to write")],
    ways: Annotated[
        str, typer.Option(metavar="LOW:HIGH", help="fewest and most classes of an episode")
    ] = "5:20",
    steps: Annotated[int, typer.Option(min=1, help="episodes of meta-training")] = 2000,
    epochs: Annotated[
        int, typer.Option(min=0, help="epochs of ordinary training before; 0: none")
    ] = 20,
    rate: Annotated[float, typer.Option(help="learning rate of Adam")] = 1e-3,
    pseudo_queries: Annotated[
        bool,
        typer.Option("--pseudo-queries", help="queries are augmented copies of the support set"),
    ] = False,
    seed: Annotated[int, typer.Option(min=0, help="of weights, batches and episodes")] = 0,
    device: Annotated[str, typer.Option(help="torch's device, such as cpu or cuda")] = "cpu",
) -> None:
    """Meta-train a network that learns new classes from a few examples."""
    low, high = _ways(ways)
    saved = [out.with_suffix(f".{name}.ckpt") for name in ("pretrain", "meta")]
    for path in (out, *saved):
        check_file(path)
    arrays = read_npz(data, ("x", "y"))
    torch.manual_seed(seed)
    backbone = _backbone(net)
    x, y = arrays["x"], arrays["y"]
    episodes = Episodes((low, high))
    episodes.draw(y, np.random.default_rng(seed))  # refuses what it cannot draw from, before hours
    try:
        with stages(f"training {net}"):
            if epochs:
                pretrain(
                    backbone, x, y, epochs=epochs, rate=rate, seed=seed, device=device,
                    checkpoint=saved[0],
                )  # fmt: skip
            scale = meta_train(
                backbone, x, y, episodes=episodes, steps=steps, rate=rate,
                pseudo_queries=pseudo_queries, seed=seed, device=device, checkpoint=saved[1],
            )  # fmt: skip
    except KeyboardInterrupt:
        OUT.print(f"the same command continues from {saved[0]} and {saved[1]}", markup=False)
        raise
    _export(backbone.cpu(), x, out)
    for path in saved:
        path.unlink(missing_ok=True)
    OUT.print(f"{out} gives features; compile it with --adapt cosine_head:ways=5,scale={scale:.3g}",
              markup=False, soft_wrap=True)  # fmt: skip


def _ways(text: str) -> tuple[int, int]:
    low, _, high = text.partition(":")
    if not (low.isdecimal() and (high or low).isdecimal()) or len(text) > 11:
        raise typer.BadParameter(f"{text!r}; allowed: two numbers such as 5:20")
    return int(low), int(high or low)


def _backbone(path: Path) -> torch.nn.Module:
    """What the file's function returns.  The file is a program of the user's own, and is run."""
    if path.suffix != ".py" or not path.is_file():
        raise FileError(f"{path} is no Python file; allowed: one with a function {FUNCTION}()")
    make = runpy.run_path(str(path)).get(FUNCTION)
    if not callable(make):
        raise FileError(f"{path} has no function {FUNCTION}()")
    made = make()
    if not isinstance(made, torch.nn.Module):
        raise TrainletError(f"{FUNCTION}() of {path} returns {type(made).__name__}; allowed: a "
                            "torch.nn.Module")  # fmt: skip
    return made


def _export(backbone: torch.nn.Module, x: np.ndarray, out: Path) -> None:
    one = torch.from_numpy(x[:1].astype(np.float32))
    with replacing(out) as part:
        torch.export.save(torch.export.export(backbone.eval(), (one,)), part)
