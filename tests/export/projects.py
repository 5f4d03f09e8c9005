"""Small written projects of each kind that an example has to serve."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

import numpy as np
import torch
from torch import nn

import trainlet as tl


class Two(nn.Module):
    """Words and values in, under a name that an example may use itself; a class and a value out."""

    def __init__(self) -> None:
        super().__init__()
        self.words, self.values = nn.Embedding(5, 4), nn.Linear(3, 4)
        self.kind, self.age = nn.Linear(4, 3), nn.Linear(4, 1)

    def forward(self, token: torch.Tensor, sample: torch.Tensor) -> dict[str, torch.Tensor]:
        h = torch.relu(self.words(token).mean(1) + self.values(sample))
        return {"kind": self.kind(h), "age": self.age(h)}


def classifier() -> nn.Module:
    return nn.Sequential(
        nn.Conv1d(3, 4, 3, padding=1), nn.ReLU(), nn.Flatten(), nn.Linear(4 * 8, 3)
    )


def images() -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(1, 4, 3, 2, 1), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 3)
    )


def _float() -> Any:
    return tl.compile(classifier().eval(), torch.zeros(1, 3, 8), "last", target="host")


def _int8() -> Any:
    shown = [np.random.default_rng(0).uniform(-1, 1, (8, 3, 8)).astype(np.float32)]
    return tl.compile(
        classifier().eval(), torch.zeros(1, 3, 8), "last", target="host",
        precision=tl.Int8(float_head=False), calibration=shown,
    )  # fmt: skip


def _rows() -> Any:
    example = torch.zeros(1, 1, 8, 8)
    return tl.compile(images().eval(), example, "last", target="host", stream=True, prefix="eye")


def _front() -> Any:
    example = torch.zeros(1, 1, 8, 8)
    return tl.compile(images().eval(), example, "last", target="host", split_features=True)


def _two() -> Any:
    losses = [
        tl.Loss("cross_entropy", output="kind"),
        tl.Loss("mse", output="age", target="years", weight=0.1),
    ]
    example = (torch.zeros(1, 2, dtype=torch.int64), torch.zeros(1, 3))
    return tl.compile(Two().eval(), example, "full", target="host", loss=losses)


def _value() -> Any:
    network = nn.Sequential(nn.Linear(6, 4), nn.ReLU(), nn.Linear(4, 1)).eval()
    return tl.compile(network, torch.zeros(1, 6), "last", target="host", loss="mse")


def _head() -> Any:
    graph = tl.adapt.cosine_head(tl.prepare(images().eval(), torch.zeros(1, 1, 8, 8)), 3)
    return tl.plan(tl.train(graph, "last"), "host")


def _chosen() -> Any:
    graph = tl.adapt.cosine_head(tl.prepare(images().eval(), torch.zeros(1, 1, 8, 8)), 3)
    return tl.schemes.choosing(graph, target="host")


MAKERS = {
    "float": _float,
    "int8": _int8,
    "rows": _rows,
    "front": _front,
    "two": _two,
    "value": _value,
    "head": _head,
    "chosen": _chosen,
}


@cache
def made(kind: str) -> Any:
    """A program."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return MAKERS[kind]()


@cache
def project(kind: str) -> Path:
    """The folder of a written project."""
    folder = Path(mkdtemp()) / kind
    made(kind).write(folder)
    return folder
