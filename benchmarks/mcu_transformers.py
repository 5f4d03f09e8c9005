"""Transformers that learn on emulated microcontrollers: RAM, Flash, instructions, FLOP.

CCT-2/3x2 on 3x32x32 images, which TrainDeeploy trains too, with as much memory as each scheme
takes; and the language model stories260K on texts of 32 tokens, in 256 KB of RAM and 2 MB of Flash.
Each program learns on the emulator and on this machine, and the benchmark ends with an error where
one loss or one bit of the state differs.  Batch 1, SGD; int8 with int16 gradients.

    python benchmarks/mcu_transformers.py --network cct2 --precision int8 --way last
    make bench-transformers DATA=FOLDER     all rows; writes build/bench-transformers.json

Rows that this file already has are not run again: delete it after a change of the compiler.

FOLDER holds models/stories260K and tinyshakespeare_by_speaker.jsonl.gz; the rows of stories260K are
left out without it.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Callable, Container, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
import torch
from rich.console import Console
from rich.table import Table

import trainlet as tl
from trainlet.ir.graph import Graph
from trainlet.ir.storage import storage

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "tests"))

from language import llama2c  # noqa: E402
from language.vocabulary import Vocabulary, speeches  # noqa: E402
from zoo import NETWORKS  # noqa: E402

RANK, TOKENS, CHUNKS = 4, 32, 4
STEPS, HELD = 20, 20  # texts to learn, and others to judge by
ROLE = "GLOUCESTER"
EMULATOR = {"cortex-m7": "unicorn", "cortex-m55": "qemu"}
PRECISIONS = {"float32": None, "int8": tl.Int8(gradient="int16", extra_bits=8)}
LARGE = {"ram": 4 << 20, "flash": 2 << 20, "stack": 8192}
SMALL = {
    "float32": {"ram": 256 << 10, "flash": 2 << 20, "stack": 1024},
    "int8": {"ram": 256 << 10, "flash": 2 << 20, "stack": 4608},
}

Way = Callable[[Graph], tuple[Graph, tl.UpdateScheme]]
Pair = tuple[Any, Any]
"""What a step takes: inputs and targets."""


@dataclass(frozen=True)
class Task:
    """A network, ways to train it, and what it learns.

    pairs: of each step
    judge: the loss of what is held back, by a trainer; None for a network of random weights
    """

    name: str
    graph: Graph
    ways: Mapping[str, Way]
    pairs: Sequence[Pair]
    memory: Mapping[str, int]
    loss: str
    judge: Callable[[tl.Trainer], float] | None = None


@dataclass(frozen=True)
class Row:
    """One program on one core.  saved_bytes: kept for the backward pass; instructions: of the last
    step, and of a prediction."""

    network: str
    precision: str
    target: str
    way: str
    trained: int
    ram_bytes: int
    arena_bytes: int
    saved_bytes: int
    flash_bytes: int
    macs_forward: int
    macs_backward: int
    macs_recomputed: int
    instructions_predict: int
    instructions_step: int
    rollback: bool = True
    before: float | None = None
    after: float | None = None

    @property
    def flops(self) -> int:
        """A multiply-accumulate is two."""
        return 2 * (self.macs_forward + self.macs_backward + self.macs_recomputed)


def main() -> None:
    """Measure, print, write; the file is written anew after each row."""
    asked = arguments()
    out = ROOT / "build" / "bench-transformers.json"
    out.parent.mkdir(exist_ok=True)
    found = [Row(**r) for r in json.loads(out.read_text())] if out.exists() else []
    done = {(r.network, r.precision, r.target, r.way, r.rollback) for r in found}
    for precision in asked.precision:
        for task in tasks(asked, precision):
            for target in asked.target:
                for row in rows(task, precision, target, asked.way, asked.rollback, done):
                    found.append(row)
                    print(f"{row.network} {row.precision} {row.target} {row.way}: "
                          f"{row.ram_bytes:,} bytes of RAM", file=sys.stderr)  # fmt: skip
                    out.write_text(json.dumps([asdict(r) for r in found], indent=1))
    Console(width=150).print(table(found))


def arguments() -> argparse.Namespace:
    """Of the command line."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else None)
    data = os.environ.get("TRAINLET_DATA", ROOT.parent / "shared" / "data")
    parser.add_argument("--data", type=Path, default=Path(data))
    parser.add_argument("--network", action="append", choices=("cct2", "stories260K"))
    parser.add_argument("--precision", action="append", choices=tuple(PRECISIONS))
    parser.add_argument("--target", action="append", choices=tuple(EMULATOR))
    parser.add_argument("--way", action="append", help="such as last or 'LoRA 2'; all by default")
    parser.add_argument("--no-rollback", dest="rollback", action="store_false",
                        help="do not keep what a step would have to take back")  # fmt: skip
    asked = parser.parse_args()
    asked.network = asked.network or ["cct2", "stories260K"]
    asked.precision, asked.target = asked.precision or [*PRECISIONS], asked.target or [*EMULATOR]
    return asked


def tasks(asked: argparse.Namespace, precision: str) -> Iterator[Task]:
    """The networks that were asked for and whose files are there."""
    if "cct2" in asked.network:
        yield cct2(precision)
    if "stories260K" in asked.network:
        if (asked.data / "models" / "stories260K").is_dir():
            yield stories(precision, asked.data)
        else:
            print(f"no models/stories260K in {asked.data}; say where: --data FOLDER",
                  file=sys.stderr)  # fmt: skip


def rows(
    task: Task, precision: str, target: str, ways: Sequence[str] | None, rollback: bool,
    done: Container[tuple[str, str, str, str, bool]] = (),
) -> Iterator[Row]:  # fmt: skip
    """One row a way that is not done."""
    for way, rewrite in task.ways.items():
        key = task.name, precision, target, way, rollback
        if (ways is None or way in ways) and key not in done:
            yield row(task, precision, target, way, rewrite, rollback)


def row(
    task: Task, precision: str, target: str, way: str, rewrite: Way, rollback: bool = True
) -> Row:
    """Compile one program, let it learn on the emulator and here, and compare."""
    graph, scheme = rewrite(task.graph)
    training = tl.train(graph, scheme, loss=task.loss, precision=PRECISIONS[precision],
                        optimizer=tl.SGD(lr=0.05 if precision == "int8" else 0.1))  # fmt: skip
    device = replace(tl.Target.preset(target), **task.memory)
    program = tl.plan(training, device, rollback=rollback)
    with program.build("host") as host, program.build(EMULATOR[target]) as emulated:
        before = task.judge(host) if task.judge else None
        x, _ = task.pairs[0]
        same(host.predict(x), emulated.predict(x), "prediction")
        predict = emulated.instructions
        for x, y in task.pairs:
            same(host.step(x, y), emulated.step(x, y), "loss")
        step = emulated.instructions
        same(np.frombuffer(host.save(), np.uint8), np.frombuffer(emulated.save(), np.uint8),
             "state")  # fmt: skip
        after = task.judge(host) if task.judge else None
    report = program.report
    assert predict and step and report.flash_bytes
    return Row(
        task.name, precision, target, way, sum(prod(storage(n).shape) for n in program.params),
        report.ram_bytes, report.arena_bytes, report.saved_bytes, report.flash_bytes,
        report.macs_forward, report.macs_backward, report.macs_recomputed, predict, step,
        rollback, before, after,
    )  # fmt: skip


def same(host: Any, emulated: Any, what: str) -> None:
    """End with an error where two results are not the same bits."""
    if not np.array_equal(np.asarray(host), np.asarray(emulated)):
        raise SystemExit(f"the {what} on the emulator is not that of this machine")


def cct2(precision: str) -> Task:
    """Of random weights: no number of the table but the losses depends on them."""
    case, shown = NETWORKS["cct2"](1), [NETWORKS["cct2"](8).x.numpy()]
    graph = tl.prepare(case.model, case.x, precision=PRECISIONS[precision],
                       calibration=shown if precision == "int8" else None)  # fmt: skip
    names = [name for name, _ in case.model.named_parameters()]

    def blocks(k: int) -> Way:
        ends = ("fc.", *(f"blocks.{at}." for at in range(2 - k, 2)))
        scheme = tl.UpdateScheme({n: 1.0 for n in names if n.startswith(ends)})
        return lambda graph: (graph, scheme)

    def channels(graph: Graph) -> tuple[Graph, tl.UpdateScheme]:
        """The biases of the last block, and a half of the channels of its weights."""
        biases = [n for n in names if n.startswith("blocks.1.") and n.endswith("bias")]
        weights = [f"blocks.1.{layer}.weight" for layer in ("self_attn.qkv", "linear1", "linear2")]
        shares = dict.fromkeys(["fc.weight", "fc.bias", *biases], 1.0)
        return graph, tl.UpdateScheme(shares | dict.fromkeys(weights, 0.5))

    ways = {
        "last": lambda graph: (graph, tl.schemes.last(graph)),
        "sparse": channels,
        "block 2": blocks(1),
        "blocks 1, 2": blocks(2),
        "full": lambda graph: (graph, tl.schemes.full(graph)),
        **{
            f"{name}, {where}": adapted(f"blocks.{layers}.self_attn.*", tl.schemes.lora, frozen)
            for name, frozen in (("LoRA", False), ("LoRA-FA", True))
            for where, layers in (("block 2", "1"), ("blocks 1, 2", "*"))
        },
    }
    return Task("cct2", graph, ways, [(case.x, case.y)] * 2, LARGE, "cross_entropy")


def adapted(layers: str, scheme: Callable[..., tl.UpdateScheme], frozen: bool) -> Way:
    """Adapters of rank 4 at some layers."""

    def rewrite(graph: Graph) -> tuple[Graph, tl.UpdateScheme]:
        changed = tl.adapt.lora(graph, RANK, layers=[layers])
        return changed, scheme(changed, frozen_a=frozen)

    return rewrite


def stories(precision: str, data: Path) -> Task:
    """stories260K learns to speak like a role of Shakespeare's, from texts of 32 tokens."""
    folder = data / "models" / "stories260K"
    model = llama2c.read(folder / "stories260K.bin", TOKENS)
    pairs = texts(Vocabulary.read(folder / "tok512.bin"), data)
    learnt, held, shown = pairs[:STEPS], pairs[STEPS : STEPS + HELD], pairs[-8:]
    graph = tl.prepare(
        model, torch.from_numpy(pairs[0][0]), precision=PRECISIONS[precision],
        calibration=[x for x, _ in shown] if precision == "int8" else None,
    )  # fmt: skip
    sparse = tl.schemes.last_blocks(model, 1)
    return language_task("stories260K", graph, sparse, learnt, held, SMALL[precision])


def language_task(
    name: str,
    graph: Graph,
    sparse: tl.UpdateScheme,
    learnt: Sequence[Pair],
    held: Sequence[Pair],
    memory: Mapping[str, int],
) -> Task:
    """Ways to train a language model; texts are pairs of tokens and the tokens that follow."""

    def in_chunks(way: Way) -> Way:
        def rewrite(graph: Graph) -> tuple[Graph, tl.UpdateScheme]:
            changed, scheme = way(graph)
            return tl.loss_in_chunks(changed, CHUNKS), scheme

        return rewrite

    def judge(trainer: tl.Trainer) -> float:
        return float(np.mean([trainer.predict(pair) for pair in held]))

    ways: dict[str, Way] = {
        "last block": lambda graph: (graph, sparse),
        "LoRA, last 2": adapted("layers.[34].self_attn.*", only_adapters, False),
        "LoRA-FA, all": adapted("layers.*.self_attn.*", only_adapters, True),
    }
    return Task(name, graph, {way: in_chunks(ways[way]) for way in ways},
                [(pair, {}) for pair in learnt], memory, "output", judge)  # fmt: skip


def only_adapters(graph: Graph, *, frozen_a: bool = False) -> tl.UpdateScheme:
    """Without the classifier, which is the embedding, half of this model's numbers."""
    ends = ("lora_B",) if frozen_a else ("lora_A", "lora_B")
    return tl.UpdateScheme({name: 1.0 for name in graph.values if name.endswith(ends)})


def texts(vocabulary: Vocabulary, data: Path) -> list[Pair]:
    """Tokens, and the tokens that follow them, each [1, 32]."""
    said = speeches(data / "tinyshakespeare_by_speaker.jsonl.gz", ROLE)
    tokens = np.array([token for speech in said[:60] for token in vocabulary.encode(speech)])
    cut = [tokens[at : at + TOKENS + 1][None] for at in range(0, len(tokens) - TOKENS, TOKENS)]
    return [(text[:, :-1], text[:, 1:]) for text in cut]


def table(found: Sequence[Row]) -> Table:
    """The rows, as the documentation has them."""
    names = "network", "", "core", "trained", "way", "RAM", "arena", "kept", "Flash"
    made = Table(*names, "MFLOP", "predict, M", "step, M", "FLOP / instr.", "held-out loss")
    for r in found:
        judged = "" if r.before is None else f"{r.before:.2f}, {r.after:.2f}"
        made.add_row(
            r.network, r.precision, r.target, f"{r.trained:,}", r.way,
            *(f"{n:,}" for n in (r.ram_bytes, r.arena_bytes, r.saved_bytes, r.flash_bytes)),
            f"{r.flops / 1e6:.1f}", f"{r.instructions_predict / 1e6:.1f}",
            f"{r.instructions_step / 1e6:.1f}", f"{r.flops / r.instructions_step:.2f}", judged,
        )  # fmt: skip
    return made


if __name__ == "__main__":
    main()
