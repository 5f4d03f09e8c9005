"""SmolLM2-135M learns how a role of Shakespeare speaks, on one core (make bench-llm).

    python benchmarks/language_model.py --data FOLDER [--roles 1] [--steps 40] [--on eager]

Each method trains from the same weights on the first three quarters of a role's text, one window
of tokens a step, in a process of its own.  Needs the packages that tests/language/smollm2.py names.
"""

from __future__ import annotations

import argparse
import ctypes
import gc
import json
import os
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Any

os.environ.setdefault("TRAINLET_MAX_TENSOR_BYTES", str(2 << 30))  # the weights alone are 538 MB
ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "tests"))

import numpy as np  # noqa: E402
import torch  # noqa: E402
from language_text import Role, roles  # noqa: E402

import trainlet as tl  # noqa: E402
from language import smollm2  # noqa: E402
from trainlet.ir.graph import Graph  # noqa: E402

BLOCKS, RANK, CHUNKS, WARM_UP = 5, 8, 4, 2
METHODS = ("full", "sparse", "lora_fa", "lora")
TARGETS = {"eager": "cpu", "torch.compile": "cpu", "onnxruntime": "onnx"}


@dataclass(frozen=True)
class Row:
    """learns: numbers; macs: of a step; ms: CPU time of a step; values_mb: weights and states;
    beside_mb: most resident memory that steps add; planned_mb: the arena of Trainlet's own plan;
    held_out: loss of each role after the last step"""

    method: str
    learns: int
    macs: int
    ms: float
    values_mb: float
    beside_mb: float
    planned_mb: float
    held_out: list[float]


def training(graph: Graph, method: str) -> Any:
    """The optimisers are what each method is used with; full training has no room for moments."""
    scheme: Any = "full"
    optimizer: Any = tl.SGD(lr=0.003)
    if method == "sparse":
        scheme, optimizer = tl.schemes.last_blocks(graph, BLOCKS), tl.SGD(lr=0.3)
    elif method != "full":
        graph = tl.adapt.lora(graph, rank=RANK)
        scheme = tl.schemes.lora(graph, frozen_a=method == "lora_fa", head=False)
        optimizer = tl.Adam(lr=1e-3)
    graph = tl.loss_in_chunks(graph, CHUNKS)
    return tl.train(graph, scheme, loss="output", optimizer=optimizer)


def measured(method: str, asked: argparse.Namespace, given: list[Role]) -> Row:
    """Compiles and trains in the process that calls it."""
    torch.set_num_threads(1)
    model = smollm2.load(weights_file(), asked.tokens)
    graph = tl.prepare(model, torch.zeros(1, asked.tokens, dtype=torch.int64), check=False)
    del model
    program = tl.plan(training(graph, method), TARGETS[asked.on], rollback=False)
    with program.build(asked.on) as trainer:
        runs = [trained(trainer, role, asked.steps) for role in given]
    spent, beside, held_out = zip(*runs, strict=True)
    return Row(
        method,
        sum(n.type.size for n in program.params),
        program.macs_forward + program.macs_backward,
        float(np.median(spent)),
        (program.constant_bytes + program.state_bytes) / 1e6,
        beside[0],
        program.arena_bytes / 1e6,
        list(held_out),
    )


def trained(trainer: tl.Trainer, role: Role, steps: int) -> tuple[float, float, float]:
    """Median CPU ms of a step, most MB that the steps add, loss of what is held out."""
    trainer.reset()
    gc.collect()
    ctypes.CDLL("libc.so.6").malloc_trim(0)
    Path("/proc/self/clear_refs").write_text("5")  # the most resident memory counts from here
    before, spent = resident("VmRSS"), []
    for k in range(steps):
        x, y = (part[k % len(role.training.x)][None] for part in role.training)
        begin = time.process_time()
        trainer.step((x, y), ())
        spent.append(1e3 * (time.process_time() - begin))
    beside = resident("VmHWM") - before
    losses = [
        float(trainer.predict((x[None], y[None]))) for x, y in zip(*role.held_out, strict=True)
    ]
    return float(np.median(spent[WARM_UP:] or spent)), beside, float(np.mean(losses))


def resident(what: str) -> float:
    """MB of this process: VmRSS now, VmHWM at most."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1e3 for line in lines if line.startswith(what))


def weights_file() -> Path:
    path = smollm2.path()
    if path is None:
        raise SystemExit(f"no package {smollm2.PACKAGE}; tests/language/smollm2.py says how to "
                         "get it")  # fmt: skip
    return path


def untrained(model: torch.nn.Module, role: Role) -> float:
    with torch.no_grad():
        losses = [
            torch.nn.functional.cross_entropy(model(x[None]), y[None]).item()
            for x, y in zip(*map(torch.from_numpy, role.held_out), strict=True)
        ]
    return float(np.mean(losses))


def shown(rows: list[Row], before: dict[str, float]) -> str:
    """A table; shares are of `full`, where it was run."""
    full = next((r for r in rows if r.method == "full"), None)
    losses = ", ".join(f"{name} {loss:.3f}" for name, loss in before.items())
    lines = [f"held-out loss before: {losses}",
             "| | learns, M | held-out loss | GMAC a step | share | CPU ms a step | share "
             "| values, MB | beside, MB | by plan, MB |", "|---" * 10 + "|"]  # fmt: skip
    for r in rows:
        work, time = (r.macs / full.macs, r.ms / full.ms) if full else (1.0, 1.0)
        found = ", ".join(f"{loss:.3f}" for loss in r.held_out)
        lines.append(
            f"| {r.method} | {r.learns / 1e6:.1f} | {found} | {r.macs / 1e9:.1f} | {work:.2f} | "
            f"{r.ms:.0f} | {time:.2f} | {r.values_mb:.0f} | {r.beside_mb:.0f} | "
            f"{r.planned_mb:.0f} |"
        )
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--data", type=Path, default=ROOT.parent / "shared" / "data")
    parser.add_argument("--roles", type=int, default=1)
    parser.add_argument("--steps", type=int, default=40)
    parser.add_argument("--tokens", type=int, default=64, help="of a window")
    parser.add_argument("--held-out", type=int, default=16, help="windows")
    parser.add_argument("--on", choices=TARGETS, default="eager")
    parser.add_argument("--methods", nargs="+", default=METHODS, choices=METHODS)
    parser.add_argument("--json", type=Path, default=ROOT / "build" / "bench-llm.json")
    asked = parser.parse_args()
    words = smollm2.tokenizer(weights_file())
    given = roles(asked.data, words, asked.roles, asked.tokens, asked.held_out)
    model, rows = smollm2.load(weights_file(), asked.tokens), []
    before = {role.name: untrained(model, role) for role in given}
    del model
    for method in asked.methods:
        with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as process:
            rows.append(process.submit(measured, method, asked, given).result())
        print(shown(rows, before), flush=True)
        report = {"before": before, "rows": [asdict(row) for row in rows]}
        asked.json.parent.mkdir(parents=True, exist_ok=True)
        asked.json.write_text(json.dumps(report, indent=1))


if __name__ == "__main__":
    main()
