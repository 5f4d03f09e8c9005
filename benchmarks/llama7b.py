"""A training step of LLaMA-2-7B's shape on one GPU, in bfloat16, with random weights.

    python benchmarks/llama7b.py                 on a GPU of 40 GB or more, within ten minutes
    python benchmarks/llama7b.py --small --device cpu      a few thousand weights: only a check

Of 512 tokens: full updates; attention and the gate of the last five blocks (sparse); LoRA of rank 8
of all linear layers.  Each cell is a process of its own: Trainlet's parts, PyTorch with each part
compiled, and PyTorch eager.  Time is the median step; memory the most that was allocated at
once on the GPU, or on a CPU the largest resident size.  Targets are printed beside the figures.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable

import torch
import torch.nn.functional as F
from llama_blocks import LLAMA2_7B, SMALL, parts, scheme

import trainlet as tl
from trainlet.torch import BlockTrainer

KINDS, METHODS = ("full", "sparse", "lora"), ("trainlet", "compiled", "eager")
RANK, RATE, GB = 8, 1e-3, 1e9
SECONDS = 580


def step_of(args: argparse.Namespace) -> Callable[[], float]:
    """A function that trains on one batch and returns the loss."""
    shape = SMALL if args.small else LLAMA2_7B
    rank = RANK if args.kind == "lora" else 0
    network = parts(shape, rank, device=args.device, dtype=torch.bfloat16)
    trained = scheme(args.kind, shape, network)
    x = torch.randint(shape.vocabulary, (1, shape.tokens), device=args.device)
    y = torch.randint(shape.vocabulary, (shape.tokens,), device=args.device)
    if args.method == "trainlet":
        trainer = BlockTrainer(network, x, trained, optimizer=tl.SGD(RATE), way=args.way)
        return lambda: trainer.step(x, y)
    learning = []
    for prefix, module in network.items():
        for name, p in module.named_parameters():
            p.requires_grad_(f"{prefix}.{name}" in trained)
            learning += [p] if p.requires_grad else []
        if args.method == "compiled":
            module.compile()
    optimizer = torch.optim.SGD(learning, RATE)

    def step() -> float:
        at = x
        for module in network.values():
            at = module(at)
        loss = F.cross_entropy(at.float(), y)
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        return loss.item()

    return step


def cell(args: argparse.Namespace) -> None:
    """Print a line of JSON: time of a step, memory, and the losses."""
    begun = time.perf_counter()
    step = step_of(args)
    losses = [step(), step()]
    ready = time.perf_counter() - begun
    gpu = args.device == "cuda"
    if gpu:
        torch.cuda.reset_peak_memory_stats()
    times = []
    for _ in range(args.steps):
        start = time.perf_counter()
        losses.append(step())
        times.append(time.perf_counter() - start)
    peak = torch.cuda.max_memory_allocated() if gpu else 1024 * resource.getrusage(
        resource.RUSAGE_SELF
    ).ru_maxrss  # fmt: skip
    found = {"ms": 1e3 * statistics.median(times), "gb": peak / GB, "ready": ready}
    print(json.dumps({**found, "losses": losses}))


def measured(args: argparse.Namespace, kind: str, method: str, left: float) -> dict | str:
    """What a cell prints, or why there is nothing."""
    if left < 20:
        return "no time left"
    command = [sys.executable, __file__, "--kind", kind, "--method", method]
    command += ["--device", args.device, "--steps", str(args.steps), "--way", args.way]
    command += ["--small"] if args.small else []
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=left)
    except subprocess.TimeoutExpired:
        return "not ready in time"
    lines = done.stdout.strip().splitlines()
    return json.loads(lines[-1]) if done.returncode == 0 else done.stderr.strip()[-300:]


def main(args: argparse.Namespace) -> int:
    """Run every cell and print the table; 1 where a cell has failed."""
    gpu = torch.cuda.get_device_name() if args.device == "cuda" else "CPU"
    print(f"{gpu}, torch {torch.__version__}, Trainlet by {args.way}")
    print(f"{'':8}{'':10}{'ms':>9}{'of full':>9}{'GB':>8}{'ready s':>9}  loss")
    begun, cells = time.perf_counter(), {}
    for method in METHODS:
        for kind in KINDS:
            left = SECONDS - (time.perf_counter() - begun)
            found = measured(args, kind, method, left)
            if isinstance(found, str):
                print(f"{kind:8}{method:10}  {found}", flush=True)
                continue
            cells[kind, method] = found
            full = cells.get(("full", method))
            ratio = f"{found['ms'] / full['ms']:.2f}" if full else "-"
            print(
                f"{kind:8}{method:10}{found['ms']:9.1f}{ratio:>9}{found['gb']:8.2f}"
                f"{found['ready']:9.0f}  {found['losses'][0]:.3f} to {found['losses'][-1]:.3f}",
                flush=True,
            )
    if not args.small:
        print_targets(cells)
    return int(len(cells) < len(KINDS) * len(METHODS))


def print_targets(cells: dict) -> None:
    """The figures that matter beside what they should be."""

    def time_of(*key: str) -> float:
        return cells[key]["ms"] if key in cells else float("nan")

    def memory(kind: str) -> float:
        own = cells.get((kind, "trainlet"))
        return own["gb"] if own else float("nan")

    sparse = time_of("sparse", "trainlet")
    for what, value, target in (
        ("sparse / full, ours", sparse / time_of("full", "trainlet"), "at most 0.45"),
        ("compiled LoRA / our sparse", time_of("lora", "compiled") / sparse, "at least 1.5"),
        ("GB, sparse", memory("sparse"), "at most 15"),
        ("GB, full", memory("full"), "at most 17.5"),
    ):
        print(f"{what:28}{value:8.2f}   target: {target}")


if __name__ == "__main__":
    os.environ.setdefault("TRAINLET_MAX_TENSOR_BYTES", str(4 << 30))  # a block has 0.8 GB
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--small", action="store_true", help="a tiny shape, to try the script")
    parser.add_argument("--device", choices=("cuda", "cpu"), default="cuda")
    parser.add_argument("--way", choices=("inductor", "torch.compile", "eager"),
                        default="torch.compile", help="how Trainlet's parts run")  # fmt: skip
    parser.add_argument("--steps", type=int, default=10)
    parser.add_argument("--kind", choices=KINDS, help=argparse.SUPPRESS)
    parser.add_argument("--method", choices=METHODS, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.kind:
        cell(given)
    else:
        sys.exit(main(given))
