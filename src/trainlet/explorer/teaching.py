"""The lesson that runs in the page: a network that learns five symbols, compiled to WebAssembly."""

from __future__ import annotations

import base64
from functools import cache
from typing import Any

import numpy as np
import torch

import trainlet as tl
from trainlet.backends.wasm.description import description
from trainlet.backends.wasm.project import compiled
from trainlet.demo.few_shot import HEAD, PASSES, RATE
from trainlet.demo.symbol_network import load_meta_trained
from trainlet.demo.symbols import SIDE, symbols
from trainlet.ir.graph import Graph

WAYS, LEARN, TEST = 5, 5, 8
"""Symbols, and drawings of each to learn from and to be tested with."""
SEED = 4


@cache
def symbols_graph() -> Graph:
    """The network of the few-shot demo with a head for five symbols."""
    network, scale = load_meta_trained()
    graph = tl.prepare(network, torch.zeros(1, 1, SIDE, SIDE))
    return tl.adapt.cosine_head(graph, WAYS, scale)


@cache
def program(target: str = "wasm") -> tl.CompiledProgram:
    """Its trainer: every parameter learns, the head with a larger rate."""
    optimizer = tl.SGD(lr=RATE, groups={"head.*": HEAD})
    return tl.plan(tl.train(symbols_graph(), "full", optimizer=optimizer), target=target)


@cache
def drawn() -> tuple[np.ndarray, np.ndarray]:
    """Drawings uint8 [5, 13, 28, 28] of symbols that the network has never seen, ink 255: of each
    the first 5 to learn from.  The second array is the same as the network takes it."""
    x, _ = symbols(WAYS, LEARN + TEST, np.random.default_rng(SEED))
    ink = np.round(255 * x).astype(np.uint8).reshape(WAYS, LEARN + TEST, SIDE, SIDE)
    return ink, ink.astype(np.float32) / np.float32(255)


@cache
def teaching() -> dict[str, Any]:
    """What the page needs, for JSON.  Raises ToolchainError without zig."""
    ink, _ = drawn()
    made = program()
    return {
        "module": base64.b64encode(compiled(made)).decode(),
        "description": description(made),
        "drawings": base64.b64encode(ink.tobytes()).decode(),
        "ways": WAYS,
        "learn": LEARN,
        "test": TEST,
        "side": SIDE,
        "passes": PASSES,
        "rate": RATE,
        "ram": made.arena_bytes + made.state_bytes,
    }
