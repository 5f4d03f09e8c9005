"""The training loop of this folder: Adam, a rate that falls along a cosine, checkpoints."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import Module

from trainlet.errors import DivergedError
from trainlet.fewshot.checkpoint import Checkpoint
from trainlet.progress import stage


def learn(
    name: str,
    modules: dict[str, Module],
    losses: Callable[[int], Iterable[Tensor]],
    rounds: int,
    rate: float,
    checkpoint: Path | None,
    identity: str,
    saved_every: int = 1,
) -> None:
    """Train the modules in place.

    losses: of a round, each of which is asked for when the step of the one before is done
    rate: of the first round; it falls to 0 along a cosine
    checkpoint, identity: as of `Checkpoint`; a run goes on after the last round that was saved
    Raises FileError for a checkpoint of another run, DivergedError if a loss is not finite.
    """
    parameters = [p for module in modules.values() for p in module.parameters()]
    optimizer = torch.optim.Adam(parameters, rate)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, rounds)
    run = Checkpoint(checkpoint, identity, **modules, optimizer=optimizer, schedule=schedule)
    for module in modules.values():
        module.train()
    for k in range(run.load(), rounds):
        stage(name, k, rounds)
        for loss in losses(k):
            if not torch.isfinite(loss):
                raise DivergedError(f"the loss of {name} is {loss.item()} in round {k}; try a "
                                    "smaller rate")  # fmt: skip
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        schedule.step()
        if (k + 1) % saved_every == 0 or k + 1 == rounds:
            run.save(k + 1)
    stage(name, rounds, rounds)
    for module in modules.values():
        module.eval()
