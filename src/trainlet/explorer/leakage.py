"""What an attacker recovers of a drawing from the gradient of one training step."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import torch
from pydantic import AfterValidator
from torch import nn

import trainlet as tl
from trainlet.demo.symbols import SIDE
from trainlet.explorer.requests import Strict
from trainlet.explorer.teaching import drawn
from trainlet.ir.graph import Graph
from trainlet.ir.scheme import UpdateScheme

DRAWINGS = 2
"""Of those that the page teaches, as examples."""
CLASSES, LABEL, SEED = 5, 3, 1234
ITERATIONS = 200
RECORDED = Path(__file__).with_name("records") / "leakage.json"
"""The attacks on the examples."""


@dataclass(frozen=True)
class Defence:
    """How a device sends less.

    title, words: for the page; scheme: what learns; share: what is sent of its gradient
    rounds: messages about the same drawing
    """

    title: str
    words: str
    share: str = "none"
    scheme: str | UpdateScheme = "full"
    rounds: int = 1


BIASES = UpdateScheme({f"{layer}.bias": 1.0 for layer in ("conv1", "conv2", "conv3", "fc")})
DEFENCES: Mapping[str, Defence] = {
    "none": Defence("No defence", "the whole gradient in float32"),
    "int8": Defence("int8", "each value with 8 bits", "int8"),
    "prune": Defence("90 % left out", "the smallest values of each parameter", "prune:0.9"),
    "topk": Defence("1 % sent", "the largest values of each parameter", "topk:0.01"),
    "rounds": Defence(
        "1 % sent, 16 times", "what a message leaves out is in later ones, as in a fleet",
        "topk:0.01,int8", rounds=16,
    ),
    "sign": Defence("Signs", "one bit for each value", "sign"),
    "noise": Defence("Some noise", "Gaussian, 10 % of the gradient's size", "noise:0.1"),
    "dp": Defence(
        "Clipped, with noise", "norm at most 1, and Gaussian noise of 0.1 in each value",
        "clip:1.0,dp:0.1",
    ),
    "last": Defence("Classifier alone", "the other layers do not learn", scheme="last"),
    "biases": Defence("Biases alone", "no weight learns", scheme=BIASES),
}  # fmt: skip


def _ink(text: str) -> str:
    if len(base64.b64decode(text, validate=True)) != SIDE * SIDE:
        raise ValueError(f"{SIDE * SIDE} bytes are allowed")
    return text


def _known(defence: str) -> str:
    if defence not in DEFENCES:
        raise ValueError(f"allowed: {', '.join(DEFENCES)}")
    return defence


class Attack(Strict):
    """drawing: ink 0..255 of 28 rows of 28 pixels, as base64; defence: of DEFENCES"""

    drawing: Annotated[str, AfterValidator(_ink)]
    defence: Annotated[str, AfterValidator(_known)]


class Sigmoids(nn.Module):
    """The network of Deep Leakage from Gradients (Zhu et al., 2019), for drawings."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(1, 12, 5, 2, 2)
        self.conv2 = nn.Conv2d(12, 12, 5, 2, 2)
        self.conv3 = nn.Conv2d(12, 12, 5, 1, 2)
        self.fc = nn.Linear(12 * (SIDE // 4) ** 2, CLASSES)
        rng = torch.Generator().manual_seed(SEED)
        for p in self.parameters():
            nn.init.uniform_(p, -0.5, 0.5, rng)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        for conv in (self.conv1, self.conv2, self.conv3):
            x = conv(x).sigmoid()
        return self.fc(x.flatten(1))


@cache
def _graph() -> Graph:
    return tl.prepare(Sigmoids().eval(), torch.zeros(1, 1, SIDE, SIDE))


def attacked(asked: Attack) -> dict[str, Any]:
    """What Deep Leakage from Gradients recovers if it knows the defence, for JSON; in a second or,
    of several messages, some.

    Raises ToolchainError without scikit-image.
    """
    ink = np.frombuffer(base64.b64decode(asked.drawing), np.uint8)
    x = ink.reshape(1, 1, SIDE, SIDE).astype(np.float32) / np.float32(255)
    defence = DEFENCES[asked.defence]
    audit = tl.audit(
        _graph(), None, defence.scheme, x=x, y=[LABEL], shares=[defence.share], attacks=["dlg"],
        iterations=ITERATIONS // (2 if defence.rounds > 1 else 1), bounds=(0.0, 1.0), naive=False,
        rounds=defence.rounds,
    )  # fmt: skip
    (row,) = audit.rows
    found = np.round(255 * audit.recovered.clip(0, 1)).astype(np.uint8)
    return {
        "psnr": row.psnr_db, "floor": row.floor_db, "ssim": row.ssim, "label": row.label_correct,
        "bytes": row.bytes_sent, "picture": base64.b64encode(found.tobytes()).decode(),
    }  # fmt: skip


def examples() -> list[str]:
    """Drawings for the page."""
    ink, _ = drawn()
    return [base64.b64encode(ink[k, 0].tobytes()).decode() for k in range(DRAWINGS)]


def leakage() -> dict[str, Any]:
    """The defences, and the recorded attacks on each of the examples, for JSON."""
    return {
        "side": SIDE,
        "defences": [{"key": key, "title": one.title, "words": one.words, "rounds": one.rounds}
                     for key, one in DEFENCES.items()],
        "drawings": examples(),
        "found": json.loads(RECORDED.read_text()),
    }  # fmt: skip
