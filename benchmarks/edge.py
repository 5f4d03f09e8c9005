"""Time and memory of a training step on one core, on engines that an edge computer has.

For each network, batch and scheme of `edge_networks.py`, one after the other and each in a process
of its own: PyTorch eager, LiteRT with TensorFlow's operators (Flex), ONNX Runtime with Trainlet's
files, and Trainlet's reference kernels in C.  The time is the CPU time of the fastest step.
`extra` is by how much the process has grown at most since its libraries were loaded, for the C what
its plan takes.  `kept` is what autograd saves for the backward pass, or what Trainlet's plan does.

    python benchmarks/edge.py                 prints Markdown, writes build/bench-edge.json
        --litert PYTHON      an interpreter with TensorFlow 2.18, the last whose LiteRT has Flex
        --engines NAMES      beside eager: litert,onnxruntime,host; also compile (torch.compile)
                             and inductor (AOTInductor), which take minutes for each cell
        --cell NAME BATCH    one network alone    --schemes full,last    --seconds 2
        --resume             keeps the cells that the JSON has

In C only MobileNetV2-0.35 is measured: the weights of the others are hundreds of megabytes of
source text.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path

from edge_networks import CELLS, SCHEMES

ROOT, HERE = Path(__file__).parents[1], Path(__file__).parent
ENGINES = ("eager", "compile", "litert", "onnxruntime", "inductor", "host")
"""In the order of the columns; all but eager may be absent."""
USUAL = ["litert", "onnxruntime", "host"]
IN_C = "MobileNetV2-0.35"


def run(*command: object) -> dict:
    """The last line of JSON that a process prints; {"error": ..} where it fails."""
    done = subprocess.run([str(c) for c in command], capture_output=True, text=True, cwd=HERE)
    lines = [line for line in done.stdout.splitlines() if line.startswith("{")]
    if done.returncode or not lines:
        return {"error": (done.stderr.strip().splitlines() or ["no result"])[-1]}
    return json.loads(lines[-1])


def cell(name: str, batch: int, scheme: str, args: argparse.Namespace) -> dict:
    """All engines on one network, batch and scheme."""
    row: dict = {"network": name, "batch": batch, "scheme": scheme}
    with tempfile.TemporaryDirectory(prefix="trainlet-") as work:

        def ours(engine: str) -> dict:
            script = HERE / "edge_cell.py"
            return run(sys.executable, script, engine, name, batch, scheme, args.seconds, work)

        row["eager"] = ours("eager")
        if "compile" in args.engines:
            row["compile"] = ours("compile")
        if "litert" in args.engines and args.litert:
            script, file = HERE / "edge_litert.py", Path(work) / "train.tflite"
            command = args.litert, script, name, batch, scheme, args.seconds, file
            run(*command)  # converts
            row["litert"] = run(*command)
        for engine, pack in (("onnxruntime", "pack"), ("inductor", "pack-inductor")):
            if engine in args.engines:
                packed = ours(pack)
                row[engine] = packed if "error" in packed else {**packed, **ours(engine)}
        if "host" in args.engines and name == IN_C:
            row["host"] = ours("host")
    return row


def show(row: dict) -> None:
    """A line of the table for each engine of a cell."""
    base = row["eager"]["fastest"]
    for engine in (e for e in ENGINES if e in row):
        found = row[engine]
        head = f"| {row['network']} | {row['batch']} | {row['scheme']} | {engine} "
        if "error" in found:
            print(f"{head}| {found['error'][:60]} | | | | |", flush=True)
            continue
        kept = f"{found['kept_bytes'] / 1e6:.2f}" if "kept_bytes" in found else ""
        extra, whole = (found[k] / 1e6 for k in ("extra_bytes", "whole_bytes"))
        print(f"{head}| {found['fastest']:.2f} | {found['fastest'] / base:.2f} | {extra:.1f} | "
              f"{whole:.0f} | {kept} |", flush=True)  # fmt: skip


def ratios(rows: list[dict]) -> None:
    """One line for each cell, as in docs/edge.md: times as ratios of eager's."""
    engines = [e for e in ENGINES[1:] if any(e in row for row in rows)]
    memory = [e for e in ("eager", *engines) if e != "host"]
    print(f"\n| network | batch | updates | eager ms | {' | '.join(engines)} | "
          f"extra MB: {', '.join(memory)} | whole MB: {', '.join(memory)} |")  # fmt: skip
    print("|---" * (6 + len(engines)) + "|")
    for row in rows:
        found = {e: row.get(e, {}) for e in ("eager", *engines)}
        base = found["eager"]["fastest"]
        times = [f"{found[e]['fastest'] / base:.2f}" if "fastest" in found[e] else ""
                 for e in engines]  # fmt: skip
        extra, whole = (
            ", ".join(f"{found[e][k] / 1e6:.0f}" if k in found[e] else "-" for e in memory)
            for k in ("extra_bytes", "whole_bytes")
        )
        head = f"| {row['network']} | {row['batch']} | {row['scheme']} | {base:.2f}"
        print(f"{head} | {' | '.join(times)} | {extra} | {whole} |")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--litert", metavar="PYTHON")
    parser.add_argument("--engines", type=lambda names: names.split(","), default=USUAL)
    parser.add_argument("--resume", action="store_true")
    parser.add_argument("--cell", nargs=2, metavar=("NAME", "BATCH"))
    parser.add_argument("--schemes", default=",".join(SCHEMES))
    parser.add_argument("--seconds", type=float, default=2)
    parser.add_argument("--json", type=Path, default=ROOT / "build" / "bench-edge.json")
    args = parser.parse_args()
    cells = [(args.cell[0], int(args.cell[1]))] if args.cell else CELLS
    print("| network | batch | scheme | engine | ms | of eager | extra MB | whole MB | kept MB |")
    print("|---|---|---|---|---|---|---|---|---|")
    args.json.parent.mkdir(parents=True, exist_ok=True)
    rows = json.loads(args.json.read_text()) if args.resume and args.json.exists() else []
    known = {(row["network"], row["batch"], row["scheme"]): row for row in rows}
    for name, batch in cells:
        for scheme in args.schemes.split(","):
            row = known.get((name, batch, scheme))
            if row is None:
                row = cell(name, batch, scheme, args)
                rows.append(row)
                args.json.write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")
            show(row)
    ratios(rows)


if __name__ == "__main__":
    main()
