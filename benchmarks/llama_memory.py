"""The bytes that a step of llama7b.py needs, counted from its graphs, without a GPU.

    python benchmarks/llama_memory.py

Weights; what the trained blocks keep between forward and backward; the values and gradients that
the largest graph has at once, in the order in which eager execution runs it; and, because a
compiled update may write to new memory first, the weights that learn in the part with most of them.
"""

from __future__ import annotations

import os
from collections.abc import Collection
from dataclasses import astuple, dataclass

import torch
from llama_blocks import LLAMA2_7B, Block, Head, Shape, parts, scheme

import trainlet as tl
from trainlet.ir.graph import Graph
from trainlet.planning.liveness import Liveness
from trainlet.planning.order.schedule import schedule
from trainlet.torch.block_graphs import KEPT, RESULT, block_graphs, head_graph

RANK, BFLOAT16 = 8, 2
LIMITS = {"full": "17.5", "sparse": "15.0", "lora": ""}


@dataclass(frozen=True)
class Bytes:
    weights: int
    kept: int
    values: int
    copies: int


def counted(kind: str, shape: Shape) -> Bytes:
    """Of a step with plain SGD in bfloat16."""
    rank = RANK if kind == "lora" else 0
    network = parts(shape, rank, device="meta")
    trained = scheme(kind, shape, network)
    own = {
        prefix: {n: w.numel() for n, w in m.named_parameters() if f"{prefix}.{n}" in trained}
        for prefix, m in network.items()
    }
    first = min(k for k in range(shape.blocks) if own[f"blocks.{k}"])
    middle = block(shape, rank, own[f"blocks.{shape.blocks - 1}"])
    x = torch.zeros(1, shape.tokens, shape.width)
    head = tl.prepare(Head(shape), x, check=False)
    last = head_graph(head, own["head"], True, (tl.Loss("cross_entropy"),), tl.SGD())
    results = [n for name, n in middle[0].outputs.items() if name.startswith((KEPT, RESULT))]
    return Bytes(
        sum(w.numel() for m in network.values() for w in m.parameters()) * BFLOAT16,
        sum(n.type.size for n in results) * BFLOAT16 * (shape.blocks - first),
        max(at_once(g) for g in (*middle, last)),
        max(sum(sizes.values()) for sizes in own.values()) * BFLOAT16,
    )


def block(shape: Shape, rank: int, learning: Collection[str]) -> tuple[Graph, Graph]:
    """Forward and backward of a trained block behind another one."""
    graph = tl.prepare(Block(shape, rank), torch.zeros(1, shape.tokens, shape.width), check=False)
    made = block_graphs(graph, learning, True, tl.SGD())
    assert made.backward is not None
    return made.forward, made.backward


def at_once(graph: Graph) -> int:
    """The most bytes of values that are alive at once."""
    live = Liveness(graph)
    return live.buffers(schedule(graph, live)).lower_bound * BFLOAT16 // 4


def main() -> None:
    print("| GB | weights | kept | values | copies | sum | limit |")
    print("|---" * 7 + "|")
    for kind, limit in LIMITS.items():
        found = astuple(counted(kind, LLAMA2_7B))
        cells = " | ".join(f"{n / 1e9:.2f}" for n in (*found, sum(found)))
        print(f"| {kind} | {cells} | {limit} |", flush=True)


if __name__ == "__main__":
    os.environ.setdefault("TRAINLET_MAX_TENSOR_BYTES", str(4 << 30))  # a block has 0.8 GB
    main()
