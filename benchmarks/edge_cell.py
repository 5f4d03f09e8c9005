"""One cell of `edge.py` in a process of its own: prints one line of JSON.

    python benchmarks/edge_cell.py ENGINE NETWORK BATCH SCHEME SECONDS FOLDER

FOLDER is where `pack` writes what `onnxruntime` runs, which imports neither Trainlet nor torch, and
where `pack-inductor` writes what `inductor` runs.
Another engine is another function in ENGINES, and its name in `edge.py`.
"""

from __future__ import annotations

import importlib.util
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from edge_measure import Resident, measured, report
from edge_networks import CLASSES, NETWORKS, learning

RATE = 1e-4


class Cell(NamedTuple):
    """What a process measures."""

    network: str
    batch: int
    scheme: str
    seconds: float
    folder: Path


def eager(cell: Cell, compiled: bool = False) -> None:
    """PyTorch with autograd and its own SGD."""
    import torch
    from edge_torch import seeded

    torch.set_num_threads(1)
    model, x, y = seeded(NETWORKS[cell.network], cell.batch)
    names = set(learning(NETWORKS[cell.network], cell.scheme))
    for name, parameter in model.named_parameters():
        parameter.requires_grad_(name in names)
    trained = [p for p in model.parameters() if p.requires_grad]
    optimizer, resident = torch.optim.SGD(trained, RATE), Resident()
    forward = torch.compile(model) if compiled else model

    def loss() -> torch.Tensor:
        return torch.nn.functional.cross_entropy(forward(x), y)

    def step() -> float:
        optimizer.zero_grad(set_to_none=True)
        value = loss()
        value.backward()
        optimizer.step()
        return float(value.detach())

    found = measured(step, cell.seconds)
    extra = resident.extra()
    if compiled:
        report(found, resident)
        return
    import trainlet as tl

    report(found, resident, extra_bytes=extra, kept_bytes=tl.torch.saved_bytes(model, loss))


def program_of(cell: Cell, target: str) -> tuple[Any, np.ndarray, np.ndarray]:
    """The compiled program, a batch and its labels."""
    from edge_torch import seeded

    import trainlet as tl

    model, x, y = seeded(NETWORKS[cell.network], cell.batch)
    scheme = dict.fromkeys(learning(NETWORKS[cell.network], cell.scheme), 1.0)
    program = tl.compile(
        model, x, scheme, target=target, optimizer=tl.SGD(lr=RATE), check=False,
        max_recompute=None,
    )  # fmt: skip
    return program, x.numpy(), y.numpy()


def pack(cell: Cell) -> None:
    """Write the ONNX files; says what Trainlet's own plan keeps for the backward pass."""
    program, _, _ = program_of(cell, "onnx")
    program.write(cell.folder)
    print(json.dumps({"kept_bytes": program.saved_bytes}))


def onnxruntime(cell: Cell) -> None:
    """Run the written files through their own example."""
    spec = importlib.util.spec_from_file_location("run", cell.folder / "run.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    rng, size = np.random.default_rng(1), NETWORKS[cell.network].size
    x = rng.standard_normal((cell.batch, 3, size, size)).astype(np.float32)
    label = rng.integers(0, CLASSES, cell.batch).astype(np.int32)
    resident = Resident()
    training = module.Training(cell.folder)
    names = [i for i in training.session.get_inputs() if not i.name.startswith("state.")]
    given = {i.name: x if len(i.shape) == 4 else label for i in names if i.name != "lr"}
    report(measured(lambda: training.step(given, RATE), cell.seconds), resident)


def pack_inductor(cell: Cell) -> None:
    """Write the packages of AOTInductor."""
    program, _, _ = program_of(cell, "cpu")
    program.write(cell.folder / "inductor")
    print(json.dumps({"kept_bytes": program.saved_bytes}))


def inductor(cell: Cell) -> None:
    """Run the package of a step, without Trainlet."""
    import torch
    from safetensors.torch import load_file

    torch.set_num_threads(1)
    folder = cell.folder / "inductor"
    inputs = json.loads((folder / "inputs.json").read_text())["step"]
    torch.manual_seed(1)
    resident = Resident()
    package = torch._inductor.aoti_load_package(str(folder / "step.pt2"))
    given = {**load_file(folder / "state.safetensors"), "lr": torch.tensor(RATE)}
    for i in inputs:
        if i["name"] not in given:
            label = i["dtype"] == "int32"
            drawn = torch.randint(CLASSES, i["shape"]) if label else torch.randn(i["shape"])
            given[i["name"]] = drawn.to(getattr(torch, i["dtype"]))
    values = [given[i["name"]] for i in inputs]
    with torch.no_grad():
        report(measured(lambda: float(package(*values)[0]), cell.seconds), resident)


def host(cell: Cell) -> None:
    """The reference kernels in C, compiled with -O2 for this machine."""
    program, x, y = program_of(cell, "host")
    resident = Resident()
    with program.build("host") as trainer:
        found = measured(lambda: trainer.step(x, y), cell.seconds)
    planned = program.arena_bytes + program.state_bytes + program.constant_bytes
    report(found, resident, extra_bytes=planned, kept_bytes=program.saved_bytes)


ENGINES: dict[str, Callable[[Cell], None]] = {
    "eager": eager,
    "compile": lambda cell: eager(cell, compiled=True),
    "pack": pack,
    "onnxruntime": onnxruntime,
    "pack-inductor": pack_inductor,
    "inductor": inductor,
    "host": host,
}


if __name__ == "__main__":
    engine, network, batch, scheme, seconds, folder = sys.argv[1:]
    ENGINES[engine](Cell(network, int(batch), scheme, float(seconds), Path(folder)))
