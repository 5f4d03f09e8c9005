"""SmolLM2-135M learns how a role of Shakespeare speaks, on one core (make bench-llm).

    python benchmarks/language_model.py --data FOLDER [--roles 1] [--steps 80] [--on eager]

Each method trains from the same weights on the first five eighths of a role's text, one window of
tokens a step, in a process of its own.  On the first role each of its learning rates trains for a
few steps; the one with the lowest loss on the next eighth goes on, and is taken for other roles.
Of the states that were looked at, the best one on that eighth is measured on the last quarter.
Rows that the JSON file already has are not run again.  Needs the packages that
tests/language/smollm2.py names.
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

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "tests"))

import numpy as np  # noqa: E402
import torch  # noqa: E402
from language_text import Role, Windows, roles  # noqa: E402

import trainlet as tl  # noqa: E402
from language import smollm2  # noqa: E402
from trainlet.ir.graph import Graph  # noqa: E402

BLOCKS, RANK, CHUNKS, LOOKS = 5, 8, 4, 3
TARGETS = {"eager": "cpu", "torch.compile": "cpu", "onnxruntime": "onnx"}
HEAD = ("| | learns, M | rate | steps | validation | held-out loss | GMAC a step | share "
        "| CPU ms a step | share | values, MB | beside, MB |")  # fmt: skip
C = ctypes.CDLL("libc.so.6")
MMAP_THRESHOLD, MMAP_MAX = -3, -4  # of malloc.h


@dataclass(frozen=True)
class Method:
    """scheme: see `training`; adam: or plain SGD; rates: to choose from"""

    scheme: str
    adam: bool
    rates: tuple[float, ...]


METHODS = {
    "full": Method("full", False, (0.001, 0.003, 0.01)),
    "sparse": Method("sparse", False, (0.1, 0.3, 1.0)),
    "sparse-adam": Method("sparse", True, (1e-4, 3e-4, 1e-3)),
    "lora-fa": Method("lora_fa", True, (1e-3, 3e-3, 1e-2)),
    "lora": Method("lora", True, (3e-4, 1e-3, 3e-3)),
}
"""Full training has no room for Adam's moments; adapters are used with Adam."""


@dataclass(frozen=True)
class Row:
    """learns: numbers; macs: of a step; ms: CPU time of the fastest tenth of the steps; values_mb:
    weights and states; beside_mb: most resident memory that steps add; searched: validation loss
    of each rate; rate, steps: of the state that was measured; validation, held_out: its losses"""

    method: str
    role: str
    learns: int
    macs: int
    ms: float
    values_mb: float
    beside_mb: float
    searched: dict[str, float]
    rate: float
    steps: int
    validation: float
    held_out: float


def training(graph: Graph, method: Method) -> Any:
    scheme: Any = "full"
    if method.scheme == "sparse":
        scheme = tl.schemes.last_blocks(graph, BLOCKS)
    elif method.scheme != "full":
        graph = tl.adapt.lora(graph, rank=RANK)
        scheme = tl.schemes.lora(graph, frozen_a=method.scheme == "lora_fa", head=False)
    graph = tl.loss_in_chunks(graph, CHUNKS)
    optimizer = (tl.Adam if method.adam else tl.SGD)(lr=method.rates[0])
    return tl.train(graph, scheme, loss="output", optimizer=optimizer)


def measured(name: str, asked: argparse.Namespace, role: Role, rates: tuple[float, ...]) -> Row:
    """Compiles and trains in the process that calls it."""
    torch.set_num_threads(1)
    model = smollm2.load(weights_file(), asked.tokens)
    graph = tl.prepare(model, torch.zeros(1, asked.tokens, dtype=torch.int64), check=False)
    del model
    program = tl.plan(training(graph, METHODS[name]), TARGETS[asked.on], rollback=False)
    del graph
    with program.build(asked.on) as trainer:
        beside = added(trainer, role, rates[0])
        tried = {rate: Course(trainer, role, rate, asked.search) for rate in rates}
        course = min(tried.values(), key=lambda c: c.loss)
        searched = {str(rate): c.loss for rate, c in tried.items()}
        del tried
        course.go_on(asked.steps)
        trainer.load(course.best)
        return Row(
            name,
            role.name,
            sum(n.type.size for n in program.params),
            program.macs_forward + program.macs_backward,
            float(np.quantile(course.spent, 0.1)),
            (program.constant_bytes + program.state_bytes) / 1e6,
            beside,
            searched,
            course.rate,
            course.steps,
            course.loss,
            mean_loss(trainer, role.held_out),
        )


class Course:
    """Training with one rate; `best` is the saved state whose validation loss, `loss`, was the
    lowest, after `steps` steps; spent: CPU ms of each step."""

    def __init__(self, trainer: tl.Trainer, role: Role, rate: float, steps: int) -> None:
        self.trainer, self.role, self.rate = trainer, role, rate
        self.loss, self.done, self.spent = float("inf"), 0, list[float]()
        trainer.reset()
        self._train(steps)

    def go_on(self, steps: int) -> None:
        """Until so many steps are done in all, with a look at the validation loss now and then."""
        self.trainer.load(self.best)
        for stop in np.linspace(self.done, steps, LOOKS + 1).astype(int)[1:]:
            self._train(int(stop))

    def _train(self, until: int) -> None:
        inputs = self.role.training
        for k in range(self.done, until):
            begin = time.process_time()
            self.trainer.step(window(inputs, k), (), self.rate)
            self.spent.append(1e3 * (time.process_time() - begin))
        self.done = max(self.done, until)
        loss = mean_loss(self.trainer, self.role.validation)
        if loss < self.loss:
            self.loss, self.steps, self.best = loss, self.done, self.trainer.save()


def window(windows: Windows, k: int) -> tuple[np.ndarray, np.ndarray]:
    at = k % len(windows.x)
    return windows.x[at][None], windows.y[at][None]


def mean_loss(trainer: tl.Trainer, windows: Windows) -> float:
    losses = [float(trainer.predict(window(windows, k))) for k in range(len(windows.x))]
    return float(np.mean(losses))


def added(trainer: tl.Trainer, role: Role, rate: float) -> float:
    """Most MB that steps add to what is resident.  Meanwhile malloc returns what is freed to the
    system: what it would keep depends on chance."""
    C.mallopt(MMAP_MAX, 1 << 20)
    C.mallopt(MMAP_THRESHOLD, 1 << 15)
    gc.collect()
    C.malloc_trim(0)
    Path("/proc/self/clear_refs").write_text("5")  # the most resident memory counts from here
    before = resident("VmRSS")
    for k in range(2):
        trainer.step(window(role.training, k), (), rate)
    found = resident("VmHWM") - before
    C.mallopt(MMAP_THRESHOLD, 1 << 25)
    return found


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


def untrained(role: Role, tokens: int) -> float:
    model = smollm2.load(weights_file(), tokens)
    with torch.no_grad():
        losses = [
            torch.nn.functional.cross_entropy(model(x[None]), y[None]).item()
            for x, y in zip(*map(torch.from_numpy, role.held_out), strict=True)
        ]
    return float(np.mean(losses))


def shown(rows: list[Row], before: dict[str, float]) -> str:
    """A table of each role; shares are of `full`, where it was run."""
    lines = []
    for role, loss in before.items():
        own = [r for r in rows if r.role == role]
        full = next((r for r in own if r.method == "full"), None)
        lines += [f"{role}: held-out loss before {loss:.3f}", HEAD, "|---" * 12 + "|"]
        for r in own:
            work, spent = (r.macs / full.macs, r.ms / full.ms) if full else (1.0, 1.0)
            lines.append(
                f"| {r.method} | {r.learns / 1e6:.1f} | {r.rate} | {r.steps} | "
                f"{r.validation:.3f} | {r.held_out:.3f} | {r.macs / 1e9:.1f} | {work:.2f} | "
                f"{r.ms:.0f} | {spent:.2f} | {r.values_mb:.0f} | {r.beside_mb:.0f} |"
            )
    return "\n".join(lines)


def stored(path: Path, asked: argparse.Namespace) -> tuple[dict[str, Any], dict[str, float], list]:
    """What the file has, where it was made with the same options: those, losses before, rows."""
    options = {k: getattr(asked, k) for k in ("steps", "search", "tokens", "windows", "on")}
    found = json.loads(path.read_text()) if path.exists() else {}
    if found.get("options") != options:
        return options, {}, []
    return options, found["before"], [Row(**row) for row in found["rows"]]


def main() -> None:
    os.environ.setdefault("TRAINLET_MAX_TENSOR_BYTES", str(2 << 30))  # the weights alone are 538 MB
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--data", type=Path, default=ROOT.parent / "shared" / "data")
    parser.add_argument("--roles", type=int, default=1)
    parser.add_argument("--steps", type=int, default=80)
    parser.add_argument("--search", type=int, default=12, help="steps to compare rates")
    parser.add_argument("--tokens", type=int, default=64, help="of a window")
    parser.add_argument("--windows", type=int, default=40, help="that are held out, at most")
    parser.add_argument("--on", choices=TARGETS, default="eager")
    parser.add_argument("--methods", nargs="+", default=[*METHODS], choices=METHODS)
    parser.add_argument("--json", type=Path, default=ROOT / "build" / "bench-llm.json")
    asked = parser.parse_args()
    words = smollm2.tokenizer(weights_file())
    options, before, rows = stored(asked.json, asked)
    for role in roles(asked.data, words, asked.roles, asked.tokens, asked.windows):
        if role.name not in before:
            before[role.name] = untrained(role, asked.tokens)
        for name in asked.methods:
            if any((r.method, r.role) == (name, role.name) for r in rows):
                continue
            known = next((r for r in rows if r.method == name), None)
            rates = (known.rate,) if known else METHODS[name].rates
            with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as process:
                rows.append(process.submit(measured, name, asked, role, rates).result())
            report = {"options": options, "before": before, "rows": [asdict(row) for row in rows]}
            asked.json.parent.mkdir(parents=True, exist_ok=True)
            asked.json.write_text(json.dumps(report, indent=1))
            print(f"{name}, {role.name}: {rows[-1]}", flush=True)
    print(shown(rows, before))


if __name__ == "__main__":
    main()
