"""Bytes that PyTorch keeps for the backward pass, as it is and after `save_memory`, and the time of
a training step of each.

For every network and scheme: what autograd saves in the forward pass (unique storages seen by
saved-tensor hooks, parameters and buffers left out), by how much the process's resident memory
grows in it, and the CPU time of forward and backward pass together, as the smallest of several
runs on one core.  A row in int8 is left out where that changes nothing.  Float32, batch 8, 64x64,
in eval mode.

    python benchmarks/torch_memory.py        prints Markdown, writes build/torch_memory.json

The resident memory is that of Linux with glibc, which is told to return freed memory at once.
"""

from __future__ import annotations

import copy
import json
import os
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
import torch.nn.functional as F

import trainlet as tl
from trainlet.torch.saved import learning

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "tests"))

from saving.networks import NETWORKS, network  # noqa: E402

AT_ONCE = {"MALLOC_MMAP_THRESHOLD_": "65536", "MALLOC_TRIM_THRESHOLD_": "65536"}
BATCH, SIZE, RUNS = 8, 64, 7
SPARSE = {  # half of the input channels of the last layers, and all biases
    "MobileNetV2": ("features.15.conv.0.0", "features.16.conv.0.0", "features.17.conv.0.0"),
    "ResNet-50": ("blocks.13.conv2", "blocks.14.conv2", "blocks.15.conv2"),
    "vision transformer": ("layers.2.mlp.0", "layers.3.mlp.0"),
}
AGAIN = {"vision transformer": ("layers.*",)}


@dataclass(frozen=True)
class Row:
    """One network, scheme and way of keeping values."""

    network: str
    scheme: str
    how: str
    stock_bytes: int
    kept_bytes: int
    stock_resident: int
    resident: int
    time_ratio: float


def schemes(name: str, model: torch.nn.Module) -> dict[str, tl.UpdateScheme]:
    """The presets, and a sparse scheme."""
    found = {
        preset: tl.schemes.preset(preset, model) for preset in ("last", "bias", "norm", "full")
    }
    half = {f"{layer}.weight": 0.5 for layer in SPARSE[name]}
    return {**found, "sparse": tl.UpdateScheme({**found["bias"].ratios, **half})}


def ways(name: str) -> dict[str, dict]:
    """The options of `save_memory`."""
    found: dict[str, dict] = {"exact": {}, "int8": {"precision": "int8"}}
    if name in AGAIN:
        found["int8, layers run again"] = {"precision": "int8", "recompute": AGAIN[name]}
    return found


def resident_bytes(model: torch.nn.Module, x: torch.Tensor) -> int:
    """By how much the process grows while a forward pass's result is alive."""
    model(x)
    before = _resident()
    result = model(x)
    grown = _resident() - before
    del result
    return max(grown, 0)


def _resident() -> int:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


def time_ratio(
    ours: torch.nn.Module, stock: torch.nn.Module, x: torch.Tensor, y: torch.Tensor
) -> float:
    """CPU time of a training step of one model over that of another; they take turns."""
    fastest = {ours: float("inf"), stock: float("inf")}
    for _ in range(RUNS):
        for model in fastest:
            model.zero_grad(set_to_none=True)
            start = time.process_time()
            F.cross_entropy(model(x), y).backward()
            fastest[model] = min(fastest[model], time.process_time() - start)
    return fastest[ours] / fastest[stock]


def rows(name: str) -> list[Row]:
    """All schemes of a network."""
    stock = network(name)
    x, y = torch.randn(BATCH, 3, SIZE, SIZE), torch.randint(10, (BATCH,))
    found = []
    for scheme_name, scheme in schemes(name, stock).items():
        for how, options in ways(name).items():
            ours = copy.deepcopy(stock)
            tl.torch.save_memory(ours, scheme, **options)
            kept = tl.torch.saved_bytes(ours, lambda model=ours: model(x))
            if found and how == "int8" and kept == found[-1].kept_bytes:
                continue  # nothing that int8 changes
            with learning(stock, set(scheme)):
                stock_bytes = tl.torch.saved_bytes(stock, lambda: stock(x))
                sizes = (stock_bytes, kept, resident_bytes(stock, x), resident_bytes(ours, x))
                ratio = time_ratio(ours, stock, x, y)
            found.append(Row(name, scheme_name, how, *sizes, ratio))
    return found


def main() -> None:
    """Measure, print, write."""
    if AT_ONCE.items() - os.environ.items():
        os.execve(sys.executable, [sys.executable, *sys.argv], {**os.environ, **AT_ONCE})
    torch.manual_seed(0)
    torch.set_num_threads(1)
    found = [row for name in NETWORKS for row in rows(name)]
    heads = ("network", "scheme", "kept", "PyTorch keeps", "after `save_memory`", "times fewer",
             "PyTorch grows by, MB", "after, MB", "time")  # fmt: skip
    print("|", " | ".join(heads), "|\n|---|---|---|" + "---:|" * 6)
    for row in found:
        fewer = row.stock_bytes / row.kept_bytes
        cells = (
            row.network, row.scheme, row.how, f"{row.stock_bytes:,}", f"{row.kept_bytes:,}",
            f"{fewer:.1f}", f"{row.stock_resident / 1e6:.1f}", f"{row.resident / 1e6:.1f}",
            f"{row.time_ratio:.2f}",
        )  # fmt: skip
        print("|", " | ".join(cells), "|")
    out = ROOT / "build" / "torch_memory.json"
    out.parent.mkdir(exist_ok=True)
    out.write_text(json.dumps([asdict(row) for row in found], indent=1))


if __name__ == "__main__":
    main()
